"""Usage of a meter, its stats, a customer's usage, and the list of metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response

from fluxrate.core.answers import Usage
from fluxrate.core.calendar import rfc3339
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import TimezoneArgs, customer_of, meter_of, query_of
from fluxrate.http.shapes import buckets_shape
from fluxrate.plugin import services
from fluxrate.plugins.usage.schemas import (
    AggregateArgs,
    AggregateSchema,
    CustomerUsageArgs,
    CustomerUsageSchema,
    MetricListSchema,
    StatsSchema,
    UsageArgs,
    UsageSchema,
)

blueprint = ApiBlueprint("usage", __name__, url_prefix="/api/v1", description="Who used how much of what, when.")


@blueprint.get("/meters/<meter>/usage")
@scope("usage.read")
@blueprint.arguments(UsageArgs, location="query")
@blueprint.response(200, UsageSchema)
def meter_usage(args: dict[str, Any], meter: str) -> Response:
    """A meter over time: the total over all events of the window, and a figure per calendar bucket."""
    usage = _usage(args, meter, group_by="day")
    return answer(_total_shape(usage) | {"grouped_data": buckets_shape(usage)}, as_of=usage.as_of)


@blueprint.get("/usage/aggregate")
@scope("usage.read")
@blueprint.arguments(AggregateArgs, location="query")
@blueprint.response(200, AggregateSchema)
def aggregate(args: dict[str, Any]) -> Response:
    """A meter over a window as one figure."""
    usage = _usage(args, args.pop("meter_id"), group_by=None)
    return answer(_total_shape(usage), as_of=usage.as_of)


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
    meters = [meter_of(reference) for reference in named] if named else parts.store.meters.all()
    shape = {
        "customer_id": found.id,
        "period_start": query.window.period_start,
        "period_end": query.window.period_end,
        "timezone": query.window.zone,
        "as_of": query.as_of,
        "data": [_meter_shape(parts.engine.usage(meter, query)) for meter in meters],
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


def _usage(args: dict[str, Any], meter: str, *, group_by: str | None) -> Usage:
    parts = services()
    name = args.pop("metric", None)
    metric = parts.registry.metrics.get(name) if name else None
    query = query_of(args, group_by=group_by)
    return parts.engine.usage(meter_of(meter), query, metric)


def _total_shape(usage: Usage) -> dict[str, Any]:
    return {
        "meter_id": usage.meter.id,
        "total_usage": usage.total,
        "event_count": usage.event_count,
        "unique_customers": usage.unique_customers,
        "period_start": usage.window.period_start,
        "period_end": usage.window.period_end,
        "aggregation_type": usage.meter.aggregation_type,
        "metric": usage.metric,
        "timezone": usage.window.zone,
        "as_of": usage.as_of,
    }


def _meter_shape(usage: Usage) -> dict[str, Any]:
    return {
        "meter_id": usage.meter.id,
        "meter_name": usage.meter.meter_name,
        "aggregation_type": usage.meter.aggregation_type,
        "unit": usage.meter.unit,
        "total_usage": usage.total,
        "event_count": usage.event_count,
        "grouped_data": buckets_shape(usage),
    }


def _date(instant: int | None) -> str | None:
    return None if instant is None else rfc3339(instant)
