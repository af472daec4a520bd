"""Usage revenue and the revenue forecast as the API writes them, as JSON and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response

from fluxrate.core.amounts import divide
from fluxrate.core.calendar import Window
from fluxrate.core.revenue import money
from fluxrate.core.revenue.ahead import Ahead, Expected
from fluxrate.core.revenue.mrr import RATE_PLACES
from fluxrate.core.revenue.used import UsageRevenue
from fluxrate.http.sheets import Cell, sheet

_BUCKET = ("period", "usage_revenue", "billing_periods")
_EXPECTED = ("subscriptions", "fixed", "usage", "total", "certain", "certain_share")


def usage_shape(found: Sequence[UsageRevenue], window: Window, as_of: int) -> dict[str, Any]:
    """What usage cost, in each currency."""
    return {
        "data": [
            {
                "currency": each.currency,
                "usage_revenue": money.amount(each.amount, each.currency),
                "grouped_data": _buckets(each),
            }
            for each in found
        ],
        "period_start": window.period_start,
        "period_end": window.period_end,
        "timezone": window.zone,
        "as_of": as_of,
    }


def usage_table(found: Sequence[UsageRevenue], window: Window, as_of: int) -> Response:
    """A row for each currency and bucket."""
    rows: Iterator[list[Cell]] = ([each.currency, *bucket.values()] for each in found for bucket in _buckets(each))
    name = f"usage-revenue-{window.period_start[:10]}-to-{window.period_end[:10]}"
    return sheet(name, ["currency", *_BUCKET], rows, as_of=as_of)


def forecast_shape(found: Sequence[Ahead], zone: str, as_of: int) -> dict[str, Any]:
    """What lies ahead in each currency."""
    return {
        "data": [
            {
                "currency": each.currency,
                "mrr": money.amount(each.mrr, each.currency),
                "current": _expected(each.current, each.currency),
                "next": _expected(each.next, each.currency),
            }
            for each in found
        ],
        "timezone": zone,
        "as_of": as_of,
    }


def forecast_table(found: Sequence[Ahead], as_of: int) -> Response:
    """A row for each currency, for its current and for its next periods."""
    rows: Iterator[list[Cell]] = (
        [each.currency, name, money.amount(each.mrr, each.currency), *_expected(expected, each.currency).values()]
        for each in found
        for name, expected in (("current", each.current), ("next", each.next))
    )
    return sheet("revenue-forecast", ["currency", "billing_period", "mrr", *_EXPECTED], rows, as_of=as_of)


def _buckets(found: UsageRevenue) -> list[dict[str, Any]]:
    return [
        dict(zip(_BUCKET, (one.label, money.amount(one.amount, found.currency), one.periods), strict=True))
        for one in found.buckets
    ]


def _expected(found: Expected, currency: str) -> dict[str, Any]:
    amounts = (money.amount(minor, currency) for minor in (found.fixed, found.usage, found.total, found.certain))
    share = divide(found.certain, found.total, 0, RATE_PLACES) if found.total else None
    return dict(zip(_EXPECTED, (found.subscriptions, *amounts, share), strict=True))
