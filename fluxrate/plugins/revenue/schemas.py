"""What revenue figures look like on the wire. Amounts are JSON numbers with all the places of their currency."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.core import calendar
from fluxrate.http.parameters import FormatArgs, WholeField, choice_field, text_field

MOST_ITEMS = 10_000


class RevenueArgs(FormatArgs):
    """What every revenue figure takes."""

    timezone = text_field("IANA name of the zone that dates and buckets are in; UTC unless said.")
    currency = text_field("Only this currency; all of them unless said, never added together.", example="USD")


class MrrArgs(RevenueArgs):
    """The window of an MRR series."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")
    group_by = choice_field("A point at the end of each of these.", calendar.GROUPS, "day")


class AtRiskArgs(RevenueArgs):
    """Which unpaid invoices."""

    start_date = text_field("Only invoices that fall due on this date or later.", example="2025-01-01")
    end_date = text_field("Only invoices that fall due on this date or before.", example="2025-01-31")
    limit = WholeField(1, MOST_ITEMS, load_default=1_000)


class UsageRevenueArgs(MrrArgs):
    """The window in which billing periods ended."""


class RevenueForecastArgs(RevenueArgs):
    """Which billing periods."""

    start_date = text_field("Only billing periods that end on this date or later.", example="2025-01-01")
    end_date = text_field("Only billing periods that end on this date or before.", example="2025-01-31")


class PointSchema(Schema):
    """MRR at the end of a bucket, and what moved it within: the five add up to its change."""

    period = fields.String()
    mrr = fields.Decimal()
    new = fields.Decimal()
    expansion = fields.Decimal()
    contraction = fields.Decimal(metadata={"description": "Negative, or 0."})
    churn = fields.Decimal(metadata={"description": "Negative, or 0."})
    reactivation = fields.Decimal()
    active_subscriptions = fields.Integer()


class CurrencyMrrSchema(Schema):
    """One currency; the figures beside the series are those at its end, the rates those of the whole window."""

    currency = fields.String()
    mrr = fields.Decimal()
    arr = fields.Decimal()
    active_subscriptions = fields.Integer()
    active_customers = fields.Integer()
    arpa = fields.Decimal(allow_none=True)
    opening_mrr = fields.Decimal()
    churn_rate = fields.Decimal(allow_none=True)
    net_revenue_retention = fields.Decimal(allow_none=True)
    grouped_data = fields.List(fields.Nested(PointSchema))


class MrrSchema(Schema):
    """MRR of each currency over a window."""

    data = fields.List(fields.Nested(CurrencyMrrSchema))
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    timezone = fields.String()


class AgeSchema(Schema):
    """Invoices that are so many days past due, both days within; null is without end."""

    from_days = fields.Integer(allow_none=True)
    to_days = fields.Integer(allow_none=True)
    amount_due = fields.Decimal()
    invoices = fields.Integer()


class ItemSchema(Schema):
    """An unpaid invoice; `amount_due` is what is still to be paid, `mrr` that of its subscription now."""

    subscription_id = fields.UUID()
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    invoice_id = fields.UUID()
    amount_due = fields.Decimal()
    due_date = fields.Date()
    days_past_due = fields.Integer()
    mrr = fields.Decimal()


class CurrencyAtRiskSchema(Schema):
    """One currency."""

    currency = fields.String()
    amount_due = fields.Decimal()
    invoices = fields.Integer()
    subscriptions = fields.Integer()
    mrr = fields.Decimal()
    uncollectible = fields.Decimal()
    buckets = fields.List(fields.Nested(AgeSchema))
    items = fields.List(fields.Nested(ItemSchema))


class AtRiskSchema(Schema):
    """What is at risk in each currency."""

    data = fields.List(fields.Nested(CurrencyAtRiskSchema))
    timezone = fields.String()


class UsageBucketSchema(Schema):
    """The billing periods that ended in a bucket, and what their usage cost."""

    period = fields.String()
    usage_revenue = fields.Decimal()
    billing_periods = fields.Integer()


class CurrencyUsageSchema(Schema):
    """One currency."""

    currency = fields.String()
    usage_revenue = fields.Decimal()
    grouped_data = fields.List(fields.Nested(UsageBucketSchema))


class UsageRevenueSchema(Schema):
    """Usage revenue of each currency over a window."""

    data = fields.List(fields.Nested(CurrencyUsageSchema))
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    timezone = fields.String()
    as_of = fields.Integer()


class ExpectedSchema(Schema):
    """What billing periods come to: `total` is `fixed` and `usage`, `certain` is `fixed` and what usage has cost so
    far; `certain_share` is its part of the total, null where that is nothing.
    """

    subscriptions = fields.Integer()
    fixed = fields.Decimal()
    usage = fields.Decimal()
    total = fields.Decimal()
    certain = fields.Decimal()
    certain_share = fields.Decimal(allow_none=True)


class CurrencyForecastSchema(Schema):
    """One currency: its subscriptions' current billing periods, and their next ones."""

    currency = fields.String()
    mrr = fields.Decimal()
    current = fields.Nested(ExpectedSchema)
    next = fields.Nested(ExpectedSchema)


class RevenueForecastSchema(Schema):
    """What lies ahead in each currency."""

    data = fields.List(fields.Nested(CurrencyForecastSchema))
    timezone = fields.String()
    as_of = fields.Integer()
