"""Answers about usage as JSON: the documented keys, and of the rest what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fluxrate.core.answers import Bucket, Comparison, Group, Rank, Ranking, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Number
from fluxrate.core.query import Query


@dataclass(frozen=True, slots=True)
class Answered:
    """A question about one meter with its answer, and what that is compared with if it was asked for."""

    query: Query
    usage: Usage
    comparison: Comparison | None


def aggregate_shape(answered: Answered) -> dict[str, Any]:
    """The figures of the whole window."""
    usage, comparison = answered.usage, answered.comparison
    shape: dict[str, Any] = {
        "meter_id": usage.meter.id,
        "total_usage": usage.total,
        "event_count": usage.event_count,
        "unique_customers": usage.unique_customers,
        **period_shape(usage.window),
        "aggregation_type": usage.meter.aggregation_type,
        "metric": usage.metric,
        "timezone": usage.window.zone,
        "as_of": usage.as_of,
    }
    if comparison is not None:
        shape["comparison"] = comparison_shape(comparison)
    if usage.breakdown is not None:
        shape["breakdown"] = [_group_shape(group, answered.query) for group in usage.breakdown]
    return shape


def usage_shape(answered: Answered) -> dict[str, Any]:
    """The figures of the whole window and of its buckets."""
    buckets = buckets_shape(answered.usage.buckets, answered.query)
    if answered.comparison is not None:
        for row, past in zip(buckets, answered.comparison.buckets, strict=True):
            row["comparison"] = None if past is None else _plain(past)
    return aggregate_shape(answered) | {"grouped_data": buckets}


def comparison_shape(comparison: Comparison) -> dict[str, Any]:
    """The figures of the earlier window."""
    return {
        **period_shape(comparison.window),
        "total_usage": comparison.total,
        "event_count": comparison.event_count,
        "unique_customers": comparison.unique_customers,
        "change": comparison.change,
    }


def ranking_shape(ranking: Ranking) -> dict[str, Any]:
    """Customers by usage."""
    return {
        "meter_id": ranking.meter.id,
        "total_usage": ranking.total,
        "customers": ranking.customers,
        **period_shape(ranking.window),
        "aggregation_type": ranking.meter.aggregation_type,
        "timezone": ranking.window.zone,
        "as_of": ranking.as_of,
        "data": [_rank_shape(row) for row in ranking.rows],
    }


def buckets_shape(buckets: Sequence[Bucket], query: Query) -> list[dict[str, Any]]:
    """Calendar buckets, with what was asked for of each."""
    # Of 50,000 buckets at most; a call for each would take as long as the rest.
    rows: list[dict[str, Any]] = [
        {"period": bucket.label, "usage": bucket.usage, "event_count": bucket.event_count} for bucket in buckets
    ]
    if query.unique:
        for row, bucket in zip(rows, buckets, strict=True):
            row["unique_customers"] = bucket.unique_customers
    if query.cumulative:
        for row, bucket in zip(rows, buckets, strict=True):
            row["cumulative"] = bucket.cumulative
    return rows


def period_shape(window: Window) -> dict[str, str]:
    """The window as it is told back."""
    return {"period_start": window.period_start, "period_end": window.period_end}


def share_of(row: Rank) -> Number | None:
    """The share without zeros at its end; it has six places, so that this rounds nothing."""
    return None if row.share is None else row.share.normalize()


def _plain(bucket: Bucket) -> dict[str, Any]:
    return {"period": bucket.label, "usage": bucket.usage, "event_count": bucket.event_count}


def _group_shape(group: Group, query: Query) -> dict[str, Any]:
    shape: dict[str, Any] = {"key": _key_shape(group.key)}
    if group.customer_id is not None:
        shape["customer_id"] = group.customer_id
    shape |= {
        "usage": group.usage,
        "event_count": group.event_count,
        "unique_customers": group.unique_customers,
    }
    if query.group_by is not None:
        shape["grouped_data"] = buckets_shape(group.buckets, query)
    return shape


def _key_shape(key: tuple[tuple[str, str | None], ...] | None) -> Mapping[str, str | None] | None:
    return None if key is None else dict(key)


def _rank_shape(row: Rank) -> dict[str, Any]:
    customer = row.customer
    return {
        "rank": row.rank,
        "customer": {"id": customer.id, "external_id": customer.external_id, "name": customer.name},
        "usage": row.usage,
        "event_count": row.event_count,
        "share": share_of(row),
    }
