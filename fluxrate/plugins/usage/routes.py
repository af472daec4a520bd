"""Usage of a meter, its stats, a customer's usage, and the list of metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response

from fluxrate.core.answers import Usage
from fluxrate.core.calendar import rfc3339
from fluxrate.core.comparison import compare
from fluxrate.core.query import Query
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import TimezoneArgs, customer_of, meter_of, query_of, wants_csv
from fluxrate.http.sheets import CSV, SHEET
from fluxrate.plugin import services
from fluxrate.plugins.usage.schemas import (
    AggregateArgs,
    AggregateSchema,
    CustomerUsageArgs,
    CustomerUsageSchema,
    MetricListSchema,
    RankingArgs,
    RankingSchema,
    StatsSchema,
    UsageArgs,
    UsageSchema,
)
from fluxrate.plugins.usage.shapes import (
    Answered,
    aggregate_shape,
    buckets_shape,
    period_shape,
    ranking_shape,
    usage_shape,
)
from fluxrate.plugins.usage.tables import aggregate_table, ranking_table, usage_table

blueprint = ApiBlueprint("usage", __name__, url_prefix="/api/v1", description="Who used how much of what, when.")


@blueprint.get("/meters/<meter>/usage")
@scope("usage.read")
@blueprint.arguments(UsageArgs, location="query")
@blueprint.response(200, UsageSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(400)
def meter_usage(args: dict[str, Any], meter: str) -> Response:
    """A meter over time: the total over all events of the window, and a figure per calendar bucket."""
    as_table = wants_csv(args)
    found = _answered(args, meter, group_by="day")
    return usage_table(found) if as_table else answer(usage_shape(found), as_of=found.usage.as_of)


@blueprint.get("/usage/aggregate")
@scope("usage.read")
@blueprint.arguments(AggregateArgs, location="query")
@blueprint.response(200, AggregateSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(400)
def aggregate(args: dict[str, Any]) -> Response:
    """A meter over a window as one figure, or as one for each row of a breakdown."""
    as_table = wants_csv(args)
    found = _answered(args, args.pop("meter_id"), group_by=None)
    return aggregate_table(found) if as_table else answer(aggregate_shape(found), as_of=found.usage.as_of)


@blueprint.get("/meters/<meter>/customers")
@scope("usage.read")
@blueprint.arguments(RankingArgs, location="query")
@blueprint.response(200, RankingSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(400)
def meter_customers(args: dict[str, Any], meter: str) -> Response:
    """The customers of a meter with the most usage in a window, largest first."""
    as_table, limit = wants_csv(args), args.pop("limit")
    ranking = services().engine.ranking(meter_of(meter), query_of(args), limit)
    return ranking_table(ranking) if as_table else answer(ranking_shape(ranking), as_of=ranking.as_of)


@blueprint.get("/meters/<meter>/stats")
@scope("usage.read")
@blueprint.arguments(TimezoneArgs, location="query")
@blueprint.response(200, StatsSchema)
def meter_stats(args: dict[str, Any], meter: str) -> Response:
    """A meter's whole life, and its figures for today, this week and this month in the zone."""
    query = query_of(args)
    found = meter_of(meter)
    stats = services().engine.stats(found, query.window.zone, services().clock(), query.as_of)
    shape = {
        "meter_id": found.id,
        "total_events": stats.total_events,
        "unique_customers": stats.unique_customers,
        "first_event_date": _date(stats.first_event),
        "last_event_date": _date(stats.last_event),
        "today_usage": stats.today,
        "this_week_usage": stats.week,
        "this_month_usage": stats.month,
    }
    return answer(shape, as_of=stats.as_of)


@blueprint.get("/customers/<customer>/usage")
@scope("usage.read")
@blueprint.arguments(CustomerUsageArgs, location="query")
@blueprint.response(200, CustomerUsageSchema)
def customer_usage(args: dict[str, Any], customer: str) -> Response:
    """A customer over all meters, or those named, bucket by bucket."""
    parts = services()
    named = args.pop("meter_id", None)
    found = customer_of(customer)
    query = replace(query_of(args, group_by="day"), customers=(found.id,))
    # One sequence for all meters: an event that arrives in between is in none of them.
    query = replace(query, as_of=parts.engine.as_of() if query.as_of is None else query.as_of)
    meters = [meter_of(reference) for reference in named] if named else parts.catalog.meters()
    shape = {
        "customer_id": found.id,
        **period_shape(query.window),
        "timezone": query.window.zone,
        "as_of": query.as_of,
        "data": [_meter_shape(parts.engine.usage(meter, query), query) for meter in meters],
    }
    return answer(shape, as_of=query.as_of)


@blueprint.get("/metrics")
@scope("usage.read")
@blueprint.response(200, MetricListSchema)
def list_metrics() -> Response:
    """The registered metrics: what a meter can aggregate by."""
    metrics = services().registry.metrics
    rows = [
        {
            "name": metric.name,
            "label": metric.label,
            "plugin": metrics.owner(metric.name),
            "combines": metric.combine is not None,
        }
        for metric in metrics.all.values()
    ]
    return answer({"data": rows})


def _answered(args: dict[str, Any], meter: str, *, group_by: str | None) -> Answered:
    parts = services()
    name = args.pop("metric", None)
    metric = parts.registry.metrics.get(name) if name else None
    query = query_of(args, group_by=group_by)
    usage = parts.engine.usage(meter_of(meter), query, metric)
    return Answered(query, usage, compare(parts.engine, query, usage, metric))


def _meter_shape(usage: Usage, query: Query) -> dict[str, Any]:
    return {
        "meter_id": usage.meter.id,
        "meter_name": usage.meter.meter_name,
        "aggregation_type": usage.meter.aggregation_type,
        "unit": usage.meter.unit,
        "total_usage": usage.total,
        "event_count": usage.event_count,
        "grouped_data": buckets_shape(usage.buckets, query),
    }


def _date(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)
