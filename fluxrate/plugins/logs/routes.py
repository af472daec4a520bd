"""`GET /meters/{meter}/events` and `GET /usage`: what the Usage Logs page shows, exact totals included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from marshmallow import fields

from fluxrate.core.model import Meter
from fluxrate.core.query import ORDERS, choice
from fluxrate.http import exports
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import EVENT_FORMATS, EventListArgs, meter_of, query_of, refuse_pages
from fluxrate.http.schemas import EventMetaSchema, EventSchema, listing_schema
from fluxrate.http.shapes import log_row_shape
from fluxrate.http.sheets import CSV, SHEET
from fluxrate.plugin import services

blueprint = ApiBlueprint("events", __name__, url_prefix="/api/v1", description="Raw events.")

EventListSchema = listing_schema(EventSchema, EventMetaSchema)


class AllEventsArgs(EventListArgs):
    """A list of events over meters."""

    meter_id = fields.List(fields.String(), metadata={"description": "Only these meters; all unless said."})


@blueprint.get("/meters/<meter>/events")
@scope("usage.read")
@blueprint.arguments(EventListArgs, location="query")
@blueprint.response(200, EventListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(200, schema=SHEET, content_type=exports.NDJSON)
@blueprint.alt_response(400)
def meter_events(args: dict[str, Any], meter: str) -> Response:
    """Events of one meter, newest first."""
    return _list(args, [meter_of(meter)])


@blueprint.get("/usage")
@scope("usage.read")
@blueprint.arguments(AllEventsArgs, location="query")
@blueprint.response(200, EventListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
@blueprint.alt_response(200, schema=SHEET, content_type=exports.NDJSON)
@blueprint.alt_response(400)
def all_events(args: dict[str, Any]) -> Response:
    """Events of all meters, or those named, newest first."""
    named = args.pop("meter_id", None)
    meters = {meter.pk: meter for meter in map(meter_of, named)} if named else None
    return _list(args, services().catalog.meters() if meters is None else list(meters.values()))


def _list(args: dict[str, Any], meters: Sequence[Meter]) -> Response:
    page, size = args["page"], args["page_size"]
    order = choice("order", args.pop("order", None), ORDERS) or "desc"
    kind = choice("format", args.pop("format", None), EVENT_FORMATS) or "json"
    if kind != "json":
        return _whole(args, meters, kind, order)
    found = services().engine.log(meters, query_of(args), page=page, page_size=size, order=order)
    rows = [log_row_shape(row) for row in found.rows]
    return answer(
        listing(rows, page=page, page_size=size, total=found.total, as_of=found.as_of),
        as_of=found.as_of,
    )


def _whole(args: dict[str, Any], meters: Sequence[Meter], kind: str, order: str) -> Response:
    refuse_pages(kind)
    return exports.download(services(), meters, query_of(args), kind, order)
