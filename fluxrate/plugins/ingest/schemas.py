"""What an event to be sent looks like in the API reference, and the answer to a batch."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fluxrate.core.ingest import REASON_LENGTH

_TEXT = {"type": ["string", "null"], "maxLength": 255}

EVENT: dict[str, Any] = {
    "type": "object",
    "description": (
        "An event names its meter by meter_token, meter_id or meter_name, and its customer by customer_external_id or "
        "customer_id. Its value is quantity, or, with properties, the property that the meter's property_name names."
    ),
    "additionalProperties": False,
    "properties": {
        "meter_token": _TEXT,
        "meter_id": _TEXT,
        "meter_name": _TEXT,
        "customer_external_id": _TEXT,
        "customer_id": _TEXT,
        "quantity": {
            "type": ["string", "number", "null"],
            "description": "A text is taken exactly; a number is rounded half-even to the meter's places.",
            "examples": ["1.5"],
        },
        "properties": {"type": ["object", "null"], "description": "Instead of quantity and metadata."},
        "timestamp": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it happened; now unless said.",
        },
        "idempotency_key": {**_TEXT, "description": "The same key counts once per meter, for ever."},
        "metadata": {"type": ["object", "null"], "maxProperties": 64},
    },
}
EVENT_BODY = {"required": True, "content": {"application/json": {"schema": EVENT}}}
BATCH_BODY = {"required": True, "content": {"application/json": {"schema": {"type": "array", "items": EVENT}}}}


class BatchArgs(Schema):
    """How a batch is taken."""

    atomic = fields.Boolean(load_default=False, metadata={"description": "All or nothing."})
    results = fields.String(
        load_default="all",
        validate=validate.OneOf(("all", "errors")),
        metadata={"description": "Which items the answer lists."},
    )


class VoidArgs(Schema):
    """Why an event is to count no more."""

    reason = fields.String(
        required=True,
        metadata={"minLength": 1, "maxLength": REASON_LENGTH, "example": "sent twice under two keys"},
    )


class ResultSchema(Schema):
    """What became of one event."""

    index = fields.Integer()
    status = fields.String(metadata={"enum": ["accepted", "duplicate", "rejected"]})
    id = fields.UUID()
    conflict = fields.Boolean()
    detail = fields.String()


class BatchSchema(Schema):
    """What became of a batch."""

    accepted = fields.Integer()
    duplicates = fields.Integer()
    rejected = fields.Integer()
    results = fields.List(fields.Nested(ResultSchema))
