"""Voids in the store: each takes one event out of the figures, from the void's own sequence on.

The event itself stays as it came. A void is added once and never changed; its sequence comes from the counter of the
events, so a reader that has everything up to a sequence has the voids up to it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Note, Void
from fluxrate.core.store import counter, trail
from fluxrate.core.store.connect import Database
from fluxrate.core.store.paging import pieces
from fluxrate.core.store.schema import LAST, events, voids

VoidColumns = tuple[int, int, int, int]
"""seq of the void, then event_seq, meter_pk and timestamp of its event."""

_BETWEEN = (
    "SELECT voids.seq, voids.event_seq, events.meter_pk, events.timestamp FROM voids"
    " JOIN events ON events.seq = voids.event_seq WHERE voids.seq > {0} AND voids.seq <= {0} ORDER BY voids.seq"
)
_AFTER = {"sqlite": _BETWEEN.format("?"), "postgresql": _BETWEEN.format("%s")}


class Voids:
    """The table of voids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event_seq: int, reason: str, actor: str, now: int, note: Note | None = None) -> Void:
        """Void the event of this sequence; on return it is on the disk.

        `now` is raised to the last moment of arrival if the clock ran backwards. Raises NotFound when there is no such
        event, Conflict when it was voided before; then no sequence is used up.
        """
        with self._database.write() as connection:
            # Before the checks: whoever else voids this event has ended, or waits until this transaction has.
            seq, voided_at = counter.take(connection, 1, now)
            if connection.execute(select(events.c.seq).where(events.c.seq == event_seq)).first() is None:
                raise NotFound("There is no such event.")
            if connection.execute(select(voids.c.seq).where(voids.c.event_seq == event_seq)).first() is not None:
                raise Conflict("An event is voided once, and this one has been voided already.")
            void = Void(seq, event_seq, reason, actor, voided_at)
            connection.execute(voids.insert().values((seq, event_seq, reason, actor, voided_at)))
            trail.write(connection, note)
        return void

    def read_after(self, seq: int, upto: int | None = None) -> Sequence[VoidColumns]:
        """The voids that came after `seq`, up to and with `upto`, in the order of sequences, each with where its event
        is; none that will be committed later is passed over.
        """
        bounds = (seq, LAST if upto is None else upto)
        with self._database.rows(_AFTER[self._database.dialect], bounds) as cursor:
            rows: Sequence[VoidColumns] = cursor.fetchall()
        return rows

    def by_events(self, event_seqs: Iterable[int]) -> dict[int, Void]:
        """The voids of these events by the event's sequence; an event that was not voided is left out."""
        found: dict[int, Void] = {}
        with self._database.read() as connection:
            for piece in pieces(sorted(set(event_seqs))):
                for row in connection.execute(select(voids).where(voids.c.event_seq.in_(piece))):
                    found[row.event_seq] = Void(*row)
        return found
