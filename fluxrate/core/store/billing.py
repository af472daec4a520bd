"""Plans and invoices in the store; subscriptions have a module of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import msgspec
from sqlalchemy import Select, exists, select

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Note
from fluxrate.core.revenue.model import Charge, Invoice, Line, Plan
from fluxrate.core.store import named, trail
from fluxrate.core.store.connect import Access
from fluxrate.core.store.paging import Many, Page
from fluxrate.core.store.schema import invoices, plans, states


class PlanFilter(TypedDict, total=False):
    """What narrows a list of plans; None narrows nothing."""

    plan_type: str | None
    currency: str | None


class InvoiceFilter(TypedDict, total=False):
    """What narrows a list of invoices; None narrows nothing. The days are those of the issue, both within."""

    customer_pk: int | None
    subscription_pk: int | None
    status: str | None
    currency: str | None
    first_day: int | None
    last_day: int | None


_CHARGES = msgspec.json.Decoder(tuple[Charge, ...])
_LINES = msgspec.json.Decoder(tuple[Line, ...])
_CHARGES_AT, _LINES_AT = plans.c.keys().index("charges"), invoices.c.keys().index("lines")


class Plans:
    """The table of plans."""

    def __init__(self, database: Access) -> None:
        self._database = database

    def list(self, *, page: int, page_size: int, **narrow: Unpack[PlanFilter]) -> Page[Plan]:
        """One page of the plans that are as wanted, the newest first, and how many there are."""
        rows, total = named.paged(self._database, plans, named.narrowed(plans, narrow), page, page_size)
        return [plan_of(row) for row in rows], total

    def in_pieces(self, **narrow: Unpack[PlanFilter]) -> Iterator[Many[Plan]]:
        """All the plans that are as wanted, the newest first, some at a time."""
        for rows in named.in_pieces(self._database, plans, named.narrowed(plans, narrow)):
            yield [plan_of(row) for row in rows]

    def all(self) -> Many[Plan]:
        """Every plan in the order they were made."""
        with self._database.read() as connection:
            return [plan_of(row) for row in connection.execute(select(plans).order_by(plans.c.pk))]

    def find(self, ref: str) -> Plan | None:
        """The plan whose id, else whose external id is `ref`."""
        row = named.find(self._database, plans, ref)
        return None if row is None else plan_of(row)

    def by_external_id(self, text: str) -> Plan | None:
        """The plan of this external id, or None."""
        row = named.by_external_id(self._database, plans, text)
        return None if row is None else plan_of(row)

    def create(self, values: Mapping[str, Any], now: int, note: Note | None = None) -> Plan:
        """Add a plan with a new id. Raises Conflict when its external id is taken."""
        row = new_plan(values, now)
        with named.writing(self._database, plans, values.get("external_id")) as connection:
            made = connection.execute(plans.insert().values(row).returning(*plans.c)).one()
            trail.write(connection, note)
        return plan_of(made)

    def update(
        self, pk: int, changes: Mapping[str, Any], now: int, note: Note | None = None, *, unused: Sequence[str] = ()
    ) -> Plan:
        """Change the named fields. Raises NotFound, or Conflict when some of them are `unused`, which is to say that
        they change only while no subscription was ever on the plan, and one was.
        """
        with named.writing(self._database, plans) as connection:
            statement = plans.update().where(plans.c.pk == pk).values(**_as_row(changes), updated_at=now)
            # The update first: on PostgreSQL its lock keeps a subscription from being put on the plan meanwhile.
            row = connection.execute(statement.returning(*plans.c)).first()
            used = unused and connection.execute(select(exists().where(states.c.plan_pk == pk))).scalar()
            if used:
                raise Conflict(
                    f"Subscriptions are or were on the plan, so its {', '.join(unused)} cannot change; make a new plan "
                    "and move them to it.",
                    field=unused[0],
                )
            if row is None:
                raise NotFound("There is no such plan.")
            trail.write(connection, note)
        return plan_of(row)

    def delete(self, pk: int, note: Note | None = None) -> None:
        """Remove a plan. Raises NotFound, or Conflict when a subscription is or was on it."""
        with named.writing(self._database, plans) as connection:
            if not connection.execute(plans.delete().where(plans.c.pk == pk)).rowcount:
                raise NotFound("There is no such plan.")
            trail.write(connection, note)

    def ids_of(self, pks: Sequence[int]) -> dict[int, str]:
        """The public ids of these plans."""
        return named.column_of(self._database, plans, "id", pks)


class Invoices:
    """The table of invoices."""

    def __init__(self, database: Access) -> None:
        self._database = database

    def list(self, *, page: int, page_size: int, **narrow: Unpack[InvoiceFilter]) -> Page[Invoice]:
        """One page of the invoices that are as wanted, the newest first, and how many there are."""
        rows, total = named.paged(self._database, invoices, _narrowed(narrow), page, page_size)
        return [invoice_of(row) for row in rows], total

    def in_pieces(self, **narrow: Unpack[InvoiceFilter]) -> Iterator[Many[Invoice]]:
        """All the invoices that are as wanted, the newest first, some at a time."""
        for rows in named.in_pieces(self._database, invoices, _narrowed(narrow)):
            yield [invoice_of(row) for row in rows]

    def find(self, ref: str) -> Invoice | None:
        """The invoice whose id, else whose external id is `ref`."""
        row = named.find(self._database, invoices, ref)
        return None if row is None else invoice_of(row)

    def by_external_id(self, text: str) -> Invoice | None:
        """The invoice of this external id, or None."""
        row = named.by_external_id(self._database, invoices, text)
        return None if row is None else invoice_of(row)

    def create(self, values: Mapping[str, Any], now: int, note: Note | None = None) -> Invoice:
        """Add an invoice with a new id. Raises Conflict when its external id is taken."""
        row = new_invoice(values, now)
        with named.writing(self._database, invoices, values.get("external_id")) as connection:
            made = connection.execute(invoices.insert().values(row).returning(*invoices.c)).one()
            trail.write(connection, note)
        return invoice_of(made)

    def update(self, before: Invoice, changes: Mapping[str, Any], now: int, note: Note | None = None) -> Invoice:
        """Change the named fields of the invoice as it was read. Raises NotFound, or Conflict when it has changed."""
        mine = (invoices.c.pk == before.pk, invoices.c.version == before.version)
        values = _as_row(changes) | {"version": before.version + 1, "updated_at": now}
        with named.writing(self._database, invoices) as connection:
            row = connection.execute(invoices.update().where(*mine).values(values).returning(*invoices.c)).first()
            made = named.written(row, connection, invoices, before.pk)
            trail.write(connection, note)
        return invoice_of(made)

    def delete(self, pk: int, note: Note | None = None) -> None:
        """Remove an invoice. Raises NotFound."""
        with named.writing(self._database, invoices) as connection:
            if not connection.execute(invoices.delete().where(invoices.c.pk == pk)).rowcount:
                raise NotFound("There is no such invoice.")
            trail.write(connection, note)

    def unpaid(
        self, *, currency: str | None = None, first_day: int | None = None, last_day: int | None = None
    ) -> Many[tuple[int, str, str, int, int, int, int, int]]:
        """Every OPEN or UNCOLLECTIBLE invoice of a subscription, due from `first_day` to `last_day`: its pk, status,
        currency, amount due and paid, due date, subscription's and customer's pk.
        """
        c = invoices.c
        fields = (c.pk, c.status, c.currency, c.amount_due, c.amount_paid, c.due_date, c.subscription_pk, c.customer_pk)
        query = select(*fields).where(c.status.in_(("OPEN", "UNCOLLECTIBLE")), c.subscription_pk.is_not(None))
        for bound in (
            None if currency is None else c.currency == currency,
            None if first_day is None else c.due_date >= first_day,
            None if last_day is None else c.due_date <= last_day,
        ):
            query = query if bound is None else query.where(bound)
        return named.rows_of(self._database, query)

    def ids_of(self, pks: Sequence[int]) -> dict[int, str]:
        """The public ids of these invoices."""
        return named.column_of(self._database, invoices, "id", pks)


def _narrowed(narrow: InvoiceFilter) -> Select[Any]:
    wanted = dict(narrow)
    first, last = (wanted.pop(name, None) for name in ("first_day", "last_day"))
    query = named.narrowed(invoices, wanted)
    query = query if first is None else query.where(invoices.c.issue_date >= first)
    return query if last is None else query.where(invoices.c.issue_date <= last)


def new_plan(values: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The columns of a new plan but for its key."""
    return _as_row(values) | {"id": str(uuid.uuid4()), "created_at": now, "updated_at": now}


def new_invoice(values: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The columns of a new invoice but for its key."""
    return _as_row(values) | {"id": str(uuid.uuid4()), "version": 1, "created_at": now, "updated_at": now}


def plan_of(row: Any) -> Plan:
    """The record of a whole row."""
    cells = list(row)
    cells[_CHARGES_AT] = _CHARGES.decode(cells[_CHARGES_AT])
    return Plan(*cells)


def invoice_of(row: Any) -> Invoice:
    """The record of a whole row."""
    cells = list(row)
    cells[_LINES_AT] = _LINES.decode(cells[_LINES_AT])
    return Invoice(*cells)


def _as_row(values: Mapping[str, Any]) -> dict[str, Any]:
    packed = {"charges", "lines"} & values.keys()
    return dict(values) | {name: msgspec.json.encode(values[name]).decode() for name in packed}
