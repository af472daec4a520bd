"""What the audit trail looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from fluxrate.core.trail import ACTIONS
from fluxrate.http.parameters import PageArgs, choice_field, text_field
from fluxrate.http.schemas import ACTOR


class AuditArgs(PageArgs):
    """What narrows the list."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")
    timezone = text_field("IANA name of the zone that dates are in; UTC unless said.", example="Europe/Berlin")
    actor = fields.String(
        validate=validate.Length(1, 512),
        metadata={"description": "Who did it, as `actor` says; of a key the name may be left out."},
    )
    action = choice_field("What was done.", ACTIONS, None)


class EntrySchema(Schema):
    """One thing that was done."""

    id = fields.Integer()
    at = fields.DateTime()
    actor = fields.String(metadata={"description": ACTOR})
    action = fields.String(metadata={"enum": list(ACTIONS)})
    target = fields.String(
        allow_none=True, metadata={"example": "meter:api_calls", "description": "What it was done to."}
    )
    address = fields.String(
        allow_none=True, metadata={"description": "The client's network address; null for a command."}
    )
    details = fields.Dict(keys=fields.String(), metadata={"description": "More about the action, never a secret."})
