"""What usage looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.http.parameters import CustomerArgs, GroupArgs, MetadataArgs, WindowArgs, text_field


class UsageArgs(WindowArgs, CustomerArgs, MetadataArgs, GroupArgs):
    """A meter over time."""

    metric = text_field("Any registered metric instead of the meter's own.", example="MAX")


class AggregateArgs(WindowArgs, CustomerArgs, MetadataArgs):
    """A meter over a window as one figure."""

    meter_id = fields.String(required=True)
    metric = text_field("Any registered metric instead of the meter's own.", example="MAX")


class CustomerUsageArgs(WindowArgs, GroupArgs):
    """A customer over time."""

    meter_id = fields.List(fields.String(), metadata={"description": "Only these meters."})


class BucketSchema(Schema):
    """One calendar bucket."""

    period = fields.String()
    usage = fields.Decimal(allow_none=True)
    event_count = fields.Integer()


class AggregateSchema(Schema):
    """A meter over a window."""

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


class UsageSchema(AggregateSchema):
    """A meter over a window, bucket by bucket."""

    grouped_data = fields.List(fields.Nested(BucketSchema))


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
