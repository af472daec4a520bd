"""What a customer looks like on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from fluxrate.http.parameters import PageArgs


class CustomerCreateSchema(Schema):
    """What makes a customer."""

    external_id = fields.String(required=True, metadata={"description": "The sender's own id, the join key."})
    name = fields.String(load_default=None, allow_none=True)
    email = fields.String(load_default=None, allow_none=True)


class CustomerChangeSchema(Schema):
    """What may be changed of a customer."""

    name = fields.String(allow_none=True)
    email = fields.String(allow_none=True)


class CustomerSchema(Schema):
    """A customer."""

    id = fields.UUID()
    external_id = fields.String()
    name = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class CustomerListArgs(PageArgs):
    """Which customers."""

    search = fields.String(metadata={"description": "Part of a name or external id."})
