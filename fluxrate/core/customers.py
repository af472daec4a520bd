"""The rules of a customer: which values its fields take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import accounts, text
from fluxrate.core.model import COMMAND_LINE, By, Customer, Note
from fluxrate.core.store import Store


def create(store: Store, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> Customer:
    """A new customer; raises RuleBroken, Malformed or Conflict (external id taken)."""
    external_id = text.identifier(fields["external_id"], "external_id")
    checked = _checked({"name": fields.get("name"), "email": fields.get("email")})
    note = Note(by, "customer.created", f"customer:{external_id}", now)
    return store.customers.create(external_id=external_id, now=now, note=note, **checked)


def change(store: Store, customer: Customer, fields: Mapping[str, Any], now: int, by: By) -> Customer:
    """Change name or email; None takes it away."""
    checked = _checked(fields)
    # Only which fields: what a person was called is theirs to have forgotten, and the trail forgets nothing.
    said = {"fields": [name for name, value in checked.items() if value != getattr(customer, name)]}
    note = Note(by, "customer.updated", f"customer:{customer.external_id}", now, said)
    return store.customers.update(customer.pk, checked, now, note) if checked else customer


def delete(store: Store, customer: Customer, now: int, by: By) -> None:
    """Remove a customer without events, subscriptions and invoices; raises Conflict."""
    store.customers.delete(customer.pk, Note(by, "customer.deleted", f"customer:{customer.external_id}", now))


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(fields)
    if checked.get("name") is not None:
        checked["name"] = text.clean(checked["name"], "name")
    if checked.get("email") is not None:
        checked["email"] = accounts.check_email(checked["email"])
    return checked
