"""The revenue figures, each with what is told of it, and the lists of what they are made of."""

from __future__ import annotations

from functools import partial

from fluxrate.core.revenue.ahead import Ahead, Expected
from fluxrate.core.revenue.at_risk import BOUNDS, AtRisk
from fluxrate.core.revenue.mrr import MOVEMENTS, Point, share
from fluxrate.plugins.revenue.reports import (
    CUSTOMER,
    INVOICE,
    PERIOD,
    WHO,
    Column,
    Report,
    date,
    flag,
    instant,
    money,
    part,
    rate,
    several,
    text,
    whole,
)

_LOST = "Active at the window's start and not at its end."
_RETAINED = "Of the opening MRR's subscriptions, at the window's end."


def _moved(place: int, point: Point) -> int:
    return point.movements[place]


MRR = Report(
    "mrr",
    figures=(
        money("mrr"),
        money("arr"),
        whole("active_subscriptions"),
        whole("active_customers"),
        money("arpa", null=True),
        money("opening_mrr"),
        whole("opening_active_subscriptions", "opening_subscriptions"),
        money("opening_arpa", null=True),
        whole("lost_subscriptions", about=_LOST),
        money("retained_mrr", about=_RETAINED),
        rate("churn_rate"),
        rate("net_revenue_retention"),
    ),
    columns=(
        text("period", "label"),
        money("mrr", about="At the end of the bucket: that of the bucket before, and the five movements."),
        *(
            money(kind, partial(_moved, place), "Negative, or 0." if kind in ("contraction", "churn") else "")
            for place, kind in enumerate(MOVEMENTS)
        ),
        whole("active_subscriptions"),
    ),
    rows="points",
    key="grouped_data",
)

CHANGES = Report(
    "mrr-changes",
    figures=(money("amount", about="Of all changes, also those beyond the limit."), whole("count")),
    columns=(
        *WHO,
        instant("at"),
        text("kind"),
        money("mrr_before", "before"),
        money("mrr"),
        money("amount", about="`mrr` less `mrr_before`."),
    ),
)

SUBSCRIPTIONS = Report(
    "mrr-subscriptions",
    figures=(money("mrr", about="Of all subscriptions, also those beyond the limit."), whole("active_subscriptions")),
    columns=(*WHO, money("mrr"), instant("since", "at")),
    window=("period_end",),
)

CUSTOMERS = Report(
    "mrr-customers",
    figures=(
        money("mrr", about="Of all customers, also those beyond the limit."),
        whole("active_customers"),
        money("arpa", null=True, about="`mrr` / `active_customers`."),
    ),
    columns=(*CUSTOMER, money("mrr"), whole("active_subscriptions")),
    window=("period_end",),
)

RETENTION = Report(
    "mrr-retention",
    figures=(
        whole("opening_active_subscriptions", about="Of all of them, also those beyond the limit or not asked for."),
        whole("lost_subscriptions", about=_LOST),
        rate("churn_rate"),
        money("opening_mrr"),
        money("retained_mrr", about=_RETAINED),
        rate("net_revenue_retention"),
        whole("count", about="Of the subscriptions that are asked for."),
    ),
    columns=(
        *WHO,
        money("opening_mrr"),
        money("mrr", about="At the window's end."),
        money("retained_mrr", about="`mrr`, or 0 if it carried nothing at the window's start."),
        flag("lost"),
    ),
)

_AGE = (
    whole("from_days", lambda age: age[0][0], null=True),
    whole("to_days", lambda age: age[0][1], null=True),
    money("amount_due", lambda age: age[1][0]),
    whole("invoices", lambda age: age[1][1]),
)


def _ages(found: AtRisk) -> zip[tuple[tuple[int | None, int | None], tuple[int, int]]]:
    return zip(BOUNDS, found.buckets, strict=True)


AT_RISK = Report(
    "at-risk",
    figures=(
        money("amount_due", about="Still to be paid, of all invoices, also those beyond the limit."),
        whole("invoices"),
        whole("subscriptions"),
        money("mrr"),
        money("uncollectible"),
        several("buckets", "age", _AGE, _ages, "By days past due, both within; null is without end."),
    ),
    columns=(
        INVOICE,
        *WHO,
        money("amount_due", "balance", "What is still to be paid."),
        date("due_date"),
        whole("days_past_due"),
        money("mrr", about="Of its subscription, now."),
    ),
    window=(),
)

AT_RISK_SUBSCRIPTIONS = Report(
    "at-risk-subscriptions",
    figures=(
        money("amount_due", about="Of all subscriptions, also those beyond the limit."),
        whole("invoices"),
        whole("subscriptions"),
        money("mrr"),
    ),
    columns=(
        *WHO,
        money("amount_due", "balance"),
        whole("invoices"),
        whole("days_past_due", about="Of the oldest invoice."),
        money("mrr", about="Now."),
    ),
    rows="behind",
    window=(),
)

USAGE = Report(
    "usage-revenue",
    figures=(money("usage_revenue", "amount"),),
    columns=(text("period", "label"), money("usage_revenue", "amount"), whole("billing_periods", "periods")),
    rows="buckets",
    key="grouped_data",
    as_of=True,
)

BILLED_PERIODS = Report(
    "usage-revenue-periods",
    figures=(
        money("usage_revenue", "amount", "Of all billing periods, also those beyond the limit."),
        whole("billing_periods"),
    ),
    columns=(*WHO, *PERIOD, money("usage_revenue", "amount")),
    as_of=True,
)

_AMOUNTS = (
    money("fixed"),
    money("usage"),
    money("total", about="`fixed` and `usage`."),
    money("certain", about="`fixed` and what usage has cost so far."),
)
_EXPECTED = (
    whole("subscriptions"),
    *_AMOUNTS,
    rate("certain_share", lambda each: share(each.certain, each.total), "`certain` / `total`."),
)


def _both(found: Ahead) -> tuple[tuple[str, int, Expected], ...]:
    return ("current", found.mrr, found.current), ("next", found.mrr, found.next)


def _of_row(column: Column) -> Column:
    """The column of what stands third in a row."""
    return Column(column.name, column.field, lambda rows, place: column.of([row[2] for row in rows], place))


FORECAST = Report(
    "revenue-forecast",
    figures=(money("mrr"), part("current", "expected", _EXPECTED), part("next", "expected", _EXPECTED)),
    columns=(
        text("billing_period", lambda row: row[0]),
        money("mrr", lambda row: row[1]),
        *map(_of_row, _EXPECTED),
    ),
    rows=_both,
    key=None,
    window=(),
    as_of=True,
)

EXPECTED_PERIODS = Report(
    "revenue-forecast-subscriptions",
    figures=(
        money("mrr", "ahead.mrr"),
        part("current", "expected", _EXPECTED, "ahead.current"),
        part("next", "expected", _EXPECTED, "ahead.next"),
        whole("count", about="Of the billing periods that are asked for."),
    ),
    columns=(*WHO, text("billing_period"), *PERIOD, *_AMOUNTS),
    window=(),
    as_of=True,
)
