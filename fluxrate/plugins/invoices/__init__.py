"""Invoices over the API and from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import invoices
from fluxrate.core.revenue.model import Invoice
from fluxrate.core.services import Services
from fluxrate.core.store import Names
from fluxrate.http.records import import_command
from fluxrate.plugin import Plugin
from fluxrate.plugins.invoices.routes import blueprint
from fluxrate.plugins.invoices.schemas import COLUMNS, InvoicePutSchema


def _upsert(parts: Services, name: str, body: Mapping[str, Any]) -> tuple[Invoice, Invoice | None]:
    return invoices.upsert(parts.store, name, body, parts.clock(), COMMAND_LINE)


def _named(names: Names, name: str, body: Mapping[str, Any]) -> None:
    names.invoices.add(name)
    names.customers.add(body.get("customer_id"))
    names.subscriptions.add(body.get("subscription_id"))


plugin = Plugin(
    name="invoices",
    blueprints=(blueprint,),
    commands=(import_command("invoices", InvoicePutSchema, _upsert, _named, COLUMNS),),
)
