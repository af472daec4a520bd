"""What a plan looks like on the wire."""

from __future__ import annotations

from typing import Any

import msgspec
from marshmallow import Schema, fields, validate

from fluxrate.core.calendar import rfc3339
from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import (
    CHARGE_STATUSES,
    CHARGE_TYPES,
    INTERVALS,
    PLAN_TYPES,
    TIER_MODES,
    Charge,
    Plan,
)
from fluxrate.http.money import DecimalField
from fluxrate.http.parameters import TableArgs
from fluxrate.http.sheets import Cell

_COUNT = validate.Range(1, 1_000)
_MOST_CHARGES = _MOST_TIERS = 100
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class TierSchema(Schema):
    """A tier of usage; the last one has no `up_to`."""

    up_to = DecimalField("Usage up to and with this; null in the last tier.", load_default=None, allow_none=True)
    unit_price = DecimalField("The price of one unit.", required=True)
    flat_amount = DecimalField("Once, when the tier is reached.", load_default=None, allow_none=True)


class ChargeSchema(Schema):
    """A FIXED amount each interval, or USAGE of a meter by unit_price or tiers."""

    charge_type = fields.String(required=True, metadata={"enum": list(CHARGE_TYPES)})
    name = fields.String(allow_none=True)
    status = fields.String(metadata={"enum": list(CHARGE_STATUSES), "default": "ACTIVE"})
    amount = DecimalField("Of a FIXED charge.", allow_none=True)
    meter_id = fields.String(allow_none=True, metadata={"description": "Of a USAGE charge: id or meter_name."})
    unit_price = DecimalField("Of a USAGE charge without tiers.", allow_none=True)
    tier_mode = fields.String(allow_none=True, metadata={"enum": [*TIER_MODES, None]})
    tiers = fields.List(fields.Nested(TierSchema), validate=validate.Length(0, _MOST_TIERS))


class PlanChangeSchema(Schema):
    """What may be changed of a plan; what figures are made of only while no subscription was ever on it."""

    name = fields.String()
    plan_type = fields.String(metadata={"enum": list(PLAN_TYPES)})
    billing_interval = fields.String(metadata={"enum": list(INTERVALS)})
    interval_count = fields.Integer(strict=True, validate=_COUNT)
    currency = fields.String(metadata={"example": "USD", "description": "A code of ISO 4217."})
    trial_days = fields.Integer(strict=True, validate=validate.Range(0, 3_660))
    charges = fields.List(fields.Nested(ChargeSchema), validate=validate.Length(0, _MOST_CHARGES))


class PlanPutSchema(PlanChangeSchema):
    """A plan as the biller has it; what is not sent stays, or has its default where it is new: each month, no trial, no
    charges.
    """

    name = fields.String(required=True)
    plan_type = fields.String(required=True, metadata={"enum": list(PLAN_TYPES)})
    currency = fields.String(required=True, metadata={"example": "USD", "description": "A code of ISO 4217."})


class PlanCreateSchema(PlanPutSchema):
    """What makes a plan."""

    external_id = fields.String(load_default=None, allow_none=True, metadata={"description": "The biller's own id."})
    billing_interval = fields.String(load_default="month", metadata={"enum": list(INTERVALS)})
    charges = fields.List(fields.Nested(ChargeSchema), load_default=list, validate=validate.Length(0, _MOST_CHARGES))


class PlanListArgs(TableArgs):
    """Which plans."""

    plan_type = fields.String(metadata={"enum": list(PLAN_TYPES)})
    currency = fields.String(metadata={"example": "USD", "description": "Only this currency."})


class TierOutSchema(Schema):
    """A tier of usage."""

    up_to = fields.Decimal(allow_none=True)
    unit_price = fields.Decimal()
    flat_amount = fields.Decimal()


class ChargeOutSchema(Schema):
    """A charge; `amount` of a FIXED one, the other fields of one for USAGE."""

    charge_type = fields.String()
    name = fields.String()
    status = fields.String()
    amount = fields.Decimal(allow_none=True)
    meter_id = fields.UUID(allow_none=True)
    unit_price = fields.Decimal(allow_none=True)
    tier_mode = fields.String(allow_none=True)
    tiers = fields.List(fields.Nested(TierOutSchema))


class PlanSchema(Schema):
    """A plan."""

    id = fields.UUID()
    external_id = fields.String(allow_none=True)
    name = fields.String()
    plan_type = fields.String()
    billing_interval = fields.String()
    interval_count = fields.Integer()
    currency = fields.String()
    trial_days = fields.Integer()
    charges = fields.List(fields.Nested(ChargeOutSchema))
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


COLUMNS = tuple(PlanSchema().fields)


def plan_row(plan: Plan) -> list[Cell]:
    """A plan of a table; the charges are one cell of JSON."""
    shape = plan_shape(plan)
    charges = _ENCODER.encode(shape["charges"]).decode()
    return [charges if name == "charges" else shape[name] for name in COLUMNS]


def plan_shape(plan: Plan) -> dict[str, Any]:
    """A plan."""
    return {
        "id": plan.id,
        "external_id": plan.external_id,
        "name": plan.name,
        "plan_type": plan.plan_type,
        "billing_interval": plan.billing_interval,
        "interval_count": plan.interval_count,
        "currency": plan.currency,
        "trial_days": plan.trial_days,
        "charges": [_charge(charge, plan.currency) for charge in plan.charges],
        "created_at": rfc3339(plan.created_at),
        "updated_at": rfc3339(plan.updated_at),
    }


def _charge(charge: Charge, currency: str) -> dict[str, Any]:
    tiers = [
        {"up_to": tier.up_to, "unit_price": tier.unit_price, "flat_amount": money.amount(tier.flat_amount, currency)}
        for tier in charge.tiers
    ]
    return {
        "charge_type": charge.charge_type,
        "name": charge.name,
        "status": charge.status,
        "amount": None if charge.amount is None else money.amount(charge.amount, currency),
        "meter_id": charge.meter_id,
        "unit_price": charge.unit_price,
        "tier_mode": charge.tier_mode,
        "tiers": tiers,
    }
