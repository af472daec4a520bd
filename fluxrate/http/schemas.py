"""Schemas of the API reference that are not one capability's own: lists and problems."""

from __future__ import annotations

from marshmallow import Schema, fields

ACTOR = "`key:PREFIX NAME` of an API key, `user:EMAIL` of a person, `cli`, or a biller such as `stripe`."


class MetaSchema(Schema):
    """Where in a list a page is."""

    page = fields.Integer()
    page_size = fields.Integer()
    total = fields.Integer()
    total_pages = fields.Integer()


class ProblemSchema(Schema):
    """An RFC 9457 problem: `detail` is one sentence, `errors` says more by field."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


def listing_schema(item: type[Schema], meta: type[Schema] = MetaSchema) -> type[Schema]:
    """The envelope of a list of `item`."""
    name = item.__name__.removesuffix("Schema") + "ListSchema"
    parts = {"data": fields.List(fields.Nested(item)), "meta": fields.Nested(meta)}
    return type(name, (Schema,), {"__doc__": f"A page of {item.__name__.removesuffix('Schema').lower()}s.", **parts})


class VoidSchema(Schema):
    """What took an event out of the figures, from the ingest sequence `seq` on."""

    reason = fields.String()
    actor = fields.String(metadata={"example": "key:sk_live_0123456789ab billing", "description": ACTOR})
    voided_at = fields.DateTime()
    seq = fields.Integer()


class EventSchema(Schema):
    """An event. `quantity` is an exact decimal as a text."""

    id = fields.UUID()
    meter_id = fields.UUID()
    customer_id = fields.UUID()
    customer_external_id = fields.String()
    quantity = fields.String(metadata={"example": "1.5"})
    timestamp = fields.DateTime()
    ingested_at = fields.DateTime()
    created_at = fields.DateTime()
    idempotency_key = fields.String(allow_none=True)
    voided = fields.Boolean(metadata={"description": "Whether the event no longer counts."})
    void = fields.Nested(VoidSchema, allow_none=True)
    meta_data = fields.Dict(keys=fields.String())


class EventMetaSchema(MetaSchema):
    """Where in the list a page is; pass `as_of` back so that later pages stay steady while events arrive."""

    as_of = fields.Integer()
