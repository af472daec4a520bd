"""What an event to be sent looks like in the API reference, and the answer to a batch."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from fluxrate.core.drafts import METADATA_KEYS
from fluxrate.core.ingest import REASON_LENGTH
from fluxrate.http.bodies import JSON
from fluxrate.plugins.ingest.forms import ATTRIBUTE, CLOUDEVENT, CLOUDEVENTS, NDJSON

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
        "properties": {
            "type": ["object", "null"],
            "maxProperties": METADATA_KEYS + 1,
            "description": "Instead of quantity and metadata.",
        },
        "timestamp": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it happened; now unless said.",
        },
        "idempotency_key": {**_TEXT, "description": "The same key counts once per meter, for ever."},
        "metadata": {"type": ["object", "null"], "maxProperties": METADATA_KEYS},
    },
}
EVENT_BODY = {"required": True, "content": {JSON: {"schema": EVENT}}}
CLOUD_EVENT: dict[str, Any] = {
    "type": "object",
    "description": (
        "A CloudEvent 1.0: type is the meter_name, subject the customer's external id, time the timestamp, data the "
        "properties, and source with id the idempotency key. Extension attributes are taken and not kept."
    ),
    "required": ["specversion", "id", "source", "type", "subject"],
    "propertyNames": {"pattern": "^([a-z0-9]+|data_base64)$"},
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"type": "string", "minLength": 1},
        "subject": {"type": "string", "minLength": 1, "maxLength": 255},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "datacontenttype": {"type": ["string", "null"], "examples": ["application/json"]},
        "dataschema": {"type": ["string", "null"]},
        "data": {"type": ["object", "null"], "maxProperties": METADATA_KEYS + 1},
        "data_base64": {"type": "null"},
    },
}
_LINES = {"type": "string", "description": "NDJSON: one event as JSON a line; blank lines are passed over."}
BATCH_BODY = {
    "required": True,
    "content": {
        JSON: {"schema": {"type": "array", "items": EVENT}},
        **{name: {"schema": _LINES} for name in NDJSON},
        CLOUDEVENT: {"schema": CLOUD_EVENT},
        CLOUDEVENTS: {"schema": {"type": "array", "items": CLOUD_EVENT}},
    },
}
ATTRIBUTES = [
    {
        "in": "header",
        "name": f"{ATTRIBUTE}{name}",
        "required": False,
        "schema": {"type": "string"},
        "description": "An attribute of a CloudEvent in binary mode, whose data alone is the body (application/json).",
    }
    for name in ("specversion", "id", "source", "type", "subject", "time")
]


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
