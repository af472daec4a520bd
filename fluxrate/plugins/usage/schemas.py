"""What usage looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.core.query import LIMIT, MOST_ROWS
from fluxrate.http.parameters import (
    BreakdownArgs,
    CompareArgs,
    CustomerArgs,
    FormatArgs,
    GroupArgs,
    MetadataArgs,
    WholeField,
    WindowArgs,
    flag_field,
    text_field,
)


class FigureArgs(WindowArgs, CustomerArgs, MetadataArgs, BreakdownArgs, CompareArgs, FormatArgs):
    """A figure of a meter, and what may be asked about it."""

    metric = text_field("Any registered metric instead of the meter's own.", example="MAX")


class UsageArgs(FigureArgs, GroupArgs):
    """A meter over time."""

    unique = flag_field("Distinct customers of each bucket.")
    cumulative = flag_field("For each bucket the figure of all events from the window's start to the bucket's end.")


class AggregateArgs(FigureArgs):
    """A meter over a window as one figure."""

    meter_id = fields.String(required=True)


class RankingArgs(WindowArgs, CustomerArgs, MetadataArgs, FormatArgs):
    """The customers of a meter."""

    limit = WholeField(1, MOST_ROWS, load_default=LIMIT)


class CustomerUsageArgs(WindowArgs, GroupArgs):
    """A customer over time."""

    meter_id = fields.List(fields.String(), metadata={"description": "Only these meters."})


class BucketSchema(Schema):
    """One calendar bucket."""

    period = fields.String()
    usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()


class AskedBucketSchema(BucketSchema):
    """One calendar bucket, with `unique_customers` and `cumulative` where they were asked for."""

    unique_customers = fields.Integer()
    cumulative = fields.Decimal(allow_none=True)


class ComparedBucketSchema(AskedBucketSchema):
    """One calendar bucket and, where `compare` asked for it, the earlier one that stands for it."""

    comparison = fields.Nested(
        BucketSchema, allow_none=True, metadata={"description": "Null where the earlier window lacks it."}
    )


class ComparisonSchema(Schema):
    """The same question about an earlier window."""

    period_start = fields.DateTime()
    period_end = fields.DateTime()
    total_usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()
    unique_customers = fields.Integer()
    change = fields.Decimal(
        allow_none=True,
        metadata={"description": "(now - before) / before to six places; null where before is nothing or unknown."},
    )


class AggregateGroupSchema(Schema):
    """One row of a breakdown; `key` is null for the rest beyond the limit."""

    key = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        allow_none=True,
        metadata={"description": "Under `customer` the external id, else the value under the metadata key or null."},
    )
    customer_id = fields.UUID()
    usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()
    unique_customers = fields.Integer()


class GroupSchema(AggregateGroupSchema):
    """One row of a breakdown, bucket by bucket."""

    grouped_data = fields.List(fields.Nested(AskedBucketSchema))


class FigureSchema(Schema):
    """A meter over a window; `comparison` is there when `compare` asked for it."""

    meter_id = fields.UUID()
    total_usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()
    unique_customers = fields.Integer()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    aggregation_type = fields.String()
    metric = fields.String()
    timezone = fields.String()
    as_of = fields.Integer()
    comparison = fields.Nested(ComparisonSchema)


class AggregateSchema(FigureSchema):
    """A meter over a window; `breakdown` is there when it was asked for."""

    breakdown = fields.List(fields.Nested(AggregateGroupSchema))


class UsageSchema(FigureSchema):
    """A meter over a window, bucket by bucket; `breakdown` is there when it was asked for."""

    breakdown = fields.List(fields.Nested(GroupSchema))
    grouped_data = fields.List(fields.Nested(ComparedBucketSchema))


class RankedCustomerSchema(Schema):
    """Which customer it is."""

    id = fields.UUID()
    external_id = fields.String()
    name = fields.String(allow_none=True)


class RankSchema(Schema):
    """One row of a ranking; `share` is a fraction of the whole, null where shares make no sense."""

    rank = fields.Integer()
    customer = fields.Nested(RankedCustomerSchema)
    usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()
    share = fields.Decimal(allow_none=True)


class RankingSchema(Schema):
    """Customers by usage, largest first; `customers` is how many there are in all."""

    meter_id = fields.UUID()
    total_usage = fields.Decimal(allow_none=True)
    customers = fields.Integer()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    aggregation_type = fields.String()
    timezone = fields.String()
    as_of = fields.Integer()
    data = fields.List(fields.Nested(RankSchema))


class StatsSchema(Schema):
    """A meter's life in a few figures."""

    meter_id = fields.UUID()
    total_events = fields.Integer()
    unique_customers = fields.Integer()
    first_event_date = fields.DateTime(allow_none=True)
    last_event_date = fields.DateTime(allow_none=True)
    today_usage = fields.Decimal(allow_none=True)
    this_week_usage = fields.Decimal(allow_none=True)
    this_month_usage = fields.Decimal(allow_none=True)


class CustomerMeterSchema(Schema):
    """One meter of a customer."""

    meter_id = fields.UUID()
    meter_name = fields.String()
    aggregation_type = fields.String()
    unit = fields.String(allow_none=True)
    total_usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()
    grouped_data = fields.List(fields.Nested(BucketSchema))


class CustomerUsageSchema(Schema):
    """A customer over all meters."""

    customer_id = fields.UUID()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    timezone = fields.String()
    as_of = fields.Integer()
    data = fields.List(fields.Nested(CustomerMeterSchema))


class MetricSchema(Schema):
    """A registered metric."""

    name = fields.String()
    label = fields.String()
    plugin = fields.String()
    combines = fields.Boolean()


class MetricListSchema(Schema):
    """The registered metrics."""

    data = fields.List(fields.Nested(MetricSchema))
