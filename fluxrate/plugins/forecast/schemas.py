"""What a forecast looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.core.forecast.methods import METHODS
from fluxrate.core.forecast.reading import GROUPINGS
from fluxrate.http.parameters import (
    CustomerArgs,
    FormatArgs,
    MetadataArgs,
    TimezoneArgs,
    WholeField,
    choice_field,
    text_field,
)

_METHOD = {"enum": [method.name for method in METHODS]}


class ForecastArgs(TimezoneArgs, CustomerArgs, MetadataArgs, FormatArgs):
    """Which usage, and how far ahead."""

    horizon = WholeField(1, max(each.most for each in GROUPINGS.values()))
    group_by = choice_field("The calendar bucket that is forecast.", tuple(GROUPINGS), "day")
    end_date = text_field(
        "History ends here: a date (the whole of it counts), or an instant; now unless said.", example="2025-01-31"
    )


class HistorySchema(Schema):
    """The whole buckets that the forecast is made from."""

    period_start = fields.DateTime()
    period_end = fields.DateTime()
    buckets = fields.Integer()


class TriedSchema(Schema):
    """A method's error in the backtest; null where history never varied."""

    method = fields.String(metadata=_METHOD)
    mase = fields.Decimal(allow_none=True)


class BacktestSchema(Schema):
    """How far off the method was: at so many origins of the past, so many buckets ahead; null without any."""

    mase = fields.Decimal(allow_none=True)
    mae = fields.Decimal(allow_none=True)
    origins = fields.Integer()
    horizon = fields.Integer()
    methods = fields.List(fields.Nested(TriedSchema))


class AheadSchema(Schema):
    """One bucket ahead; the interval is null where too little of the past could be tested."""

    period = fields.String()
    usage = fields.Decimal()
    lower = fields.Decimal(allow_none=True)
    upper = fields.Decimal(allow_none=True)


class ForecastSchema(Schema):
    """What lies ahead of a meter; the totals are null for metrics that do not add up."""

    meter_id = fields.UUID()
    aggregation_type = fields.String()
    group_by = fields.String()
    timezone = fields.String()
    as_of = fields.Integer()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    method = fields.String(metadata=_METHOD)
    season = fields.Integer(allow_none=True)
    interval = fields.Decimal(metadata={"example": 0.8})
    backtest = fields.Nested(BacktestSchema)
    history = fields.Nested(HistorySchema)
    total_usage = fields.Decimal(allow_none=True)
    total_lower = fields.Decimal(allow_none=True)
    total_upper = fields.Decimal(allow_none=True)
    grouped_data = fields.List(fields.Nested(AheadSchema))
