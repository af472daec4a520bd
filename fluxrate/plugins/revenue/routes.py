"""`/revenue`: the figures live in `core.revenue` and `core.decline`, what is told of each in `figures`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core import calendar
from fluxrate.core.decline import declines
from fluxrate.core.query import FLAGS
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.revenue.parts import BILLING_PERIODS
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import meter_of, query_of, wants_csv
from fluxrate.http.sheets import CSV, SHEET
from fluxrate.plugin import services
from fluxrate.plugins.revenue import figures
from fluxrate.plugins.revenue.asking import (
    Asked,
    AtRiskArgs,
    BilledPeriodsArgs,
    ChangesArgs,
    DeclineArgs,
    ExpectedPeriodsArgs,
    PointArgs,
    RetentionArgs,
    RevenueForecastArgs,
    SeriesArgs,
    UsageArgs,
)
from fluxrate.plugins.revenue.decline import DeclineSchema, decline_shape, decline_table
from fluxrate.plugins.revenue.reports import Told, reported

blueprint = ApiBlueprint("revenue", __name__, url_prefix="/api/v1/revenue", description="What recurs, and what is due.")


@reported(blueprint, "/mrr", figures.MRR, SeriesArgs)
def read_mrr(asked: Asked) -> Told:
    """Monthly recurring revenue at the end of each bucket, with the movements that led there, for each currency."""
    group, window = asked.choice("group_by", calendar.GROUPS) or "day", asked.window()
    return Told(asked.revenue.mrr(window, group, asked.currency), asked, window=window)


@reported(blueprint, "/mrr/changes", figures.CHANGES, ChangesArgs)
def read_changes(asked: Asked) -> Told:
    """The changes of subscriptions that the movements of a window are made of: they add up to them."""
    window, kind = asked.window(), asked.choice("kind", MOVEMENTS)
    found = asked.revenue.changes(window, kind=kind, currency=asked.currency, limit=asked.limit)
    return Told(found.data, asked, found, window)


@reported(blueprint, "/mrr/subscriptions", figures.SUBSCRIPTIONS, PointArgs)
def read_subscriptions(asked: Asked) -> Told:
    """The active subscriptions that MRR is made of at the end of a day, or at an instant: they add up to it."""
    window = asked.window()
    found = asked.revenue.carriers(window.end, currency=asked.currency, limit=asked.limit)
    return Told(found.data, asked, found, window)


@reported(blueprint, "/mrr/customers", figures.CUSTOMERS, PointArgs)
def read_customers(asked: Asked) -> Told:
    """The customers with an active subscription at the end of a day, or at an instant: ARPA is MRR for each of them."""
    window = asked.window()
    found = asked.revenue.payers(window.end, currency=asked.currency, limit=asked.limit)
    return Told(found.data, asked, found, window)


@reported(blueprint, "/mrr/retention", figures.RETENTION, RetentionArgs)
def read_retention(asked: Asked) -> Told:
    """The subscriptions that were active at a window's start, and what became of them: churn and retention."""
    window, lost = asked.window(), asked.choice("lost", FLAGS)
    found = asked.revenue.retention(
        window, lost=None if lost is None else lost == "true", currency=asked.currency, limit=asked.limit
    )
    return Told(found.data, asked, found, window)


@reported(blueprint, "/at-risk", figures.AT_RISK, AtRiskArgs)
def read_at_risk(asked: Asked) -> Told:
    """Unpaid invoices of subscriptions by days past due, and the MRR behind them, for each currency."""
    first, last = asked.days()
    found = asked.revenue.at_risk(
        asked.now, asked.zone, currency=asked.currency, first_day=first, last_day=last, limit=asked.limit
    )
    return Told(found.data, asked, found)


@reported(blueprint, "/at-risk/subscriptions", figures.AT_RISK_SUBSCRIPTIONS, AtRiskArgs)
def read_at_risk_subscriptions(asked: Asked) -> Told:
    """The subscriptions with unpaid invoices: amount due and MRR at risk are the sums of them."""
    first, last = asked.days()
    found = asked.revenue.at_risk(
        asked.now,
        asked.zone,
        currency=asked.currency,
        first_day=first,
        last_day=last,
        limit=asked.limit,
        with_subscriptions=True,
    )
    return Told(found.data, asked, found)


@reported(blueprint, "/usage", figures.USAGE, UsageArgs)
def read_usage(asked: Asked) -> Told:
    """What the usage of billing periods cost, by when they ended, for each currency; never part of MRR."""
    group, window = asked.choice("group_by", calendar.GROUPS) or "day", asked.window()
    found, as_of = asked.revenue.usage(window, group, asked.now, asked.currency, asked.as_of)
    return Told(found, asked, window=window, as_of=as_of)


@reported(blueprint, "/usage/periods", figures.BILLED_PERIODS, BilledPeriodsArgs)
def read_billed_periods(asked: Asked) -> Told:
    """The billing periods that ended within a window, with what their usage cost: usage revenue is the sum of them."""
    window = asked.window()
    found, as_of = asked.revenue.billed_periods(
        window, asked.now, currency=asked.currency, limit=asked.limit, as_of=asked.as_of
    )
    return Told(found.data, asked, found, window, as_of)


@reported(blueprint, "/forecast", figures.FORECAST, RevenueForecastArgs)
def read_forecast(asked: Asked) -> Told:
    """What the current and the next billing periods will come to, and what of that is certain, for each currency."""
    found, as_of = asked.revenue.forecast(asked.now, currency=asked.currency, ends=asked.ends(), as_of=asked.as_of)
    return Told(found, asked, as_of=as_of)


@reported(blueprint, "/forecast/subscriptions", figures.EXPECTED_PERIODS, ExpectedPeriodsArgs)
def read_expected_periods(asked: Asked) -> Told:
    """The current and the next billing period of each subscription: the forecast is the sum of them."""
    found, as_of = asked.revenue.expected_periods(
        asked.now,
        currency=asked.currency,
        ends=asked.ends(),
        billing_period=asked.choice("billing_period", BILLING_PERIODS),
        limit=asked.limit,
        as_of=asked.as_of,
    )
    return Told(found.data, asked, found, as_of=as_of)


@blueprint.get("/decline")
@scope("usage.read")
@blueprint.arguments(DeclineArgs, location="query")
@blueprint.response(200, DeclineSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_decline(args: dict[str, Any]) -> Response:
    """Customers whose usage fell far below what they used on the same days of the week before; `rule` says how far."""
    as_table, parts, query = wants_csv(args), services(), query_of(args)
    meters = [meter for meter in parts.catalog.meters() if meter.status == "ACTIVE"]
    if args.get("meter_id"):
        meters = [meter_of(args["meter_id"])]
    end = min(query.window.end, parts.clock())
    found = declines(parts.engine, parts.store, meters, end, query.window.zone, as_of=query.as_of, limit=args["limit"])
    carries = parts.revenue.of_customers(end, [item.customer.pk for item in found.items])
    return decline_table(found) if as_table else answer(decline_shape(found, carries), as_of=found.as_of)
