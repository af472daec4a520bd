"""Subscriptions and their history over the API and from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import subscriptions
from fluxrate.core.revenue.model import Subscription
from fluxrate.core.services import Services
from fluxrate.core.store import Names
from fluxrate.http.records import import_command
from fluxrate.plugin import Plugin
from fluxrate.plugins.subscriptions.routes import blueprint
from fluxrate.plugins.subscriptions.schemas import COLUMNS, SubscriptionPutSchema


def _upsert(parts: Services, name: str, body: Mapping[str, Any]) -> tuple[Subscription, Subscription | None]:
    return subscriptions.upsert(parts.store, name, body, parts.clock(), COMMAND_LINE)


def _named(names: Names, name: str, body: Mapping[str, Any]) -> None:
    names.subscriptions.add(name)
    names.customers.add(body.get("customer_id"))
    names.plans.add(body.get("plan_id"))


plugin = Plugin(
    name="subscriptions",
    blueprints=(blueprint,),
    commands=(import_command("subscriptions", SubscriptionPutSchema, _upsert, _named, COLUMNS),),
)
