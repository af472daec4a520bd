"""What revenue figures are made of, as the API writes it: changes, subscriptions, and customers who use less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response

from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.decline import RULE, Declines, Fallen
from fluxrate.core.revenue import money
from fluxrate.core.revenue.behind import Carried, Change, Changes
from fluxrate.core.revenue.mrr import Step
from fluxrate.core.revenue.reading import Named
from fluxrate.http.sheets import Cell, sheet

_WHO = ("subscription_id", "customer_id", "customer_external_id")
_CHANGE = (*_WHO, "at", "kind", "mrr_before", "mrr", "amount")
_CARRIER = (*_WHO, "mrr", "since")
_FALLEN = (
    "meter_id",
    "meter_name",
    "unit",
    "customer_id",
    "customer_external_id",
    "usage",
    "event_count",
    "baseline",
    "baseline_usage",
    "baseline_event_count",
    "change",
)

Carries = Mapping[str, Mapping[int, int]]
"""By currency what each customer carries, by its key."""


def changes_shape(found: Named[Changes], window: Window) -> dict[str, Any]:
    """The changes of each currency."""
    return {
        "data": [
            {
                "currency": each.currency,
                "amount": money.amount(each.amount, each.currency),
                "count": each.count,
                "items": [_change(item, each.currency, found, window.zone) for item in each.items],
            }
            for each in found.data
        ],
        "period_start": window.period_start,
        "period_end": window.period_end,
        "timezone": window.zone,
    }


def changes_table(found: Named[Changes], window: Window) -> Response:
    """A row for each change."""
    rows: Iterator[list[Cell]] = (
        [each.currency, *_change(item, each.currency, found, window.zone).values()]
        for each in found.data
        for item in each.items
    )
    name = f"mrr-changes-{window.period_start[:10]}-to-{window.period_end[:10]}"
    return sheet(name, ["currency", *_CHANGE], rows)


def carried_shape(found: Named[Carried], window: Window) -> dict[str, Any]:
    """The subscriptions of each currency."""
    return {
        "data": [
            {
                "currency": each.currency,
                "mrr": money.amount(each.mrr, each.currency),
                "active_subscriptions": each.active_subscriptions,
                "items": [_carrier(item, each.currency, found, window.zone) for item in each.items],
            }
            for each in found.data
        ],
        "period_end": window.period_end,
        "timezone": window.zone,
    }


def carried_table(found: Named[Carried], window: Window) -> Response:
    """A row for each subscription."""
    rows: Iterator[list[Cell]] = (
        [each.currency, *_carrier(item, each.currency, found, window.zone).values()]
        for each in found.data
        for item in each.items
    )
    return sheet(f"mrr-subscriptions-{window.period_end[:10]}", ["currency", *_CARRIER], rows)


def decline_shape(found: Declines, carries: Carries) -> dict[str, Any]:
    """Usage decline."""
    return {
        "data": [_fallen(item) | {"mrr": _mrr(item.customer.pk, carries)} for item in found.items],
        "count": found.count,
        "rule": RULE,
        "period_start": found.recent.period_start,
        "period_end": found.recent.period_end,
        "baseline_start": found.before.period_start,
        "timezone": found.recent.zone,
        "as_of": found.as_of,
    }


def decline_table(found: Declines) -> Response:
    """A row for each customer and meter."""
    rows: Iterator[list[Cell]] = ([*_fallen(item).values()] for item in found.items)
    return sheet(f"usage-decline-{found.recent.period_end[:10]}", [*_FALLEN], rows)


def _who(item: Change | Step, found: Named[Any]) -> tuple[str, str, str]:
    customer = found.customers[item.customer]
    return found.subscriptions[item.subscription], customer.id, customer.external_id


def _change(item: Change, currency: str, found: Named[Changes], zone: str) -> dict[str, Any]:
    amounts = (money.amount(minor, currency) for minor in (item.before, item.mrr, item.amount))
    return dict(zip(_CHANGE, (*_who(item, found), rfc3339(item.at, zone), item.kind, *amounts), strict=True))


def _carrier(item: Step, currency: str, found: Named[Carried], zone: str) -> dict[str, Any]:
    figures = (money.amount(item.mrr, currency), rfc3339(item.at, zone))
    return dict(zip(_CARRIER, (*_who(item, found), *figures), strict=True))


def _fallen(item: Fallen) -> dict[str, Any]:
    meter, customer = item.meter, item.customer
    figures: Sequence[Any] = (item.usage, item.events, item.baseline, item.before, item.events_before, item.change)
    names = (meter.id, meter.meter_name, meter.unit, customer.id, customer.external_id)
    return dict(zip(_FALLEN, (*names, *figures), strict=True))


def _mrr(customer: int, carries: Carries) -> list[dict[str, Any]]:
    return [
        {"currency": code, "mrr": money.amount(of[customer], code)} for code, of in carries.items() if customer in of
    ]
