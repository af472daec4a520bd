"""What the pages about revenue share: how movements and ages are called and coloured, and where their parts are."""

from __future__ import annotations

from typing import Any

from flask import url_for

from fluxrate.core.calendar import Window
from fluxrate.core.revenue.behind import MOST_ITEMS
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.web.links import canonical, edges

KINDS = {
    "new": "New",
    "expansion": "Expansion",
    "contraction": "Contraction",
    "churn": "Churn",
    "reactivation": "Reactivation",
}
COLOURS = {
    "new": "series-3",
    "expansion": "series-1",
    "reactivation": "series-5",
    "contraction": "series-2",
    "churn": "series-6",
}
"""Gains in blues and greens, losses in oranges: told apart also without red and green."""
SHOWN_ORDER = tuple(MOVEMENTS.index(kind) for kind in COLOURS)
"""The places of the movements as they are drawn and listed: gains first."""

AGES = ("not-due", "1-30", "31-60", "61-90", "91")
"""The buckets of `at_risk.BOUNDS` as addresses name them."""
GIVEN_UP = "uncollectible"
AGE_NAMES = {
    "not-due": "Not due yet",
    "1-30": "1–30 days past due",
    "31-60": "31–60 days past due",
    "61-90": "61–90 days past due",
    "91": "91 days past due and more",
    GIVEN_UP: "Uncollectible",
}

_LISTS = {
    "changes": "web.revenue_changes",
    "subscriptions": "web.revenue_subscriptions",
    "customers": "web.revenue_customers",
    "retention": "web.revenue_retention",
    "usage": "web.revenue_usage",
    "forecast": "web.revenue_forecast",
    "at-risk": "web.revenue_at_risk",
    "invoices": "web.revenue_invoices",
}

_AT_END = ("mrr/subscriptions", "mrr/customers", "decline")
_NOW = ("at-risk", "at-risk/subscriptions", "forecast", "forecast/subscriptions")
_SERIES = ("mrr", "usage", "forecast")
"""What the API answers as a whole, without a limit."""

PERIODS = {"current": "Running now", "next": "Next"}
"""The billing periods of a forecast, and below the parts of each, as they are called."""
PARTS = {"total": "Total", "fixed": "Fixed", "usage": "Usage expected", "certain": "Certain"}


def listed(
    window: Window, currency: str, name: str, *, start: int | None = None, end: int | None = None, **more: Any
) -> str:
    """The list that a figure of the window, or of `[start, end)` within it, is made of: one of _LISTS."""
    first, last = (window.start if start is None else start), (window.end if end is None else end)
    zone = {"timezone": window.zone if window.zone != "UTC" else None}
    return canonical(url_for(_LISTS[name]), edges(first, last, window.zone) | zone | {"currency": currency} | more)


def csv(window: Window, currency: str, name: str, **more: Any) -> str:
    """The API's table of the same: a path under /api/v1/revenue, asked about this window and currency."""
    asked = edges(window.start, window.end, window.zone) | {"timezone": window.zone, "currency": currency}
    if name in _AT_END:
        del asked["start_date"]
    if name == "decline":
        del asked["currency"]
    if name in _NOW:
        asked = {"timezone": window.zone, "currency": currency}
    limit = {} if name in _SERIES else {"limit": MOST_ITEMS}
    return canonical(f"/api/v1/revenue/{name}", asked | more | limit | {"format": "csv"})
