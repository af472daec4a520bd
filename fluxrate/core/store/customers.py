"""Customers in the store; `external_id` is the sender's own id, compared byte for byte."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import json
from sqlalchemy import Connection, func, or_, select
from sqlalchemy import exc as sql
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Customer, Note
from fluxrate.core.store import trail
from fluxrate.core.store.arrays import texts
from fluxrate.core.store.connect import Access, driver
from fluxrate.core.store.faults import is_foreign_key_violation, is_unique_violation
from fluxrate.core.store.paging import Page, page_of, pieces
from fluxrate.core.store.schema import customers

CHANGEABLE = frozenset({"external_id", "name", "email"})

# Asked for the answer to every single event whose customer is not at hand: as SQLAlchemy's own query it takes ten
# times as long.
_FIELDS = ", ".join(column.name for column in customers.c)
_BY_PK = {
    "sqlite": f"SELECT {_FIELDS} FROM customers WHERE pk = ?",  # noqa: S608 (constants only)
    "postgresql": f"SELECT {_FIELDS} FROM customers WHERE pk = %s",  # noqa: S608
}
# The names as one parameter: a statement for each number of names would have to be prepared.
_PKS_OF = {
    "sqlite": "SELECT external_id, pk FROM customers WHERE external_id IN (SELECT value FROM json_each(?))",
    "postgresql": "SELECT external_id, pk FROM customers WHERE external_id = ANY(%s::text[])",
}


class Customers:
    """The table of customers."""

    def __init__(self, database: Access) -> None:
        self._database = database
        self.edition = object()
        """Another object after every change of the table through this value: what was read before may be old."""

    def list(self, *, page: int, page_size: int, search: str | None = None) -> Page[Customer]:
        """One page of the customers by external id, and how many match `search` (part of id, name or e-mail,
        any case).
        """
        query = select(customers)
        if search:
            fields = (customers.c.external_id, customers.c.name, customers.c.email)
            query = query.where(or_(*(field.icontains(search, autoescape=True) for field in fields)))
        with self._database.read() as connection:
            rows, total = page_of(connection, query, (customers.c.external_id,), page, page_size)
        return [customer_of(row) for row in rows], total

    def find(self, ref: str) -> Customer | None:
        """The customer whose id, else whose external id is `ref`."""
        query = select(customers).where((customers.c.id == ref.lower()) | (customers.c.external_id == ref))
        with self._database.read() as connection:
            found = [customer_of(row) for row in connection.execute(query)]
        ranked = sorted(found, key=lambda customer: customer.id != ref.lower())
        return ranked[0] if ranked else None

    def find_many(self, refs: Iterable[str]) -> dict[str, Customer]:
        """As `find`, of many at once; what names nobody is left out."""
        named = sorted(set(refs))
        found: dict[str, Customer] = {}
        with self._database.read() as connection:
            for piece in pieces(named):
                for row in connection.execute(select(customers).where(customers.c.external_id.in_(piece))):
                    found[row.external_id] = customer_of(row)
            by_id: dict[str, Customer] = {}
            for piece in pieces(sorted({ref.lower() for ref in named})):
                for row in connection.execute(select(customers).where(customers.c.id.in_(piece))):
                    by_id[row.id] = customer_of(row)
        return found | {ref: by_id[ref.lower()] for ref in named if ref.lower() in by_id}

    def get(self, pk: int) -> Customer | None:
        """The customer of this key, or None."""
        with self._database.rows(_BY_PK[self._database.dialect], (pk,)) as cursor:
            row = cursor.fetchone()
        return None if row is None else Customer(*row)

    def by_external_id(self, text: str) -> Customer | None:
        """The customer of this external id, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(customers).where(customers.c.external_id == text)).first()
        return None if row is None else customer_of(row)

    def by_pks(self, pks: Iterable[int]) -> dict[int, Customer]:
        """The customers of these keys; a key without a customer is left out."""
        found: dict[int, Customer] = {}
        for piece in pieces(sorted(set(pks))):
            keys = ", ".join(map(str, map(int, piece)))
            query = f"SELECT {_FIELDS} FROM customers WHERE pk IN ({keys})"  # noqa: S608 (whole numbers)
            with self._database.rows(query, ()) as cursor:
                found.update((row[0], Customer(*row)) for row in cursor.fetchall())
        return found

    def pks_of(self, external_ids: Sequence[str]) -> dict[str, int]:
        """The keys of those external ids that have a customer."""
        with self._database.read() as connection:
            return pks_of(connection, external_ids)

    def count(self, start: int | None = None, end: int | None = None) -> int:
        """How many customers there are, or were created in `[start, end)` (UTC microseconds)."""
        query = select(func.count()).select_from(customers)
        if start is not None:
            query = query.where(customers.c.created_at >= start)
        if end is not None:
            query = query.where(customers.c.created_at < end)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def create(
        self, *, external_id: str, name: str | None, email: str | None, now: int, note: Note | None = None
    ) -> Customer:
        """Add a customer with a new id. Raises Conflict when `external_id` is taken."""
        row = new_customer(external_id, now) | {"name": name, "email": email}
        return self._written(customers.insert().values(row).returning(*customers.c), external_id, note)

    def update(self, pk: int, changes: Mapping[str, object], now: int, note: Note | None = None) -> Customer:
        """Change the named fields. Raises NotFound, or Conflict when the new `external_id` is taken."""
        if unknown := changes.keys() - CHANGEABLE:
            raise ValueError(f"not a changeable field of a customer: {sorted(unknown)}")
        statement = customers.update().where(customers.c.pk == pk).values(**changes, updated_at=now)
        return self._written(statement.returning(*customers.c), changes.get("external_id"), note)

    def delete(self, pk: int, note: Note | None = None) -> None:
        """Remove a customer without events. Raises NotFound, or Conflict when events hang on it (this may
        read them all).
        """
        try:
            with self._database.write() as connection:
                if not connection.execute(customers.delete().where(customers.c.pk == pk)).rowcount:
                    raise NotFound("There is no such customer.")
                trail.write(connection, note)
            self.edition = object()
        except sql.IntegrityError as error:
            if not is_foreign_key_violation(error):
                raise
            raise Conflict("The customer has events, subscriptions or invoices, so it cannot be deleted.") from error

    def _written(self, statement: Any, external_id: object, note: Note | None) -> Customer:
        try:
            with self._database.write() as connection:
                row = connection.execute(statement).first()
                trail.write(connection, note if row else None)
            self.edition = object()
        except sql.IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise Conflict(
                f"The external_id {external_id!r} is taken by another customer.", field="external_id"
            ) from error
        if row is None:
            raise NotFound("There is no such customer.")
        return customer_of(row)


def pks_of(connection: Connection, external_ids: Sequence[str]) -> dict[str, int]:
    """As `Customers.pks_of`, within a transaction."""
    if not external_ids:
        return {}
    listed = texts if connection.dialect.name == "postgresql" else _json
    return dict(driver(connection).execute(_PKS_OF[connection.dialect.name], (listed(external_ids),)).fetchall())


def _json(values: Sequence[str]) -> str:
    return json.encode(values).decode()


def add(connection: Connection, external_ids: Sequence[str], now: int) -> tuple[dict[str, int], set[int]]:
    """Create a nameless customer for each of these external ids, within a transaction.

    Gives the keys of all of them, and which keys are new: someone else may have created one a moment before.
    """
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = insert(customers).on_conflict_do_nothing()
    found: dict[str, int] = {}
    ours: set[int] = set()
    for piece in pieces(external_ids):
        rows = [new_customer(external_id, now) for external_id in piece]
        connection.execute(statement, rows)
        made = {row["id"] for row in rows}
        query = select(customers.c.external_id, customers.c.pk, customers.c.id)
        for external_id, pk, public_id in connection.execute(query.where(customers.c.external_id.in_(piece))):
            found[external_id] = pk
            if public_id in made:
                ours.add(pk)
    return found, ours


def remove(connection: Connection, pks: Iterable[int]) -> None:
    """Take back customers that this transaction added."""
    for piece in pieces(list(pks)):
        connection.execute(customers.delete().where(customers.c.pk.in_(piece)))


def new_customer(external_id: str, now: int) -> dict[str, object]:
    """The columns of a new customer but for its key."""
    return {
        "id": str(uuid.uuid4()),
        "external_id": external_id,
        "name": None,
        "email": None,
        "created_at": now,
        "updated_at": now,
    }


def customer_of(row: Sequence[Any]) -> Customer:
    """The record of a whole row."""
    return Customer(*row)
