"""Many changes of billing records in one transaction: a unit of work.

New rows, claims and notes wait in memory, with the keys that they will have, and go in many at a time: before anything
else is read or changed in the transaction, and at its end. What names are looked up is read for many at once
(`Lookups.ahead`) and once for each.

It hopes that nobody comes between. Where somebody does, or a row breaks a constraint, `Undone` is raised: nothing of
the transaction is there then, and each change is to be made in one of its own, which says whose fault it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Table, Text
from sqlalchemy import exc as sql

from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Note
from fluxrate.core.store import counter, trail
from fluxrate.core.store.arrays import texts
from fluxrate.core.store.connect import driver
from fluxrate.core.store.faults import broken_constraints
from fluxrate.core.store.schema import audit, customers, invoices, mirrored, plans, states, subscriptions
from fluxrate.core.text import storable

__all__ = ["Lookups", "Undone", "Work"]

T = TypeVar("T")

_IN_ORDER = (customers, plans, subscriptions, states, invoices, audit)
"""What is pointed at goes in before what points at it."""
_KEYS_AT_ONCE = 50
_ID_LENGTH = 36


class Undone(Exception):
    """Nothing of the transaction is there: a change in it met with somebody else's, or broke a constraint."""


class Work:
    """One transaction, as the tables of billing use a database. For one thread; `finish` before the commit."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect.name
        self._connection = connection
        self._rows: dict[str, list[tuple[object, ...]]] = {table.name: [] for table in _IN_ORDER}
        self._claims: dict[str, int] = {}
        self._keys: dict[str, Iterator[int]] = {}

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The transaction's connection, which sees all that was changed so far."""
        with _undone():
            self.flush()
        yield self._connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """As `read`; an error of the block undoes the whole transaction, so it leaves as Undone."""
        with _undone(FluxrateError):
            self.flush()
            yield self._connection

    @contextmanager
    def rows(self, statement: str, parameters: tuple[object, ...]) -> Iterator[Any]:
        """As `Database.rows`, in the transaction."""
        with self.read() as connection:
            yield driver(connection).execute(statement, parameters)

    def hold(self) -> None:
        """Keep events from being stored until the end; only before anything else is asked or changed."""
        counter.hold(self._connection)

    def add(self, table: Table, values: Mapping[str, object]) -> tuple[Any, ...]:
        """A new row of the table, all its columns in order, that goes in later; gives it with its key."""
        row = (self._key(table), *(values.get(column.name) for column in list(table.c)[1:]))
        self._rows[table.name].append(row)
        return row

    def add_states(self, rows: Iterable[tuple[object, ...]]) -> None:
        """States with their subscriptions' keys; their own are given when they go in."""
        self._rows[states.name].extend(rows)

    def note(self, note: Note | None) -> None:
        """A row of the audit trail."""
        if note is not None:
            self._rows[audit.name].append(tuple(trail.as_row(note).values()))

    def claim(self, source: str, at: int) -> None:
        """That the newest version known of a record is of `at`, which is later than the one known so far."""
        self._claims[source] = at

    def asked(self, statement: Mapping[str, str], values: Sequence[str]) -> list[Any]:
        """The rows of a question about a list of texts, as the store has them without what waits here."""
        listed = texts(values) if self.dialect == "postgresql" else msgspec.json.encode(values).decode()
        found: list[Any] = driver(self._connection).execute(statement[self.dialect], (listed,)).fetchall()
        return found

    def flush(self) -> None:
        """Put in what waits."""
        if self._claims:
            # In one order, so that two transactions with the same claims wait for each other and not in a circle.
            claims = sorted(self._claims.items())
            self._claims = {}
            if self._put(mirrored, claims, _NEWER) != len(claims):
                raise Undone
        for table in _IN_ORDER:
            rows = self._rows[table.name]
            if rows:
                self._rows[table.name] = []
                self._put(table, rows)

    def finish(self) -> None:
        """Put in what waits; raises Undone."""
        with _undone():
            self.flush()

    def _put(self, table: Table, rows: Sequence[tuple[object, ...]], more: str = "") -> int:
        """Insert rows of all columns, or of all but the key; gives how many there were."""
        columns = list(table.c)[-len(rows[0]) :]
        cursor = driver(self._connection)
        if self.dialect == "postgresql":
            lists = [texts(None if cell is None else str(cell) for cell in cells) for cells in zip(*rows, strict=True)]
            cursor.execute(_insert_lists(table, columns) + more, lists)
        else:
            cursor.executemany(_insert_rows(table, columns) + more, rows)
        written: int = cursor.rowcount
        return written

    def _key(self, table: Table) -> int:
        """The key of the next row, taken as the table itself would take it."""
        if table.name not in self._keys:
            self._keys[table.name] = _KEYS[self.dialect](self._connection, table)
        return next(self._keys[table.name])


class Lookups(Generic[T]):
    """The records of one table by id and external id, each read at most once in the transaction."""

    def __init__(self, work: Work, table: Table, record: Callable[[Sequence[Any]], T], *, held: bool = False) -> None:
        """`held` ones are not changed by anybody else before the end of the transaction; on SQLite none are."""
        self._work = work
        self._record = record
        self._by: dict[str, dict[str, T | None]] = {"external_id": {}, "id": {}}
        self._statements = {column: _looked_up(table, column, held=held) for column in self._by}
        self._places = [list(table.c.keys()).index(name) for name in ("id", "external_id")]

    def ahead(self, names: Iterable[object]) -> None:
        """Read the records that ids or external ids name, in one go; what cannot be a name is left out."""
        wanted = {name for name in names if isinstance(name, str) and storable(name)}
        self._read("external_id", wanted)
        self._read("id", {name.lower() for name in wanted if len(name) == _ID_LENGTH})

    def named(self, text: str) -> T | None:
        """The record of this external id."""
        return self._one("external_id", text)

    def find(self, ref: str) -> T | None:
        """The record whose id, else whose external id is `ref`."""
        if not storable(ref):
            return None
        found = self._one("id", ref.lower()) if len(ref) == _ID_LENGTH else None
        return self.named(ref) if found is None else found

    def keep(self, row: Sequence[Any]) -> T:
        """Know a row as it is now; gives its record."""
        record = self._record(row)
        public, external = (row[place] for place in self._places)
        self.known(record, public, external)
        return record

    def known(self, record: T, public: str, external: str | None) -> None:
        """Know a record as it is now."""
        self._by["id"][public] = record
        if external is not None:
            self._by["external_id"][external] = record

    def forget(self) -> None:
        """Read everything anew."""
        for known in self._by.values():
            known.clear()

    def _one(self, column: str, text: str) -> T | None:
        if text not in self._by[column]:
            self._read(column, {text})
        return self._by[column][text]

    def _read(self, column: str, texts_: set[str]) -> None:
        known = self._by[column]
        missing = sorted(texts_ - known.keys())
        if missing:
            known.update(dict.fromkeys(missing))
            for row in self._work.asked(self._statements[column], missing):
                self.keep(row)


@contextmanager
def _undone(*more: type[Exception]) -> Iterator[None]:
    errors: tuple[type[Exception], ...] = (sql.DBAPIError, *broken_constraints(), *more)
    try:
        yield
    except errors as error:
        raise Undone from error


def _looked_up(table: Table, column: str, *, held: bool) -> dict[str, str]:
    names = ", ".join(f'"{each.name}"' for each in table.c)
    question = f"SELECT {names} FROM {table.name} WHERE {column} "  # noqa: S608 (names of the schema)
    share = " ORDER BY pk FOR SHARE" if held else ""
    return {"sqlite": f"{question}{_IN_JSON}", "postgresql": f"{question}= ANY(%s::text[]){share}"}


def _insert_rows(table: Table, columns: Sequence[Column[Any]]) -> str:
    names = ", ".join(f'"{column.name}"' for column in columns)
    return f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 (as above)


def _insert_lists(table: Table, columns: Sequence[Column[Any]]) -> str:
    names = ", ".join(f'"{column.name}"' for column in columns)
    lists = ", ".join(f"%s::{_type(column)}[]" for column in columns)
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({lists}) AS given"  # noqa: S608 (as above)


def _type(column: Column[Any]) -> str:
    return "text" if isinstance(column.type, Text) else "bigint" if isinstance(column.type, BigInteger) else "integer"


_IN_JSON = "IN (SELECT value FROM json_each(?))"
_NEWER = " ON CONFLICT (source) DO UPDATE SET at = excluded.at WHERE mirrored.at < excluded.at"


def _keys_of_sqlite(connection: Connection, table: Table) -> Iterator[int]:
    found = driver(connection).execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
    # Nobody else can add a row before the end of the transaction.
    return count(found[0] + 1 if found else 1)


def _keys_of_postgresql(connection: Connection, table: Table) -> Iterator[int]:
    query = "SELECT nextval(pg_get_serial_sequence(%s, 'pk')) FROM generate_series(1, %s)"
    while True:
        for row in driver(connection).execute(query, (table.name, _KEYS_AT_ONCE)).fetchall():
            yield row[0]


_KEYS = {"sqlite": _keys_of_sqlite, "postgresql": _keys_of_postgresql}
