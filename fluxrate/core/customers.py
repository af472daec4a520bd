"""The rules of a customer: which values its fields take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import accounts, text
from fluxrate.core.model import Customer
from fluxrate.core.store import Store


def create(store: Store, fields: Mapping[str, Any], now: int) -> Customer:
    """A new customer; raises RuleBroken, Malformed or Conflict (external id taken)."""
    external_id = text.identifier(fields["external_id"], "external_id")
    checked = _checked({"name": fields.get("name"), "email": fields.get("email")})
    return store.customers.create(external_id=external_id, now=now, **checked)


def change(store: Store, customer: Customer, fields: Mapping[str, Any], now: int) -> Customer:
    """Change name or email; None takes it away."""
    checked = _checked(fields)
    return store.customers.update(customer.pk, checked, now) if checked else customer


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(fields)
    if checked.get("name") is not None:
        checked["name"] = text.clean(checked["name"], "name")
    if checked.get("email") is not None:
        checked["email"] = accounts.check_email(checked["email"])
    return checked
