"""Plans, subscriptions and invoices for the tests of the pages, made by the rules of the core."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import invoices, plans, subscriptions
from tests.web.conftest import Instance


def day(instance: Instance, ago: int) -> str:
    """The date of so many days ago, in UTC."""
    now = datetime.fromtimestamp(instance.services.clock() / 1e6, UTC)
    return (now - timedelta(days=ago)).date().isoformat()


def plan(instance: Instance, external_id: str, amount: str = "100.00", currency: str = "USD", name: str = "Gold"):
    parts = instance.services
    charge = {"charge_type": "FIXED", "name": name, "amount": amount}
    fields = {"external_id": external_id, "name": name, "plan_type": "FIXED", "currency": currency}
    fields |= {"billing_interval": "month", "charges": [charge]}
    return plans.create(parts.store, parts.catalog.meter, fields, parts.clock())


def hybrid(instance: Instance, external_id: str, meter: str, amount: str, unit_price: str):
    """A plan in USD of a fixed charge and one for each unit of a meter."""
    parts = instance.services
    base = {"charge_type": "FIXED", "name": "Base", "amount": amount}
    usage = {"charge_type": "USAGE", "name": "Usage", "meter_id": meter, "unit_price": unit_price}
    fields = {"external_id": external_id, "name": "Hybrid", "plan_type": "HYBRID", "currency": "USD"}
    fields |= {"billing_interval": "month", "charges": [base, usage]}
    return plans.create(parts.store, parts.catalog.meter, fields, parts.clock())


def tiered(instance: Instance, external_id: str, meter: str):
    """A plan in USD whose usage of a meter has two graduated tiers: 0.25 up to 100, then 0.10 and 2.00 once."""
    parts = instance.services
    tiers = [{"up_to": "100", "unit_price": "0.25"}, {"up_to": None, "unit_price": "0.10", "flat_amount": "2.00"}]
    usage = {"charge_type": "USAGE", "name": "Calls", "meter_id": meter, "tier_mode": "graduated", "tiers": tiers}
    fields = {"external_id": external_id, "name": "Tiered", "plan_type": "USAGE", "currency": "USD"}
    fields |= {"billing_interval": "month", "charges": [usage]}
    return plans.create(parts.store, parts.catalog.meter, fields, parts.clock())


def subscribe(instance: Instance, external_id: str, customer: str, plan_id: str, ago: int, **more: object):
    fields = {"customer_id": customer, "plan_id": plan_id, "start_date": day(instance, ago), **more}
    parts = instance.services
    return subscriptions.create(parts.store, {"external_id": external_id, **fields}, parts.clock())


def turn(instance: Instance, external_id: str, ago: int, **fields: object):
    """Change a subscription from so many days ago on."""
    parts = instance.services
    before = subscriptions.find(parts.store, external_id)
    fields = {"effective_at": day(instance, ago), **fields}
    return subscriptions.change(parts.store, before, fields, parts.clock(), COMMAND_LINE)


def bill(instance: Instance, external_id: str, subscription_id: str, amount: str, due_ago: int, **more: object):
    """An OPEN invoice of one line that fell due so many days ago."""
    lines = [{"description": "Base", "amount": amount}]
    dates = {"issue_date": day(instance, due_ago + 14), "due_date": day(instance, due_ago)}
    fields = {"subscription_id": subscription_id, "status": "OPEN", "lines": lines, **dates, **more}
    parts = instance.services
    return invoices.create(parts.store, {"external_id": external_id, **fields}, parts.clock())
