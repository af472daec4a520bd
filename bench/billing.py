"""Generated billing records: 10,000 subscriptions with two years of changes, and 100,000 invoices, from a fixed seed;
and a year of usage, which the customers on half of the plans pay for.

They are put into the tables some thousand at a time, as an import would have left them; nothing of them is read back
before the questions are asked.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Table

from fluxrate.core import meters
from fluxrate.core.model import COMMAND_LINE, Meter, NewEvent
from fluxrate.core.revenue import plans
from fluxrate.core.services import Services
from fluxrate.core.store import customers as store_customers
from fluxrate.core.store.schema import invoices, states, subscriptions

SUBSCRIPTIONS = 10_000
INVOICES = 100_000
CUSTOMERS = 5_000
EVENTS = 300_000

SEED = 6
_DAY = 86_400_000_000
_DAYS = 730
_CURRENCIES = ("USD", "USD", "USD", "EUR", "JPY")
PLANS = 40
_STATUSES = ("ACTIVE", "ACTIVE", "ACTIVE", "PAST_DUE", "PAUSED", "CANCELED")
_INVOICED = ("PAID",) * 84 + ("OPEN",) * 10 + ("UNCOLLECTIBLE",) * 2 + ("VOID",) * 2 + ("DRAFT",) * 2
_PIECE = 5_000
_EVENTS_PIECE = 50_000
METER = {"meter_name": "calls", "aggregation_type": "SUM", "decimals": 0}
_USAGE = {
    "charge_type": "USAGE",
    "name": "Calls",
    "meter_id": "calls",
    "tier_mode": "graduated",
    "tiers": [{"up_to": "100", "unit_price": "0"}, {"up_to": None, "unit_price": "0.25"}],
}

Rows = Sequence[dict[str, Any]]


def fill(parts: Services, now: int) -> None:
    """Put everything in, as of `now`."""
    chance = random.Random(SEED)
    names = [f"customer-{number:05d}" for number in range(CUSTOMERS)]
    with parts.store.write() as connection:
        pks, _ = store_customers.add(connection, names, now)
    meter = meters.create(parts.store, parts.registry.metrics, METER, now)
    made = [plan(parts, number, now) for number in range(PLANS)]
    sold = [subscription(chance, number, list(pks.values()), made, now) for number in range(1, SUBSCRIPTIONS + 1)]
    history = [state for subscription in sold for state in _states(chance, subscription, made, now)]
    billed = (invoice(chance, number, chance.choice(sold), now) for number in range(INVOICES))
    for table, rows in ((subscriptions, sold), (states, history), (invoices, list(billed))):
        _insert(parts, table, rows)
    for start in range(0, EVENTS, _EVENTS_PIECE):
        count = min(_EVENTS_PIECE, EVENTS - start)
        parts.store.events.append([_event(chance, meter, pks, names, now) for _ in range(count)], now)


def _event(chance: random.Random, meter: Meter, pks: Mapping[str, int], names: Sequence[str], now: int) -> NewEvent:
    name = chance.choice(names)
    return NewEvent(meter.pk, pks[name], name, now - chance.randint(1, 365 * _DAY), chance.randint(1, 99), None, None)


def _insert(parts: Services, table: Table, rows: Rows) -> None:
    for start in range(0, len(rows), _PIECE):
        with parts.store.write() as connection:
            connection.execute(table.insert(), rows[start : start + _PIECE])


def plan(parts: Services, number: int, now: int) -> tuple[int, str]:
    """The key and the currency of a new plan."""
    currency = _CURRENCIES[number % len(_CURRENCIES)]
    fields = {
        "external_id": f"plan-{number}",
        "name": f"Plan {number}",
        "plan_type": "HYBRID",
        "currency": currency,
        "billing_interval": ("month", "month", "year")[number % 3],
        "charges": [
            {"charge_type": "FIXED", "name": "Base", "amount": str(990 + 10 * number)},
            *([_USAGE] if number % 2 else ()),
        ],
    }
    return plans.create(parts.store, parts.catalog.meter, fields, now, COMMAND_LINE).pk, currency


def subscription(
    chance: random.Random, pk: int, customers: Sequence[int], made: Sequence[tuple[int, str]], now: int
) -> dict[str, Any]:
    """The row of a subscription as it began."""
    of, currency = chance.choice(made)
    return {
        "pk": pk,
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "external_id": f"sub-{pk}",
        "customer_pk": chance.choice(customers),
        "plan_pk": of,
        "status": "ACTIVE",
        "quantity": chance.randint(1, 50),
        "discount": chance.choice((0, 0, 0, 100_000)),
        "currency": currency,
        "start": now - chance.randint(1, _DAYS) * _DAY,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }


def _states(
    chance: random.Random, subscription: dict[str, Any], made: Sequence[tuple[int, str]], now: int
) -> Iterator[dict[str, Any]]:
    """One to six states from the start on; the subscription is what the last one says."""
    own = [plan for plan, currency in made if currency == subscription["currency"]]
    at = subscription["start"]
    for number in range(chance.randint(1, 6)):
        if number:
            at = chance.randint(at, now)
            subscription["status"] = chance.choice(_STATUSES)
            subscription["plan_pk"], subscription["quantity"] = chance.choice(own), chance.randint(1, 50)
        fields = ("status", "plan_pk", "quantity", "discount")
        yield {"subscription_pk": subscription["pk"], "at": at, **{name: subscription[name] for name in fields}}
    if subscription["status"] == "CANCELED":
        subscription["canceled_at"] = at
    subscription.setdefault("canceled_at", None)


def invoice(chance: random.Random, number: int, subscription: dict[str, Any], now: int) -> dict[str, Any]:
    """The row of an invoice."""
    status, total = chance.choice(_INVOICED), chance.randint(1_000, 500_000)
    issued = now // _DAY - (chance.randint(0, 150) if status == "OPEN" else chance.randint(0, _DAYS))
    lines = [{"description": "Base", "amount": total, "quantity": None}]
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "external_id": f"inv-{number}",
        "customer_pk": subscription["customer_pk"],
        "subscription_pk": subscription["pk"],
        "status": status,
        "currency": subscription["currency"],
        "subtotal": total,
        "tax": 0,
        "total": total,
        "amount_due": total,
        "amount_paid": total if status == "PAID" else 0,
        "issue_date": issued,
        "due_date": issued + 14,
        "lines": msgspec.json.encode(lines).decode(),
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
