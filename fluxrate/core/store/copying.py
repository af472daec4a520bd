"""An instance moved from one store to another, row by row, of either dialect: the same keys, sequences and moments.

What is copied is the source as of one sequence, which it may outgrow meanwhile: sequence order is commit order, so
everything up to there can be read. Each piece goes in as one transaction with the target's counter, so a copy that was
killed goes on where it was, and one that is run again catches up. A target holds a mark until it is served from: an
unfinished copy cannot be served, one that was served takes no more. Sessions stay behind: people sign in again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, Table, and_, func, literal, select, text, tuple_

from fluxrate.core.errors import ConfigError, Conflict
from fluxrate.core.store.schema import METADATA, events, ingest, instance, sessions, voids

if TYPE_CHECKING:
    from fluxrate.core.store import Store

PIECE = 50_000
"""Events in one transaction."""

_ROWS = 5_000
_SUMS_RANGE = 1_000_000

_MARK = "copy"
_UNFINISHED, _FINISHED = "unfinished", "finished"

# What events point at is there before them; everything else may point at events.
_BEFORE = [table for table in METADATA.sorted_tables if table in {key.column.table for key in events.foreign_keys}]
_AFTER = [
    table for table in METADATA.sorted_tables if table not in {*_BEFORE, events, voids, ingest, sessions, instance}
] + [instance]

# In two limbs, because SQLite's SUM gives up beyond 64 bits.
_LIMBS = "SUM({0} >> 32), SUM({0} & 4294967295)"
_PROOF = (
    f"SELECT meter_pk, COUNT(*), {_LIMBS.format('quantity')}, {_LIMBS.format('timestamp')},"  # noqa: S608
    f" {_LIMBS.format('ingested_at')}, SUM(customer_pk), COUNT(idempotency_key), SUM(LENGTH(idempotency_key)),"
    " COUNT(metadata), SUM(LENGTH(metadata)) FROM events WHERE seq > :after AND seq <= :upto GROUP BY meter_pk"
)

Proof = dict[int, tuple[int, ...]]
"""By meter: how many events, and what their columns add up to."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a run did: `events` went in now, all up to `upto` is the same in both, `later` sequences came since."""

    events: int
    upto: int
    meters: int
    later: int


class Copy:
    """A copy of one store into another; both are migrated, and nothing else writes to the target."""

    def __init__(self, source: Store, target: Store) -> None:
        """Begin, or find where an earlier run was; `after` and `upto` are the sequences it goes from and to.

        Raises Conflict when the target holds anything but a copy of this source, ConfigError when the source is itself
        a copy that was not finished.
        """
        self._source, self._target = source, target
        refuse_unfinished(source)
        with source.read() as connection:
            self.upto, self._moment = connection.execute(select(ingest.c.last_seq, ingest.c.last_ingested_at)).one()
        self.after = self._claimed()

    def run(self, went: Callable[[int], None]) -> Copied:
        """Copy, compare, and mark the target as finished; `went` is told how many sequences each step covered.

        Raises Conflict when the two differ at the end, or when something else wrote to the target.
        """
        # What points at others goes before them.
        for table in reversed(_AFTER):
            self._match(table, only_gone=True)
        for table in _BEFORE:
            self._match(table)
        copied = 0
        while self.after < self.upto:
            last, count = self._piece()
            went(last - self.after)
            self.after, copied = last, copied + count
        for table in _AFTER:
            self._match(table)
        with self._source.read() as connection:
            counters = {table.name: _counter(connection, table) for table in METADATA.sorted_tables if _counted(table)}
        with self._target.write() as connection:
            for name, value in counters.items():
                _count_on(connection, METADATA.tables[name], value)
        meters = self._compared()
        self._target.instance.set(_MARK, f"{_FINISHED} {self.upto}")
        return Copied(copied, self.upto, meters, self._source.events.last_seq() - self.upto)

    def _claimed(self) -> int:
        """Where the target is; an empty one becomes a copy of this source."""
        identity = self._source.instance.get("id") or ""
        theirs, mark = self._target.instance.get("id"), self._target.instance.get(_MARK)
        if mark is None and theirs == identity:
            raise Conflict(
                "The target holds this very instance and is no copy under way: it is the same database, or it has been"
                " served from since it was copied."
            )
        if mark is not None and theirs != identity:
            raise Conflict("The target is a copy of another instance; give an empty database.")
        with self._target.write() as connection:
            last: int = connection.execute(select(ingest.c.last_seq).with_for_update()).scalar_one()
            if mark is None:
                _refuse_filled(connection, last)
                connection.execute(instance.update().where(instance.c.key == "id").values(value=identity))
                connection.execute(instance.insert().values(key=_MARK, value=f"{_UNFINISHED} 0"))
            elif last != int(mark.split()[1]):
                raise Conflict("The target has taken events of its own since it was copied, which a copy would lose.")
            if last > self.upto:
                raise Conflict(f"The target has sequences up to {last}, but the source only up to {self.upto}.")
        return last

    def _piece(self) -> tuple[int, int]:
        """Copy some events and the voids among them; gives the sequence reached and the number of events."""
        with self._source.read() as connection:
            rows = _between(connection, events, self.after, self.upto, PIECE)
            last = rows[-1].seq if len(rows) == PIECE else self.upto
            voided = _between(connection, voids, self.after, last)
        moment = self._moment if last == self.upto else rows[-1].ingested_at
        mine = (ingest.c.last_seq == self.after,)
        with self._target.write() as connection:
            moved = connection.execute(ingest.update().where(*mine).values(last_seq=last, last_ingested_at=moment))
            if moved.rowcount != 1:
                raise Conflict("Something else writes to the target; nothing but one copy may.")
            _insert(connection, events, rows)
            _insert(connection, voids, voided)
            mark = instance.update().where(instance.c.key == _MARK)
            connection.execute(mark.values(value=f"{_UNFINISHED} {last}"))
        return last, len(rows)

    def _match(self, table: Table, *, only_gone: bool = False) -> None:
        """Make a table's rows the same, whatever changed since the last run; or only take away those that are gone."""
        for wanted, found in self._side_by_side(table):
            new = [row for key, row in wanted.items() if key not in found and not only_gone]
            changed = [row for key, row in wanted.items() if key in found and found[key] != row and not only_gone]
            gone = [row for key, row in found.items() if key not in wanted]
            if not (new or changed or gone):
                continue
            with self._target.write() as connection:
                # First those that go: a new row may have their name.
                for row in gone:
                    connection.execute(table.delete().where(_is(table, row)))
                for row in changed:
                    connection.execute(table.update().where(_is(table, row)).values(row._asdict()))
                if new:
                    connection.execute(table.insert(), [row._asdict() for row in new])

    def _side_by_side(self, table: Table) -> Iterator[tuple[dict[Any, Row[Any]], dict[Any, Row[Any]]]]:
        """The rows of both stores by key, some at a time."""
        after: Sequence[Any] | None = None
        while True:
            with self._source.read() as connection:
                wanted = _keyed(table, connection, _ordered(table, after).limit(_ROWS))
            full = len(wanted) == _ROWS
            upto = list(wanted)[-1] if full else None
            with self._target.read() as connection:
                found = _keyed(table, connection, _ordered(table, after, upto))
            yield wanted, found
            if not full:
                return
            after = upto

    def _compared(self) -> int:
        """Hold both against each other up to the sequence copied, and give the number of meters with events."""
        ours, theirs = _proof(self._source, self.upto), _proof(self._target, self.upto)
        for meter in sorted(ours.keys() | theirs.keys()):
            if ours.get(meter) != theirs.get(meter):
                raise Conflict(
                    f"The copy differs in the meter with the key {meter}: the source's events count and add up to"
                    f" {ours.get(meter)}, the target's to {theirs.get(meter)}."
                )
        voided = [_voided(store, self.upto) for store in (self._source, self._target)]
        if voided[0] != voided[1]:
            raise Conflict(f"The copy differs in its voids: {voided[0]} in the source, {voided[1]} in the target.")
        if (last := self._target.events.last_seq()) != self.upto:
            raise Conflict(f"The target's last sequence is {last}, not {self.upto}.")
        return len(ours)


def refuse_unfinished(store: Store) -> None:
    """Raise ConfigError when the store is a copy that was not finished."""
    if (store.instance.get(_MARK) or "").startswith(_UNFINISHED):
        raise ConfigError("The database is an unfinished copy; run `fluxrate copy` again to finish it.")


def put_to_use(store: Store) -> None:
    """Before a store is served from: a finished copy is from now on an instance of its own, and takes no more.

    Raises ConfigError when the copy was not finished.
    """
    refuse_unfinished(store)
    if store.instance.get(_MARK) is not None:
        store.instance.delete(_MARK)


def _refuse_filled(connection: Connection, last: int) -> None:
    filled = [
        table.name
        for table in METADATA.sorted_tables
        if table not in (ingest, instance) and connection.execute(select(table).limit(1)).first() is not None
    ]
    if last or filled:
        what = f"rows in {', '.join(filled)}" if filled else f"sequences up to {last}"
        raise Conflict(f"The target holds another instance's data ({what}); give an empty database.")


def _between(connection: Connection, table: Table, after: int, upto: int, limit: int | None = None) -> Sequence[Any]:
    query = select(table).where(table.c.seq > after, table.c.seq <= upto).order_by(table.c.seq).limit(limit)
    return connection.execute(query).all()


def _insert(connection: Connection, table: Table, rows: Sequence[Any]) -> None:
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(table.columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 (names of the schema)
    connection.exec_driver_sql(statement, [tuple(row) for row in rows])


def _ordered(table: Table, after: Sequence[Any] | None, upto: Sequence[Any] | None = None) -> Select[Any]:
    keys = list(table.primary_key.columns)
    query = select(table).order_by(*keys)
    if table is instance:
        query = query.where(instance.c.key != _MARK)
    for bound, within in ((after, tuple_(*keys).__gt__), (upto, tuple_(*keys).__le__)):
        if bound is not None:
            values = (literal(value, key.type) for value, key in zip(bound, keys, strict=True))
            query = query.where(within(tuple_(*values)))
    return query


def _keyed(table: Table, connection: Connection, query: Select[Any]) -> dict[Any, Row[Any]]:
    names = [column.name for column in table.primary_key.columns]
    return {tuple(row._mapping[name] for name in names): row for row in connection.execute(query)}


def _is(table: Table, row: Row[Any]) -> Any:
    return and_(*(column == row._mapping[column.name] for column in table.primary_key.columns))


def _proof(store: Store, upto: int) -> Proof:
    found: Proof = {}
    for after in range(0, upto, _SUMS_RANGE):
        bound = {"after": after, "upto": min(after + _SUMS_RANGE, upto)}
        with store.read() as connection:
            for meter, *more in connection.execute(text(_PROOF), bound):
                # PostgreSQL adds up to a NUMERIC, which comes as a Decimal; a sum of nothing is null.
                sums = tuple(int(value or 0) for value in more)
                found[meter] = tuple(map(sum, zip(found[meter], sums, strict=True))) if meter in found else sums
    return found


def _voided(store: Store, upto: int) -> tuple[int, int]:
    query = select(func.count(), func.sum(voids.c.event_seq)).where(voids.c.seq <= upto)
    with store.read() as connection:
        count, total = connection.execute(query).one()
    return count, int(total or 0)


def _counted(table: Table) -> bool:
    return "pk" in table.c and table.c.pk.identity is not None


def _counter(connection: Connection, table: Table) -> int:
    """The last key that was given out, also if its row is gone."""
    if connection.dialect.name == "postgresql":
        query = f"SELECT pg_sequence_last_value(pg_get_serial_sequence('{table.name}', 'pk')::regclass)"
    else:
        query = f"SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'"  # noqa: S608 (a name of the schema)
    return int(connection.exec_driver_sql(query).scalar() or 0)


def _count_on(connection: Connection, table: Table, last: int) -> None:
    """Let the keys go on after `last`."""
    if not last:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'pk'), {last})")
        return
    connection.exec_driver_sql(f"DELETE FROM sqlite_sequence WHERE name = '{table.name}'")  # noqa: S608
    connection.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))
