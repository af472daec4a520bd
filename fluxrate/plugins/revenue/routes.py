"""`/revenue`: the figures live in `core.revenue` and `core.decline`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core import calendar
from fluxrate.core.decline import declines
from fluxrate.core.errors import Malformed
from fluxrate.core.query import choice
from fluxrate.core.revenue import money
from fluxrate.core.revenue.book import EVER
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.revenue.words import day
from fluxrate.core.zones import day_start
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import meter_of, query_of, wants_csv
from fluxrate.http.sheets import CSV, SHEET
from fluxrate.plugin import services
from fluxrate.plugins.revenue.ahead import forecast_shape, forecast_table, usage_shape, usage_table
from fluxrate.plugins.revenue.behind import (
    carried_shape,
    carried_table,
    changes_shape,
    changes_table,
    decline_shape,
    decline_table,
)
from fluxrate.plugins.revenue.schemas import (
    AtRiskArgs,
    AtRiskSchema,
    CarriedArgs,
    CarriedSchema,
    ChangesArgs,
    ChangesSchema,
    DeclineArgs,
    DeclineSchema,
    MrrArgs,
    MrrSchema,
    RevenueForecastArgs,
    RevenueForecastSchema,
    UsageRevenueArgs,
    UsageRevenueSchema,
)
from fluxrate.plugins.revenue.shapes import at_risk_shape, at_risk_table, mrr_shape, mrr_table

blueprint = ApiBlueprint("revenue", __name__, url_prefix="/api/v1/revenue", description="What recurs, and what is due.")


@blueprint.get("/mrr")
@scope("usage.read")
@blueprint.arguments(MrrArgs, location="query")
@blueprint.response(200, MrrSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_mrr(args: dict[str, Any]) -> Response:
    """Monthly recurring revenue at the end of each bucket, with the movements that led there, for each currency."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    group = choice("group_by", args.get("group_by"), calendar.GROUPS) or "day"
    window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, parts.clock())
    found = parts.revenue.mrr(window, group, _currency(args))
    return mrr_table(found, window) if as_table else answer(mrr_shape(found, window))


@blueprint.get("/at-risk")
@scope("usage.read")
@blueprint.arguments(AtRiskArgs, location="query")
@blueprint.response(200, AtRiskSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_at_risk(args: dict[str, Any]) -> Response:
    """Unpaid invoices of subscriptions by days past due, and the MRR behind them, for each currency."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    first, last = _days(args, zone)
    found = parts.revenue.at_risk(
        parts.clock(), zone, currency=_currency(args), first_day=first, last_day=last, limit=args["limit"]
    )
    return at_risk_table(found) if as_table else answer(at_risk_shape(found, zone))


@blueprint.get("/mrr/changes")
@scope("usage.read")
@blueprint.arguments(ChangesArgs, location="query")
@blueprint.response(200, ChangesSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_changes(args: dict[str, Any]) -> Response:
    """The changes of subscriptions that the movements of a window are made of: they add up to them."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, parts.clock())
    kind = choice("kind", args.get("kind"), MOVEMENTS)
    found = parts.revenue.changes(window, kind=kind, currency=_currency(args), limit=args["limit"])
    return changes_table(found, window) if as_table else answer(changes_shape(found, window))


@blueprint.get("/mrr/subscriptions")
@scope("usage.read")
@blueprint.arguments(CarriedArgs, location="query")
@blueprint.response(200, CarriedSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_carried(args: dict[str, Any]) -> Response:
    """The active subscriptions that MRR is made of at the end of a day, or at an instant: they add up to it."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    window = calendar.parse_window(None, args.get("end_date"), zone, parts.clock())
    found = parts.revenue.carriers(window.end, currency=_currency(args), limit=args["limit"])
    return carried_table(found, window) if as_table else answer(carried_shape(found, window))


@blueprint.get("/decline")
@scope("usage.read")
@blueprint.arguments(DeclineArgs, location="query")
@blueprint.response(200, DeclineSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_decline(args: dict[str, Any]) -> Response:
    """Customers whose usage fell far below what they used on the same days of the week before; `rule` says how far."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    query = query_of(args)
    meters = [meter for meter in parts.catalog.meters() if meter.status == "ACTIVE"]
    if args.get("meter_id"):
        meters = [meter_of(args["meter_id"])]
    end = min(query.window.end, parts.clock())
    found = declines(parts.engine, parts.store, meters, end, zone, as_of=query.as_of, limit=args["limit"])
    carries = parts.revenue.of_customers(end, [item.customer.pk for item in found.items])
    return decline_table(found) if as_table else answer(decline_shape(found, carries), as_of=found.as_of)


@blueprint.get("/usage")
@scope("usage.read")
@blueprint.arguments(UsageRevenueArgs, location="query")
@blueprint.response(200, UsageRevenueSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_usage(args: dict[str, Any]) -> Response:
    """What the usage of billing periods cost, by when they ended, for each currency; never part of MRR."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    group, now = choice("group_by", args.get("group_by"), calendar.GROUPS) or "day", parts.clock()
    window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, now)
    found, as_of = parts.revenue.usage(window, group, now, _currency(args))
    return usage_table(found, window, as_of) if as_table else answer(usage_shape(found, window, as_of), as_of=as_of)


@blueprint.get("/forecast")
@scope("usage.read")
@blueprint.arguments(RevenueForecastArgs, location="query")
@blueprint.response(200, RevenueForecastSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def read_forecast(args: dict[str, Any]) -> Response:
    """What the current and the next billing periods will come to, and what of that is certain, for each currency."""
    as_table, parts, zone = wants_csv(args), services(), _zone(args)
    first, last = _days(args, zone)
    ends = None
    if first is not None or last is not None:
        ends = (0 if first is None else day_start(zone, first), EVER if last is None else day_start(zone, last + 1))
    found, as_of = parts.revenue.forecast(parts.clock(), currency=_currency(args), ends=ends)
    return forecast_table(found, as_of) if as_table else answer(forecast_shape(found, zone, as_of), as_of=as_of)


def _days(args: dict[str, Any], zone: str) -> tuple[int | None, int | None]:
    """The first and the last day that are asked about."""
    first, last = (day(args[name], name, zone) if args.get(name) else None for name in ("start_date", "end_date"))
    if first is not None and last is not None and first > last:
        raise Malformed("start_date is not after end_date, but it is.", field="start_date")
    return first, last


def _zone(args: dict[str, Any]) -> str:
    return calendar.check_zone(args.get("timezone") or "UTC")


def _currency(args: dict[str, Any]) -> str | None:
    sent = args.get("currency")
    return money.check_currency(sent) if sent else None
