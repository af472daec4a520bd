"""What revenue figures look like on the wire. Amounts are JSON numbers with all the places of their currency."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.core import calendar
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.http.parameters import FormatArgs, TimezoneArgs, WholeField, choice_field, text_field

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


class ChangesArgs(RevenueArgs):
    """Which changes."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")
    kind = choice_field("Only the changes of this movement.", MOVEMENTS, None)
    limit = WholeField(1, MOST_ITEMS, load_default=1_000)


class CarriedArgs(RevenueArgs):
    """At the end of which day or at which instant."""

    end_date = text_field("A date (its end), or an instant; now unless said.", example="2025-01-31")
    limit = WholeField(1, MOST_ITEMS, load_default=1_000)


class DeclineArgs(FormatArgs, TimezoneArgs):
    """Whose usage fell, and by when."""

    end_date = text_field(
        "The last whole day that counts, or an instant after it; now unless said.", example="2025-01-31"
    )
    meter_id = text_field(
        "Only this meter, by id, meter_name or meter_token; every active one that adds up unless said."
    )
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
    opening_active_subscriptions = fields.Integer()
    opening_arpa = fields.Decimal(allow_none=True)
    lost_subscriptions = fields.Integer(metadata={"description": "Active at the window's start and not at its end."})
    retained_mrr = fields.Decimal(metadata={"description": "Of the opening MRR's subscriptions, at the window's end."})
    churn_rate = fields.Decimal(allow_none=True)
    net_revenue_retention = fields.Decimal(allow_none=True)
    grouped_data = fields.List(fields.Nested(PointSchema))


class MrrSchema(Schema):
    """MRR of each currency over a window."""

    data = fields.List(fields.Nested(CurrencyMrrSchema))
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    timezone = fields.String()


class ChangeSchema(Schema):
    """What one change of a subscription did to its MRR: `amount` is `mrr` less `mrr_before`."""

    subscription_id = fields.UUID()
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    at = fields.DateTime()
    kind = fields.String()
    mrr_before = fields.Decimal()
    mrr = fields.Decimal()
    amount = fields.Decimal()


class CurrencyChangesSchema(Schema):
    """One currency; `amount` and `count` are over all changes, also those beyond the limit."""

    currency = fields.String()
    amount = fields.Decimal()
    count = fields.Integer()
    items = fields.List(fields.Nested(ChangeSchema))


class ChangesSchema(Schema):
    """The changes that the movements of a window are made of."""

    data = fields.List(fields.Nested(CurrencyChangesSchema))
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    timezone = fields.String()


class CarrierSchema(Schema):
    """An active subscription, and what it carries since when."""

    subscription_id = fields.UUID()
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    mrr = fields.Decimal()
    since = fields.DateTime()


class CurrencyCarriedSchema(Schema):
    """One currency; the sums are over all subscriptions, also those beyond the limit."""

    currency = fields.String()
    mrr = fields.Decimal()
    active_subscriptions = fields.Integer()
    items = fields.List(fields.Nested(CarrierSchema))


class CarriedSchema(Schema):
    """The subscriptions that MRR is made of at an instant."""

    data = fields.List(fields.Nested(CurrencyCarriedSchema))
    period_end = fields.DateTime()
    timezone = fields.String()


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
