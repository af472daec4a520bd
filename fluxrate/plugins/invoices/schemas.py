"""What an invoice looks like on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from marshmallow import Schema, fields, validate

from fluxrate.core.calendar import rfc3339
from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import INVOICE_STATUSES, Invoice
from fluxrate.core.revenue.words import date_text
from fluxrate.core.store import Store
from fluxrate.http.money import DecimalField
from fluxrate.http.parameters import TableArgs, text_field
from fluxrate.http.schemas import listing_schema
from fluxrate.http.sheets import Cell

_STATUS = {"enum": list(INVOICE_STATUSES)}
_CUSTOMER = {"description": "Id or external id of the customer; that of the subscription unless said."}
_SUBSCRIPTION = {"description": "Id or external id of the subscription that is billed."}
_MOST_LINES = 1_000
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class LineSchema(Schema):
    """A line; `amount` may be negative."""

    description = fields.String(required=True)
    amount = DecimalField("What the line adds to the subtotal.", required=True)
    quantity = DecimalField("How much was billed.", load_default=None, allow_none=True)


class InvoicePutSchema(Schema):
    """An invoice as the biller has it; what is not sent stays, or follows from the rest where it is new."""

    customer_id = fields.String(metadata=_CUSTOMER)
    subscription_id = fields.String(allow_none=True, metadata=_SUBSCRIPTION)
    status = fields.String(metadata=_STATUS)
    currency = fields.String(metadata={"example": "USD", "description": "That of the subscription unless said."})
    subtotal = DecimalField("The sum of the lines unless said.")
    tax = DecimalField("0 unless said.")
    total = DecimalField("subtotal and tax unless said; less with a discount.")
    amount_due = DecimalField("What was asked for: the total unless said.")
    amount_paid = DecimalField("What has come of it: nothing unless said, all of a PAID one.")
    issue_date = fields.String(metadata={"example": "2025-01-31", "description": "Today unless said."})
    due_date = fields.String(metadata={"example": "2025-02-28", "description": "issue_date unless said."})
    lines = fields.List(fields.Nested(LineSchema), validate=validate.Length(0, _MOST_LINES))


class InvoiceChangeSchema(InvoicePutSchema):
    """What may be changed of an invoice: of one that was issued only status, due amounts and dates."""


class InvoiceCreateSchema(InvoicePutSchema):
    """What makes an invoice."""

    external_id = fields.String(load_default=None, allow_none=True, metadata={"description": "The biller's own id."})


class LineOutSchema(Schema):
    """A line of an invoice."""

    description = fields.String()
    amount = fields.Decimal()
    quantity = fields.String(allow_none=True)


class InvoiceSchema(Schema):
    """An invoice."""

    id = fields.UUID()
    external_id = fields.String(allow_none=True)
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    subscription_id = fields.UUID(allow_none=True)
    status = fields.String(metadata=_STATUS)
    currency = fields.String()
    subtotal = fields.Decimal()
    tax = fields.Decimal()
    total = fields.Decimal()
    amount_due = fields.Decimal()
    amount_paid = fields.Decimal()
    balance = fields.Decimal(metadata={"description": "amount_due less amount_paid."})
    issue_date = fields.Date()
    due_date = fields.Date()
    lines = fields.List(fields.Nested(LineOutSchema))
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


COLUMNS = tuple(InvoiceSchema().fields)
InvoiceListSchema = listing_schema(InvoiceSchema)


class CustomerInvoicesArgs(TableArgs):
    """Which of a customer's invoices."""

    status = fields.String(metadata=_STATUS)
    subscription_id = fields.String(metadata=_SUBSCRIPTION)
    currency = fields.String(metadata={"example": "USD", "description": "Only this currency."})
    start_date = text_field("Only invoices issued on this date or later.", example="2025-01-01")
    end_date = text_field("Only invoices issued on this date or before.", example="2025-01-31")


class InvoiceListArgs(CustomerInvoicesArgs):
    """Which invoices."""

    customer_id = fields.String(metadata={"description": "Id or external id of the customer."})


def shapes(store: Store, rows: Sequence[Invoice]) -> list[dict[str, Any]]:
    """Invoices of a list."""
    customers = store.customers.by_pks(row.customer_pk for row in rows)
    billed = store.subscriptions.ids_of([row.subscription_pk for row in rows if row.subscription_pk is not None])
    found = []
    for row in rows:
        names = {
            "id": row.id,
            "external_id": row.external_id,
            "customer_id": customers[row.customer_pk].id,
            "customer_external_id": customers[row.customer_pk].external_id,
            "subscription_id": None if row.subscription_pk is None else billed[row.subscription_pk],
        }
        found.append(names | _shape(row))
    return found


def rows_of(store: Store, rows: Sequence[Invoice]) -> Iterator[list[Cell]]:
    """Invoices of a table, with the fields of a list; the lines are one cell of JSON."""
    for shape in shapes(store, rows):
        lines = _ENCODER.encode(shape["lines"]).decode()
        yield [lines if name == "lines" else shape[name] for name in COLUMNS]


def _shape(row: Invoice) -> dict[str, Any]:
    amounts = ("subtotal", "tax", "total", "amount_due", "amount_paid", "balance")
    return {
        "status": row.status,
        "currency": row.currency,
        **{name: money.amount(getattr(row, name), row.currency) for name in amounts},
        "issue_date": date_text(row.issue_date),
        "due_date": date_text(row.due_date),
        "lines": [
            {
                "description": line.description,
                "amount": money.amount(line.amount, row.currency),
                "quantity": line.quantity,
            }
            for line in row.lines
        ],
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }
