"""`/invoices` and a customer's own: the rules live in `core.revenue.invoices`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.errors import Malformed
from fluxrate.core.revenue import invoices, money, subscriptions
from fluxrate.core.revenue.model import INVOICE_STATUSES, Invoice
from fluxrate.core.revenue.words import day, one_of
from fluxrate.core.store.billing import InvoiceFilter
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import customer_of, refuse_pages, wants_csv
from fluxrate.http.sheets import CSV, SHEET, long_sheet
from fluxrate.plugin import services
from fluxrate.plugins.invoices.schemas import (
    COLUMNS,
    CustomerInvoicesArgs,
    InvoiceChangeSchema,
    InvoiceCreateSchema,
    InvoiceListArgs,
    InvoiceListSchema,
    InvoicePutSchema,
    InvoiceSchema,
    rows_of,
    shapes,
)

blueprint = ApiBlueprint("invoices", __name__, url_prefix="/api/v1", description="What was billed, and what was paid.")


@blueprint.get("/invoices")
@scope("usage.read")
@blueprint.arguments(InvoiceListArgs, location="query")
@blueprint.response(200, InvoiceListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def list_invoices(args: dict[str, Any]) -> Response:
    """List invoices, the newest first."""
    return _listed(args, customer_of(args["customer_id"]).pk if "customer_id" in args else None)


@blueprint.get("/customers/<customer>/invoices")
@scope("usage.read")
@blueprint.arguments(CustomerInvoicesArgs, location="query")
@blueprint.response(200, InvoiceListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def customer_invoices(args: dict[str, Any], customer: str) -> Response:
    """List a customer's invoices, the newest first."""
    return _listed(args, customer_of(customer).pk)


@blueprint.post("/invoices")
@scope("usage.write")
@blueprint.arguments(InvoiceCreateSchema)
@blueprint.response(201, InvoiceSchema)
def create_invoice(body: dict[str, Any]) -> Response:
    """Create an invoice."""
    parts = services()
    return _one(invoices.create(parts.store, body, parts.clock(), by()), 201)


@blueprint.put("/invoices/by-external-id/<external_id>")
@scope("usage.write")
@blueprint.arguments(InvoicePutSchema)
@blueprint.response(200, InvoiceSchema)
@blueprint.alt_response(201, schema=InvoiceSchema)
def put_invoice(body: dict[str, Any], external_id: str) -> Response:
    """Make the invoice of an external id be as it is sent: created (201) or changed (200)."""
    parts = services()
    made, before = invoices.upsert(parts.store, external_id, body, parts.clock(), by())
    return _one(made, 201 if before is None else 200)


@blueprint.get("/invoices/<invoice>")
@scope("usage.read")
@blueprint.response(200, InvoiceSchema)
def get_invoice(invoice: str) -> Response:
    """Read one invoice, by id or external id."""
    return _one(invoices.find(services().store, invoice))


@blueprint.patch("/invoices/<invoice>")
@scope("usage.write")
@blueprint.arguments(InvoiceChangeSchema)
@blueprint.response(200, InvoiceSchema)
def change_invoice(body: dict[str, Any], invoice: str) -> Response:
    """Change an invoice; one that was issued keeps its amounts but for what is due and paid."""
    parts = services()
    found = invoices.find(parts.store, invoice)
    return _one(invoices.change(parts.store, found, body, parts.clock(), by()))


@blueprint.delete("/invoices/<invoice>")
@scope("admin")
@blueprint.response(200, InvoiceSchema)
@blueprint.alt_response(400)
def delete_invoice(invoice: str) -> Response:
    """Delete a DRAFT."""
    parts = services()
    found = invoices.find(parts.store, invoice)
    invoices.delete(parts.store, found, parts.clock(), by())
    return _one(found)


def _one(invoice: Invoice, status: int = 200) -> Response:
    return answer(shapes(services().store, [invoice])[0], status)


def _listed(args: dict[str, Any], customer_pk: int | None) -> Response:
    as_table, page, size, store = wants_csv(args), args["page"], args["page_size"], services().store
    first, last = (day(args[name], name) if name in args else None for name in ("start_date", "end_date"))
    if first is not None and last is not None and first > last:
        raise Malformed("start_date is not after end_date, but it is.", field="start_date")
    billed = subscriptions.find(store, args["subscription_id"]).pk if "subscription_id" in args else None
    narrow: InvoiceFilter = {
        "customer_pk": customer_pk,
        "subscription_pk": billed,
        "status": one_of("status", args["status"], INVOICE_STATUSES) if "status" in args else None,
        "currency": money.check_currency(args["currency"]) if "currency" in args else None,
        "first_day": first,
        "last_day": last,
    }
    if as_table:
        refuse_pages("csv")
        return long_sheet("invoices", COLUMNS, (rows_of(store, rows) for rows in store.invoices.in_pieces(**narrow)))
    rows, total = store.invoices.list(page=page, page_size=size, **narrow)
    return answer(listing(shapes(store, rows), page=page, page_size=size, total=total))
