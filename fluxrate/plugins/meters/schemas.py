"""What a meter looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from fluxrate.core.model import METER_STATUSES
from fluxrate.http.parameters import PageArgs


class MeterFilterSchema(Schema):
    """Only events whose metadata has one of the values under the key count."""

    key = fields.String(required=True, validate=validate.Length(1, 255))
    values = fields.List(
        fields.String(validate=validate.Length(0, 255)), required=True, validate=validate.Length(1, 100)
    )


class MeterCreateSchema(Schema):
    """What makes a meter."""

    meter_name = fields.String(
        required=True, metadata={"example": "api_calls", "pattern": "^[a-z0-9][a-z0-9_.-]{0,62}$"}
    )
    name = fields.String(load_default=None, allow_none=True, metadata={"description": "Shown to people."})
    aggregation_type = fields.String(
        required=True, metadata={"example": "SUM", "description": "Any registered metric."}
    )
    property_name = fields.String(load_default=None, allow_none=True)
    unit = fields.String(load_default=None, allow_none=True)
    decimals = fields.Integer(load_default=6, strict=True, validate=validate.Range(0, 18))
    filters = fields.List(fields.Nested(MeterFilterSchema), load_default=list, validate=validate.Length(0, 5))


class MeterChangeSchema(Schema):
    """What may be changed of a meter; what its figures are made of only while it has no events."""

    name = fields.String()
    unit = fields.String(allow_none=True)
    status = fields.String(metadata={"enum": list(METER_STATUSES)})
    aggregation_type = fields.String()
    property_name = fields.String(allow_none=True)
    decimals = fields.Integer(strict=True, validate=validate.Range(0, 18))
    filters = fields.List(fields.Nested(MeterFilterSchema), validate=validate.Length(0, 5))


class MeterSchema(Schema):
    """A meter."""

    id = fields.UUID()
    name = fields.String()
    meter_name = fields.String()
    meter_token = fields.UUID()
    aggregation_type = fields.String()
    property_name = fields.String(allow_none=True)
    unit = fields.String(allow_none=True)
    decimals = fields.Integer()
    filters = fields.List(fields.Nested(MeterFilterSchema))
    status = fields.String(metadata={"enum": list(METER_STATUSES)})
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class FeatureCreateSchema(MeterCreateSchema):
    """What makes a feature; there are no others than meters."""

    type = fields.String(required=True, validate=validate.Equal("meter", error="is meter."))


class FeatureSchema(MeterSchema):
    """A meter as a feature."""

    type = fields.String(metadata={"enum": ["meter"]})


class MeterListArgs(PageArgs):
    """Which meters."""

    status = fields.String(metadata={"enum": list(METER_STATUSES), "description": "Only meters of this status."})
