"""The store's own word on its events, in plain SQL: what `fluxrate verify` holds the columns against.

Nothing here is fast, and nothing knows of columns, buckets or time zones. Every statement reads a bounded range of
sequences by the primary key: no statement runs long, memory does not grow with the events, and a writer on SQLite is
not held up. Events are never changed, so statements one after another see the same past as one would.

Sums are taken in two limbs of 32 bits, because SQLite's SUM gives up beyond 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, text

from fluxrate.core.store.schema import LAST

_ROWS_RANGE = 50_000
_SUMS_RANGE = 1_000_000

_IN_SCOPE = (
    "meter_pk = :meter AND seq > :after AND seq <= :upto AND timestamp >= :start AND timestamp < :end"
    " AND quantity >= :low AND quantity <= :high"
)
_OF_CUSTOMERS = " AND customer_pk IN :customers"
_NOT_VOIDED = " AND NOT EXISTS (SELECT 1 FROM voids WHERE voids.event_seq = events.seq AND voids.seq <= :as_of)"
_ROWS = "SELECT seq, customer_pk, timestamp, quantity, metadata FROM events WHERE "
_SUMS = (
    "SELECT customer_pk, COUNT(*), SUM(quantity >> 32), SUM(quantity & 4294967295), MIN(quantity), MAX(quantity)"
    " FROM events WHERE "
)
_LATER_FIRST = " ORDER BY timestamp DESC, seq DESC"
_EARLIER_FIRST = " ORDER BY timestamp, seq"
_LIVES = (
    "SELECT meter_pk, COUNT(*), MIN(seq), MAX(seq), MIN(timestamp), MAX(timestamp) FROM events"
    " WHERE seq > :after AND seq <= :upto GROUP BY meter_pk"
)
_NEXT = f"{_ROWS} meter_pk = :meter AND seq >= :seq ORDER BY seq LIMIT 1"
_VOIDED = "SELECT event_seq FROM voids WHERE event_seq IN :events AND seq <= :as_of"
_NEXT_VOID = "SELECT seq FROM voids WHERE seq >= :seq ORDER BY seq LIMIT 1"


_LISTS = {"customers", "events"}


class Row(NamedTuple):
    """An event as it is stored; `metadata` is JSON text."""

    seq: int
    customer_pk: int
    timestamp: int
    quantity: int
    metadata: str | None


class Sums(NamedTuple):
    """Some events added up by SQL."""

    events: int
    total: int
    smallest: int
    largest: int


class Life(NamedTuple):
    """A meter's events in all: how many, and the first and last by sequence and by time."""

    events: int
    first_seq: int
    last_seq: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Which events: those of a meter in `[start, end)`, as of a sequence, of these quantities (both ends count) and
    customers (none: of all), with those that were voided by then or without.
    """

    meter_pk: int
    start: int
    end: int
    as_of: int
    low: int = 0
    high: int = LAST
    customers: tuple[int, ...] = ()
    voided: bool = False


class Audit:
    """Questions to the tables of events and voids that only a check of the columns asks."""

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]]) -> None:
        """`read` gives a connection to read from: `Store.read`."""
        self._read = read

    def lives(self, as_of: int) -> dict[int, Life]:
        """Every meter's events in all, by the meter's key; a meter without events is left out."""
        found: dict[int, Life] = {}
        for after, upto in _ranges(as_of, _SUMS_RANGE):
            for pk, *more in self._all(_LIVES, {"after": after, "upto": upto}):
                found[pk] = _lived(found[pk], Life(*more)) if pk in found else Life(*more)
        return found

    def next(self, meter_pk: int, seq: int) -> Row | None:
        """The meter's first event from a sequence on."""
        found = self._all(_NEXT, {"meter": meter_pk, "seq": seq})
        return Row(*found[0]) if found else None

    def next_void(self, seq: int) -> int | None:
        """The sequence of the first void from a sequence on."""
        found = self._all(_NEXT_VOID, {"seq": seq})
        return int(found[0][0]) if found else None

    def voided(self, seqs: Sequence[int], as_of: int) -> set[int]:
        """Which of a page's events were voided by then."""
        return {row[0] for row in self._all(_VOIDED, {"events": list(seqs), "as_of": as_of})} if seqs else set()

    def rows(self, scope: Scope) -> Iterator[Row]:
        """The events themselves, in the order of sequences."""
        for after, upto in _ranges(scope.as_of, _ROWS_RANGE):
            yield from map(Row._make, self._all(_ROWS + _where(scope), _bound(scope, after, upto)))

    def sums(self, scope: Scope) -> dict[int, Sums]:
        """What each customer's events add up to; a customer without events is left out."""
        found: dict[int, Sums] = {}
        statement = f"{_SUMS}{_where(scope)} GROUP BY customer_pk"
        for after, upto in _ranges(scope.as_of, _SUMS_RANGE):
            for customer, events, high, low, smallest, largest in self._all(statement, _bound(scope, after, upto)):
                # PostgreSQL adds up to a NUMERIC, which comes as a Decimal.
                more = Sums(events, (int(high) << 32) + int(low), smallest, largest)
                found[customer] = _added(found[customer], more) if customer in found else more
        return found

    def latest(self, scope: Scope) -> Row | None:
        """The last event by (time, sequence)."""
        best: Row | None = None
        for after, upto in _ranges(scope.as_of, _SUMS_RANGE):
            found = self._all(f"{_ROWS}{_where(scope)}{_LATER_FIRST} LIMIT 1", _bound(scope, after, upto))
            rows = [Row(*row) for row in found] + ([best] if best else [])
            best = max(rows, key=lambda row: (row.timestamp, row.seq), default=None)
        return best

    def page(self, scope: Scope, order: str, offset: int, size: int) -> list[int]:
        """The sequences of a page of events by (time, sequence), falling ("desc") or rising ("asc")."""
        # One statement over all sequences: no page deep inside can be put together from pages of ranges.
        statement = _ROWS + _where(scope) + (_LATER_FIRST if order == "desc" else _EARLIER_FIRST)
        bound = _bound(scope, 0, scope.as_of) | {"size": size, "offset": offset}
        return [row[0] for row in self._all(f"{statement} LIMIT :size OFFSET :offset", bound)]

    def _all(self, statement: str, bound: dict[str, Any]) -> list[Any]:
        with self._read() as connection:
            return _fetched(connection, statement, bound)


def _fetched(connection: Connection, statement: str, bound: dict[str, Any]) -> list[Any]:
    prepared = text(statement)
    for name in _LISTS & bound.keys():
        prepared = prepared.bindparams(bindparam(name, expanding=True))
    return list(connection.execute(prepared, bound).all())


def _where(scope: Scope) -> str:
    return _IN_SCOPE + (_OF_CUSTOMERS if scope.customers else "") + ("" if scope.voided else _NOT_VOIDED)


def _bound(scope: Scope, after: int, upto: int) -> dict[str, Any]:
    """The values of a statement over some sequences of the scope."""
    bound: dict[str, Any] = {"meter": scope.meter_pk, "after": after, "upto": upto}
    bound |= {"start": scope.start, "end": scope.end, "low": scope.low, "high": scope.high}
    if scope.customers:
        bound["customers"] = scope.customers
    return bound if scope.voided else bound | {"as_of": scope.as_of}


def _ranges(as_of: int, size: int) -> Iterator[tuple[int, int]]:
    return ((after, min(after + size, as_of)) for after in range(0, as_of, size))


def _lived(one: Life, other: Life) -> Life:
    return Life(
        one.events + other.events,
        min(one.first_seq, other.first_seq),
        max(one.last_seq, other.last_seq),
        min(one.first, other.first),
        max(one.last, other.last),
    )


def _added(one: Sums, other: Sums) -> Sums:
    return Sums(
        one.events + other.events,
        one.total + other.total,
        min(one.smallest, other.smallest),
        max(one.largest, other.largest),
    )
