"""The one way in for events: a batch, one durable transaction, each key counted once.

Every batch takes its sequences before anything else and so holds the counter (see `counter`): two batches never wait
for each other's keys in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from fluxrate.core.errors import Conflict
from fluxrate.core.model import Event, NewEvent, Rules, Stored
from fluxrate.core.store import counter, customers
from fluxrate.core.store.arrays import integers, texts
from fluxrate.core.store.connect import Database, driver
from fluxrate.core.store.faults import broken_constraints, is_foreign_key_violation
from fluxrate.core.store.paging import pieces
from fluxrate.core.store.schema import events

EventRow = tuple[int, int, int, int, int, int, str | None, str | None]

# The conflict is named: a sequence given twice must be an error, not a duplicate.
_UNLESS_KNOWN = "ON CONFLICT (meter_pk, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING"
_COLUMNS = "(seq, meter_pk, customer_pk, timestamp, quantity, ingested_at, idempotency_key, metadata)"
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
# Rows in one statement on SQLite: a quarter of the time of one statement for each row is saved, and as many chances for
# other threads to keep this one, which has the lock, from going on.
_RUN = 50
_RULES = "SELECT pk, aggregation_type, property_name, status FROM meters WHERE pk IN ({0})"
# An array for each column on PostgreSQL: two to three times faster than a statement for each row.
_INSERT_ARRAYS = f"""INSERT INTO events {_COLUMNS}
SELECT seq, meter, customer, ts, quantity, %s, key, metadata
FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::bigint[], %s::bigint[], %s::text[], %s::text[])
  AS new (seq, meter, customer, ts, quantity, key, metadata)
ORDER BY seq {_UNLESS_KNOWN}"""  # noqa: S608
# One probe of the index for each key. As an IN list it reads every event of a meter that is too new for the
# planner's statistics.
_BY_KEYS = """SELECT event.* FROM unnest(%s::int[], %s::text[]) AS wanted (meter, key)
CROSS JOIN LATERAL (
  SELECT * FROM events WHERE meter_pk = wanted.meter AND idempotency_key = wanted.key LIMIT 1
) AS event"""


def append(database: Database, new: Sequence[NewEvent], now: int) -> list[Stored]:
    """Store `new` in its order and say what became of each; see `Events.append`.

    Raises Conflict when a customer or meter that the batch names has been deleted, or a meter changed (see
    `NewEvent.rules`).
    """
    if not new:
        return []
    try:
        with database.write() as connection:
            return _append(connection, new, now)
    except broken_constraints() as error:
        if not is_foreign_key_violation(error):
            raise
        raise Conflict("A meter or a customer of this batch has been deleted meanwhile.") from error


def _append(connection: Connection, new: Sequence[NewEvent], now: int) -> list[Stored]:
    last, ingested_at = counter.take(connection, len(new), now)
    first = last - len(new) + 1
    _check_rules(connection, new)
    known, created = _customers(connection, new, ingested_at)
    rows = [
        (
            seq,
            e.meter_pk,
            known[e.customer_external_id] if e.customer_pk is None else e.customer_pk,
            e.timestamp,
            e.quantity,
            ingested_at,
            e.idempotency_key,
            e.metadata,
        )
        for seq, e in enumerate(new, first)
    ]
    accepted = _insert(connection, rows, ingested_at)
    if accepted == len(rows):
        return [Stored(Event(*row), False) for row in rows]
    if not accepted:
        # Nothing new: no sequence is used up, no customer stays, and no write to the disk is waited for.
        originals = _originals(connection, rows)
        _undo(connection)
        return [Stored(originals[row[1], row[6]], True) for row in rows]
    return _mixed(connection, rows, created)


def _check_rules(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Refuse events that were checked by what their meter is no more: nothing else would keep them out."""
    checked = {(e.meter_pk, e.rules) for e in new if e.rules is not None}
    found: dict[int, Rules] = {}
    for piece in pieces(sorted({meter for meter, _ in checked})):
        marks = ", ".join(["?" if connection.dialect.name == "sqlite" else "%s"] * len(piece))
        for pk, *rules in driver(connection).execute(_RULES.format(marks), tuple(piece)).fetchall():
            found[pk] = tuple(rules)
    if any(found.get(meter) != rules for meter, rules in checked):
        raise Conflict("A meter of this batch has been changed or deleted meanwhile.")


def _customers(connection: Connection, new: Sequence[NewEvent], now: int) -> tuple[dict[str, int], set[int]]:
    """The keys of the customers named by external id, and which of them had to be created."""
    names = list(dict.fromkeys(e.customer_external_id for e in new if e.customer_pk is None))
    if not names:
        return {}, set()
    known = customers.pks_of(connection, names)
    missing = [name for name in names if name not in known]
    if not missing:
        return known, set()
    added, created = customers.add(connection, missing, now)
    return known | added, created


def _insert(connection: Connection, rows: list[EventRow], ingested_at: int) -> int:
    """Insert what has no known key; gives the number of rows that went in."""
    if connection.dialect.name == "sqlite":
        rest = len(rows) % _RUN
        whole = len(rows) - rest
        runs = [tuple(chain.from_iterable(rows[start : start + _RUN])) for start in range(0, whole, _RUN)]
        last = [tuple(chain.from_iterable(rows[whole:]))] if rest else []
        return _many(connection, _insert_run(_RUN), runs) + _many(connection, _insert_run(rest), last)
    seqs, meters, owners, times, quantities, _, keys, metadata = zip(*rows, strict=True)
    numbers = (integers(column) for column in (seqs, meters, owners, times, quantities))
    parameters = (ingested_at, *numbers, texts(keys), texts(metadata))
    accepted: int = driver(connection).execute(_INSERT_ARRAYS, parameters).rowcount
    return accepted


@cache
def _insert_run(rows: int) -> str:
    return f"INSERT INTO events {_COLUMNS} VALUES {', '.join([_ROW] * rows)} {_UNLESS_KNOWN}"  # noqa: S608 (constants)


def _many(connection: Connection, statement: str, parameters: Sequence[tuple[Any, ...]]) -> int:
    accepted: int = driver(connection).executemany(statement, parameters).rowcount if parameters else 0
    return accepted


def _mixed(connection: Connection, rows: list[EventRow], created: set[int]) -> list[Stored]:
    """The outcome of a batch of which only a part went in."""
    between = select(events.c.seq).where(events.c.seq.between(rows[0][0], rows[-1][0]))
    accepted = set(connection.execute(between).scalars())
    originals = _originals(connection, [row for row in rows if row[0] not in accepted])
    # A repeated event adds nothing, also not the customer it alone names.
    customers.remove(connection, created - {row[2] for row in rows if row[0] in accepted})
    return [
        Stored(Event(*row), False) if row[0] in accepted else Stored(originals[row[1], row[6]], True) for row in rows
    ]


def _originals(connection: Connection, rows: Iterable[EventRow]) -> dict[tuple[int, str | None], Event]:
    """The stored events that hold the keys of `rows`, by meter and key."""
    keys = sorted({(row[1], row[6]) for row in rows if row[6] is not None})
    return {(event.meter_pk, event.idempotency_key): event for event in find_keys(connection, keys)}


def find_keys(connection: Connection, keys: Sequence[tuple[int, str]]) -> Iterator[Event]:
    """The stored events that hold these (meter, key), which are sorted."""
    find = _find_sqlite if connection.dialect.name == "sqlite" else _find_postgresql
    return find(connection, keys)


def _find_sqlite(connection: Connection, keys: Sequence[tuple[int, str]]) -> Iterator[Event]:
    for meter_pk, group in groupby(keys, itemgetter(0)):
        for piece in pieces([key for _, key in group]):
            query = select(events).where(events.c.meter_pk == meter_pk, events.c.idempotency_key.in_(piece))
            for row in connection.execute(query):
                yield Event(*row)


def _find_postgresql(connection: Connection, keys: Sequence[tuple[int, str]]) -> Iterator[Event]:
    parameters = (integers(meter for meter, _ in keys), texts(key for _, key in keys))
    for row in driver(connection).execute(_BY_KEYS, parameters):
        yield Event(*row)


def _undo(connection: Connection) -> None:
    transaction: Any = connection.get_transaction()
    transaction.rollback()
