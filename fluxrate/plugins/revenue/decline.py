"""Usage decline as the API writes it: customers who use less, over all meters and currencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response
from marshmallow import Schema, fields

from fluxrate.core.decline import RULE, Declines, Fallen
from fluxrate.core.revenue import money
from fluxrate.http.sheets import Cell, sheet

_FALLEN = (
    "meter_id",
    "meter_name",
    "unit",
    "customer_id",
    "customer_external_id",
    "usage",
    "event_count",
    "baseline",
    "baseline_usage",
    "baseline_event_count",
    "change",
)

Carries = Mapping[str, Mapping[int, int]]
"""By currency what each customer carries, by its key."""


class CarriesSchema(Schema):
    """MRR in one currency."""

    currency = fields.String()
    mrr = fields.Decimal()


class FallenSchema(Schema):
    """A customer whose usage of a meter fell; `change` is (usage - baseline) / baseline, `mrr` what they carry now."""

    meter_id = fields.UUID()
    meter_name = fields.String()
    unit = fields.String(allow_none=True)
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    usage = fields.Decimal()
    event_count = fields.Integer()
    baseline = fields.Decimal()
    baseline_usage = fields.Decimal(metadata={"description": "All the usage that the baseline is an eighth of."})
    baseline_event_count = fields.Integer()
    change = fields.Decimal()
    mrr = fields.List(fields.Nested(CarriesSchema))


class DeclineSchema(Schema):
    """Usage decline; `count` is how many there are, also beyond the limit."""

    data = fields.List(fields.Nested(FallenSchema))
    count = fields.Integer()
    rule = fields.String()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    baseline_start = fields.DateTime()
    timezone = fields.String()
    as_of = fields.Integer()


def decline_shape(found: Declines, carries: Carries) -> dict[str, Any]:
    """Usage decline."""
    return {
        "data": [_fallen(item) | {"mrr": _mrr(item.customer.pk, carries)} for item in found.items],
        "count": found.count,
        "rule": RULE,
        "period_start": found.recent.period_start,
        "period_end": found.recent.period_end,
        "baseline_start": found.before.period_start,
        "timezone": found.recent.zone,
        "as_of": found.as_of,
    }


def decline_table(found: Declines) -> Response:
    """A row for each customer and meter."""
    rows: Iterator[list[Cell]] = ([*_fallen(item).values()] for item in found.items)
    return sheet(f"usage-decline-{found.recent.period_end[:10]}", [*_FALLEN], rows)


def _fallen(item: Fallen) -> dict[str, Any]:
    meter, customer = item.meter, item.customer
    figures: Sequence[Any] = (item.usage, item.events, item.baseline, item.before, item.events_before, item.change)
    names = (meter.id, meter.meter_name, meter.unit, customer.id, customer.external_id)
    return dict(zip(_FALLEN, (*names, *figures), strict=True))


def _mrr(customer: int, carries: Carries) -> list[dict[str, Any]]:
    return [
        {"currency": code, "mrr": money.amount(of[customer], code)} for code, of in carries.items() if customer in of
    ]
