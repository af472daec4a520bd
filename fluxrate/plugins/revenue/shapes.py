"""Revenue figures as the API writes them, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response

from fluxrate.core.calendar import Window
from fluxrate.core.revenue import money
from fluxrate.core.revenue.at_risk import BOUNDS, AtRisk, Item
from fluxrate.core.revenue.mrr import MOVEMENTS, Mrr, Point
from fluxrate.core.revenue.reading import Risks
from fluxrate.core.revenue.words import date_text
from fluxrate.http.sheets import Cell, sheet

_POINT = ("period", "mrr", *MOVEMENTS, "active_subscriptions")
_ITEM = ("invoice_id", "subscription_id", "customer_id", "customer_external_id")
_ITEM_FIGURES = ("amount_due", "due_date", "days_past_due", "mrr")


def mrr_shape(found: Sequence[Mrr], window: Window) -> dict[str, Any]:
    """MRR of each currency."""
    return {
        "data": [_currency(each) for each in found],
        "period_start": window.period_start,
        "period_end": window.period_end,
        "timezone": window.zone,
    }


def mrr_table(found: Sequence[Mrr], window: Window) -> Response:
    """A row for each currency and bucket."""
    rows: Iterator[list[Cell]] = (
        [each.currency, *_point(point, each.currency).values()] for each in found for point in each.points
    )
    name = f"mrr-{window.period_start[:10]}-to-{window.period_end[:10]}"
    return sheet(name, ["currency", *_POINT], rows)


def at_risk_shape(found: Risks, zone: str) -> dict[str, Any]:
    """What is at risk in each currency."""
    return {"data": [_at_risk(each, found) for each in found.data], "timezone": zone}


def at_risk_table(found: Risks) -> Response:
    """A row for each invoice."""
    rows: Iterator[list[Cell]] = (
        [each.currency, *(shape[name] for name in (*_ITEM, *_ITEM_FIGURES))]
        for each in found.data
        for shape in (_item(item, each.currency, found) for item in each.items)
    )
    return sheet("at-risk", ["currency", *_ITEM, *_ITEM_FIGURES], rows)


def _currency(found: Mrr) -> dict[str, Any]:
    code = found.currency
    return {
        "currency": code,
        "mrr": money.amount(found.mrr, code),
        "arr": money.amount(found.arr, code),
        "active_subscriptions": found.active_subscriptions,
        "active_customers": found.active_customers,
        "arpa": None if found.arpa is None else money.amount(found.arpa, code),
        "opening_mrr": money.amount(found.opening_mrr, code),
        "opening_active_subscriptions": found.opening_subscriptions,
        "opening_arpa": None if found.opening_arpa is None else money.amount(found.opening_arpa, code),
        "lost_subscriptions": found.lost_subscriptions,
        "retained_mrr": money.amount(found.retained_mrr, code),
        "churn_rate": found.churn_rate,
        "net_revenue_retention": found.net_revenue_retention,
        "grouped_data": [_point(point, code) for point in found.points],
    }


def _point(point: Point, currency: str) -> dict[str, Any]:
    moved = (money.amount(minor, currency) for minor in point.movements)
    figures = (point.label, money.amount(point.mrr, currency), *moved, point.active_subscriptions)
    return dict(zip(_POINT, figures, strict=True))


def _at_risk(found: AtRisk, names: Risks) -> dict[str, Any]:
    code = found.currency
    buckets = zip(BOUNDS, found.buckets, strict=True)
    return {
        "currency": code,
        "amount_due": money.amount(found.amount_due, code),
        "invoices": found.invoices,
        "subscriptions": found.subscriptions,
        "mrr": money.amount(found.mrr, code),
        "uncollectible": money.amount(found.uncollectible, code),
        "buckets": [
            {"from_days": first, "to_days": last, "amount_due": money.amount(due, code), "invoices": count}
            for (first, last), (due, count) in buckets
        ],
        "items": [_item(item, code, names) for item in found.items],
    }


def _item(item: Item, currency: str, names: Risks) -> dict[str, Any]:
    customer = names.customers[item.customer]
    return {
        "subscription_id": names.subscriptions[item.subscription],
        "customer_id": customer.id,
        "customer_external_id": customer.external_id,
        "invoice_id": names.invoices[item.invoice],
        "amount_due": money.amount(item.balance, currency),
        "due_date": date_text(item.due_date),
        "days_past_due": item.days_past_due,
        "mrr": money.amount(item.mrr, currency),
    }
