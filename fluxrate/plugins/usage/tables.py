"""Answers about usage as tables: a row for each bucket, for each row of a breakdown, or for each of both.

Dimensions stand under the names that they were asked by, so that no key of the sender takes the name of a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import Response

from fluxrate.core.answers import Bucket, Group, Ranking, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Customer
from fluxrate.core.query import CUSTOMER, Query
from fluxrate.http.sheets import Cell, sheet
from fluxrate.plugins.usage.shapes import Answered, aggregate_shape, comparison_shape, share_of

OTHER = "other"
"""The rank of the row that holds what is beyond the limit."""


def usage_table(answered: Answered) -> Response:
    """A row for each bucket; with a breakdown, for each bucket of each of its rows."""
    query, usage = answered.query, answered.usage
    extras = _extras(query)
    columns = ["period", "usage", "event_count", *extras]
    if usage.breakdown is not None:
        ranked = _ranked(usage.breakdown, query)
        rows = ([*cells, *_bucket(bucket, extras)] for cells, group in ranked for bucket in group.buckets)
        return _named(usage, "usage", [*_dimensions(query), *columns], rows)
    if answered.comparison is None:
        return _named(usage, "usage", columns, (_bucket(bucket, extras) for bucket in usage.buckets))
    compared = zip(usage.buckets, answered.comparison.buckets, strict=True)
    columns += [f"comparison_{name}" for name in ("period", "usage", "event_count")]
    return _named(usage, "usage", columns, ([*_bucket(now, extras), *_past(past)] for now, past in compared))


def aggregate_table(answered: Answered) -> Response:
    """One row; with a breakdown, one for each of its rows."""
    query, usage = answered.query, answered.usage
    if usage.breakdown is not None:
        columns = [*_dimensions(query), "usage", "event_count", "unique_customers"]
        ranked = _ranked(usage.breakdown, query)
        rows = ([*cells, group.usage, group.event_count, group.unique_customers] for cells, group in ranked)
        return _named(usage, "usage", columns, rows)
    figures = aggregate_shape(answered)
    if answered.comparison is not None:
        del figures["comparison"]
        figures |= {f"comparison_{name}": value for name, value in comparison_shape(answered.comparison).items()}
    return _named(usage, "usage", list(figures), iter([list(figures.values())]))


def ranking_table(ranking: Ranking) -> Response:
    """A row for each customer."""
    columns = ["rank", "customer_id", "customer_external_id", "customer_name", "usage", "event_count", "share"]
    rows = ([row.rank, *_customer(row.customer), row.usage, row.event_count, share_of(row)] for row in ranking.rows)
    return _named(ranking, "customers", columns, rows)


def _customer(customer: Customer) -> list[Cell]:
    return [customer.id, customer.external_id, customer.name]


def _named(answer: Usage | Ranking, what: str, columns: Sequence[str], rows: Iterator[list[Cell]]) -> Response:
    name = f"{answer.meter.meter_name}-{what}-{_dates(answer.window)}"
    return sheet(name, columns, rows, as_of=answer.as_of)


def _dates(window: Window) -> str:
    return f"{window.period_start[:10]}-to-{window.period_end[:10]}"


def _extras(query: Query) -> list[str]:
    asked = {"unique_customers": query.unique, "cumulative": query.cumulative}
    return [name for name, wanted in asked.items() if wanted]


def _bucket(bucket: Bucket, extras: Sequence[str]) -> list[Cell]:
    return [bucket.label, bucket.usage, bucket.event_count, *(getattr(bucket, name) for name in extras)]


def _past(bucket: Bucket | None) -> list[Cell]:
    return [None] * 3 if bucket is None else _bucket(bucket, ())


def _dimensions(query: Query) -> list[str]:
    ids = ["customer_id"] if CUSTOMER in query.breakdown else []
    return ["rank", *query.breakdown, *ids]


def _ranked(groups: Sequence[Group], query: Query) -> Iterator[tuple[list[Cell], Group]]:
    """Each row of a breakdown with the cells that say which it is."""
    for rank, group in enumerate(groups, 1):
        values: list[Cell] = [None] * len(query.breakdown) if group.key is None else [value for _, value in group.key]
        ids: list[Cell] = [group.customer_id] if CUSTOMER in query.breakdown else []
        yield [OTHER if group.key is None else rank, *values, *ids], group
