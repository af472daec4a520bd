"""What an API key looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from fluxrate.core.model import SCOPES


class KeyCreateSchema(Schema):
    """What makes a key."""

    name = fields.String(required=True, validate=validate.Length(1, 255))
    scopes = fields.List(fields.String(metadata={"enum": list(SCOPES)}), required=True, validate=validate.Length(1))


class KeyChangeSchema(Schema):
    """What may be changed of a key."""

    name = fields.String(validate=validate.Length(1, 255))
    scopes = fields.List(fields.String(metadata={"enum": list(SCOPES)}), validate=validate.Length(1))


class KeySchema(Schema):
    """A key without its secret."""

    id = fields.UUID()
    name = fields.String()
    prefix = fields.String(metadata={"description": "The public start of the key, by which people know it."})
    scopes = fields.List(fields.String())
    created_at = fields.DateTime()
    last_used_at = fields.DateTime(allow_none=True)
    revoked_at = fields.DateTime(allow_none=True)


class NewKeySchema(KeySchema):
    """A key at its creation, the one time its secret is shown."""

    key = fields.String(metadata={"example": "sk_live_..."})
