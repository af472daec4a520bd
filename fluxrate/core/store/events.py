"""Events in the store: appended once, never changed, read by their sequence.

Questions by time, customer or metadata are not asked here; the columns answer them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from sqlalchemy import Connection, select

from fluxrate.core.model import Event, NewEvent, Stored
from fluxrate.core.store import counter
from fluxrate.core.store.append import append, find_keys
from fluxrate.core.store.commits import MOST_QUEUED, Commits, Pressure
from fluxrate.core.store.connect import Database
from fluxrate.core.store.paging import pieces
from fluxrate.core.store.schema import LAST, events, voids

EventColumns = tuple[int, int, int, int, int, str | None]
"""seq, meter_pk, customer_pk, timestamp, quantity, metadata."""

# The last sequence is asked for outside: with both bounds together PostgreSQL, while it has no statistics of the table
# yet, takes the rows between for few, and reads and sorts all of them for every step.
_FOLLOWING = (
    "SELECT * FROM (SELECT seq, meter_pk, customer_pk, timestamp, quantity, metadata FROM events"
    " WHERE seq > {0} ORDER BY seq LIMIT {0}) AS following WHERE seq <= {0} ORDER BY seq"
)
BETWEEN = {"sqlite": _FOLLOWING.format("?"), "postgresql": _FOLLOWING.format("%s")}
# Asked some twenty times in a row: as SQLAlchemy's own query it takes six times as long.
_FROM = {
    "sqlite": "SELECT seq, ingested_at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1",
    "postgresql": "SELECT seq, ingested_at FROM events WHERE seq >= %s ORDER BY seq LIMIT 1",
}


class Events:
    """The table of events."""

    def __init__(self, database: Database, most_queued: int = MOST_QUEUED) -> None:
        self._database = database
        self._commits = Commits(partial(append, database), most_queued)

    def append(self, new: Sequence[NewEvent], now: int) -> list[Stored]:
        """Store a batch in its order, at once or not at all; on return it is on the disk.

        `now` is the moment of arrival, raised to that of the batch before if the clock ran backwards. A key
        that its meter knows already, or that stands twice in the batch, gives the first event and
        `duplicate`. Missing customers are created. Raises Conflict when a customer or meter that the batch
        names has been deleted, or the meter changed (see `NewEvent.rules`), Unavailable when the store is away
        or too much waits already. Batches of several threads share a transaction (see `commits`).
        """
        return self._commits.append(new, now)

    def pressure(self) -> Pressure:
        """How much waits to be written, and what was."""
        return self._commits.pressure()

    def read_after(self, seq: int, limit: int = 100_000, upto: int | None = None) -> Sequence[EventColumns]:
        """At most `limit` events that came after `seq`, up to and with `upto`, in the order of sequences; none that
        will be committed later is passed over.
        """
        bounds = (seq, limit, LAST if upto is None else upto)
        with self._database.rows(BETWEEN[self._database.dialect], bounds) as cursor:
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

    def known_keys(self, meter_pk: int, keys: Iterable[str]) -> set[str]:
        """Those of the keys that an event of this meter holds."""
        with self._database.read() as connection:
            wanted = [(meter_pk, key) for key in sorted(set(keys))]
            return {str(event.idempotency_key) for event in find_keys(connection, wanted)}

    def last_seq(self) -> int:
        """The last sequence given out by a finished transaction, 0 when there was none.

        It need not be that of an event: a void has it, or nothing, where a batch ended with a repeat.
        """
        with self._database.read() as connection:
            return counter.last_seq(connection)

    def seq_at(self, instant: int) -> int:
        """The sequence of the last event or void that had arrived by `instant`, 0 when there is none."""
        with self._database.read() as connection:
            last, following = _around(connection, instant)
            between = select(voids.c.seq).where(voids.c.seq > last, voids.c.seq < following)
            arrived = between.where(voids.c.voided_at <= instant).order_by(voids.c.seq.desc()).limit(1)
            return connection.execute(arrived).scalar() or last


def _around(connection: Connection, instant: int) -> tuple[int, int]:
    """The sequence of the last event that had arrived by `instant`, 0 when there is none, and of the event after it."""
    # Arrival grows with the sequence, so the primary key serves as the index that ingested_at does not have.
    low, high = 1, counter.last_seq(connection)
    last, following = 0, LAST
    while low <= high:
        middle = (low + high) // 2
        found = connection.exec_driver_sql(_FROM[connection.dialect.name], (middle,)).first()
        if found is None or found.ingested_at > instant:
            high = middle - 1
            following = LAST if found is None else found.seq
        else:
            last = found.seq
            low = last + 1
    return last, following
