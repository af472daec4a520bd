"""Events in the store: appended once, never changed, read by their sequence.

Questions by time, customer or metadata are not asked here; the columns answer them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, select

from fluxrate.core.model import Event, NewEvent, Stored
from fluxrate.core.store.append import append
from fluxrate.core.store.connect import Database
from fluxrate.core.store.paging import pieces
from fluxrate.core.store.schema import events, ingest

EventColumns = tuple[int, int, int, int, int, str | None]
"""seq, meter_pk, customer_pk, timestamp, quantity, metadata."""

_AFTER = {
    "sqlite": "SELECT seq, meter_pk, customer_pk, timestamp, quantity, metadata FROM events"
    " WHERE seq > ? ORDER BY seq LIMIT ?",
    "postgresql": "SELECT seq, meter_pk, customer_pk, timestamp, quantity, metadata FROM events"
    " WHERE seq > %s ORDER BY seq LIMIT %s",
}


class Events:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, new: Sequence[NewEvent], now: int) -> list[Stored]:
        """Store a batch in its order, at once or not at all; on return it is on the disk.

        `now` is the moment of arrival, raised to that of the batch before if the clock ran backwards. A key
        that its meter knows already, or that stands twice in the batch, gives the first event and
        `duplicate`. Missing customers are created. Raises Conflict when a customer or meter that the batch
        names has been deleted.
        """
        return append(self._database, new, now)

    def read_after(self, seq: int, limit: int = 100_000) -> Sequence[EventColumns]:
        """At most `limit` events that came after `seq`, in the order of sequences; none that will be
        committed later is passed over.
        """
        with self._database.rows(_AFTER[self._database.dialect], (seq, limit)) as cursor:
            rows: Sequence[EventColumns] = cursor.fetchall()
        return rows

    def by_seqs(self, seqs: Iterable[int]) -> dict[int, Event]:
        """The events of these sequences; a sequence without an event is left out."""
        found: dict[int, Event] = {}
        with self._database.read() as connection:
            for piece in pieces(sorted(set(seqs))):
                for row in connection.execute(select(events).where(events.c.seq.in_(piece))):
                    found[row.seq] = Event(*row)
        return found

    def get(self, seq: int) -> Event | None:
        """The event of this sequence, or None."""
        return self.by_seqs((seq,)).get(seq)

    def find_key(self, meter_pk: int, key: str) -> Event | None:
        """The event that holds this idempotency key on this meter, or None."""
        query = select(events).where(events.c.meter_pk == meter_pk, events.c.idempotency_key == key)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Event(*row)

    def last_seq(self) -> int:
        """The last sequence given out by a finished batch, 0 when there was none."""
        with self._database.read() as connection:
            return _last_seq(connection)

    def seq_at(self, instant: int) -> int:
        """The sequence of the last event that had arrived by `instant`, 0 when there is none."""
        with self._database.read() as connection:
            return _seq_at(connection, instant)


def _last_seq(connection: Connection) -> int:
    last: int = connection.execute(select(ingest.c.last_seq)).scalar_one()
    return last


def _seq_at(connection: Connection, instant: int) -> int:
    # Arrival grows with the sequence, so the primary key serves as the index that ingested_at does not have.
    low, high, best = 1, _last_seq(connection), 0
    while low <= high:
        middle = (low + high) // 2
        query = select(events.c.seq, events.c.ingested_at).where(events.c.seq >= middle).order_by(events.c.seq)
        found = connection.execute(query.limit(1)).first()
        if found is None or found.ingested_at > instant:
            high = middle - 1
        else:
            best = found.seq
            low = best + 1
    return best
