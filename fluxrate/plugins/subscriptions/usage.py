"""What a subscription used in a billing period, and what that costs, on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response
from marshmallow import Schema, fields

from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.revenue import money
from fluxrate.core.revenue.pricing import TierPrice
from fluxrate.core.revenue.usage import Priced
from fluxrate.core.revenue.used import SubscriptionUsage
from fluxrate.http.parameters import FormatArgs, text_field
from fluxrate.http.sheets import Cell, sheet

_TIER = ("above", "up_to", "quantity", "unit_price", "flat_amount", "amount")
_CHARGE = ("plan_id", "name", "meter_id", "meter_name", "unit", "period_start", "period_end", "usage", "amount")


class SubscriptionUsageArgs(FormatArgs):
    """Which billing period."""

    at = text_field("An instant of the billing period that is asked about; now unless said.", example="2025-01-31")
    as_of = text_field(
        "Usage exactly as at this ingest sequence, or at this instant; what arrived later is left out.", example="1024"
    )


class TierPriceSchema(Schema):
    """What one tier has of the usage, and what that costs, unrounded; without tiers the unit price is one."""

    above = fields.Decimal()
    up_to = fields.Decimal(allow_none=True)
    quantity = fields.Decimal()
    unit_price = fields.Decimal()
    flat_amount = fields.Decimal()
    amount = fields.Decimal()


class ChargeUsageSchema(Schema):
    """A USAGE charge: the usage that it bills, and its amount, rounded once."""

    plan_id = fields.UUID()
    name = fields.String()
    meter_id = fields.UUID()
    meter_name = fields.String()
    unit = fields.String(allow_none=True)
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    usage = fields.Decimal(allow_none=True)
    amount = fields.Decimal()
    tiers = fields.List(fields.Nested(TierPriceSchema))


class SubscriptionUsageSchema(Schema):
    """A billing period; of one that is `running` the usage until now."""

    subscription_id = fields.UUID()
    currency = fields.String()
    period_start = fields.DateTime()
    period_end = fields.DateTime()
    running = fields.Boolean()
    total = fields.Decimal()
    charges = fields.List(fields.Nested(ChargeUsageSchema))
    as_of = fields.Integer()


def usage_shape(found: SubscriptionUsage) -> dict[str, Any]:
    """A billing period, charge by charge."""
    currency = found.subscription.currency
    return {
        "subscription_id": found.subscription.id,
        "currency": currency,
        **_period(found.start, found.end),
        "running": found.until < found.end,
        "total": money.amount(found.total, currency),
        "charges": [_charge(one, currency) for one in found.charges],
        "as_of": found.as_of,
    }


def usage_table(found: SubscriptionUsage) -> Response:
    """A row for each tier of each charge, or one for a charge without usage; the charge's figures stand in each."""
    currency = found.subscription.currency
    shapes = [_charge(one, currency) for one in found.charges]
    rows: Iterator[list[Cell]] = (
        [currency, *(shape[name] for name in _CHARGE), *(tier[name] for name in _TIER)]
        for shape in shapes
        for tier in shape["tiers"] or [dict.fromkeys(_TIER)]
    )
    name = f"subscription-usage-{rfc3339(found.start)[:10]}"
    return sheet(name, ["currency", *_CHARGE, *(f"tier_{name}" for name in _TIER)], rows, as_of=found.as_of)


def _charge(one: Priced, currency: str) -> dict[str, Any]:
    return {
        "plan_id": one.plan.id,
        "name": one.charge.name,
        "meter_id": one.meter.id,
        "meter_name": one.meter.meter_name,
        "unit": one.meter.unit,
        **_period(one.start, one.end),
        "usage": one.usage,
        "amount": money.amount(one.amount, currency),
        "tiers": [_tier(tier, currency) for tier in one.tiers],
    }


def _tier(tier: TierPrice, currency: str) -> dict[str, Any]:
    flat = money.amount(tier.flat_amount, currency)
    figures = (tier.above, tier.up_to, tier.quantity, tier.unit_price, flat, tier.amount)
    return dict(zip(_TIER, figures, strict=True))


def _period(start: int, end: int) -> dict[str, str]:
    window = Window(start, end, "UTC")
    return {"period_start": window.period_start, "period_end": window.period_end}
