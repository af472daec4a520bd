"""What the tables of billing share: rows found by id or external id, written with their note, and read by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select
from sqlalchemy import exc as sql

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.store.connect import Access
from fluxrate.core.store.faults import is_foreign_key_violation, is_unique_violation
from fluxrate.core.store.paging import PIECE, page_of, pieces
from fluxrate.core.text import storable


def find(database: Access, table: Table, ref: str) -> Row[Any] | None:
    """The row whose id, else whose external id is `ref`."""
    if not storable(ref):
        return None
    query = select(table).where((table.c.id == ref.lower()) | (table.c.external_id == ref))
    with database.read() as connection:
        found = connection.execute(query).all()
    return min(found, key=lambda row: row.id != ref.lower(), default=None)


def by_external_id(database: Access, table: Table, text: str) -> Row[Any] | None:
    """The row of this external id, or None."""
    with database.read() as connection:
        return connection.execute(select(table).where(table.c.external_id == text)).first()


def narrowed(table: Table, wanted: Mapping[str, object]) -> Select[Any]:
    """The rows whose columns are as `wanted` (None: any)."""
    query: Select[Any] = select(table)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query


def paged(database: Access, table: Table, query: Select[Any], page: int, page_size: int) -> tuple[list[Row[Any]], int]:
    """A page of the query's rows, the newest first, and how many there are in all."""
    with database.read() as connection:
        rows, total = page_of(connection, query, (table.c.pk.desc(),), page, page_size)
    return list(rows), total


def in_pieces(database: Access, table: Table, query: Select[Any]) -> Iterator[list[Row[Any]]]:
    """All the query's rows, the newest first, some at a time; what is added meanwhile is left out."""
    before: int | None = None
    while True:
        part = query if before is None else query.where(table.c.pk < before)
        with database.read() as connection:
            rows = connection.execute(part.order_by(table.c.pk.desc()).limit(PIECE)).all()
        if not rows:
            return
        yield list(rows)
        before = rows[-1].pk


def rows_of(database: Access, query: Select[Any]) -> list[Any]:
    """The rows of a long query as plain tuples: half the time of SQLAlchemy's own rows."""
    with database.read() as connection:
        return list(connection.execute(query).cursor.fetchall())


@contextmanager
def writing(database: Access, table: Table, external_id: object = None) -> Iterator[Connection]:
    """A write transaction; an external id that is taken, and a row that something hangs on, become Conflicts."""
    thing = table.name.removesuffix("s")
    try:
        with database.write() as connection:
            yield connection
    except sql.IntegrityError as error:
        if is_unique_violation(error):
            raise Conflict(
                f"The external_id {external_id!r} is taken by another {thing}.", field="external_id"
            ) from error
        if is_foreign_key_violation(error):
            raise Conflict(f"Something hangs on the {thing}, or what it points at is gone.") from error
        raise


def written(row: Row[Any] | None, connection: Connection, table: Table, pk: int) -> Row[Any]:
    """The changed row; raises NotFound, or Conflict when it is there but of another version than was changed."""
    if row is not None:
        return row
    thing = table.name.removesuffix("s")
    if connection.execute(select(table.c.pk).where(table.c.pk == pk)).first() is None:
        raise NotFound(f"There is no such {thing}.")
    raise Conflict(f"The {thing} was changed by somebody else in the meantime; read it again.")


def column_of(database: Access, table: Table, column: str, pks: Sequence[int]) -> dict[int, Any]:
    """One column of these rows by key; a key without a row is left out."""
    found: dict[int, Any] = {}
    for piece in pieces(sorted(set(pks))):
        # As text: to bind a thousand keys takes longer than to look them up.
        keys = ", ".join(map(str, map(int, piece)))
        query = f"SELECT pk, {column} FROM {table.name} WHERE pk IN ({keys})"  # noqa: S608 (whole numbers, a name of the schema)
        with database.rows(query, ()) as cursor:
            found.update(cursor.fetchall())
    return found
