"""`/meters`: the rules live in `core.meters`; a route reads, asks and writes."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core import meters
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import meter_of
from fluxrate.http.schemas import listing_schema
from fluxrate.http.shapes import meter_shape
from fluxrate.plugin import services
from fluxrate.plugins.meters.schemas import (
    FeatureCreateSchema,
    FeatureSchema,
    MeterChangeSchema,
    MeterCreateSchema,
    MeterListArgs,
    MeterSchema,
)

blueprint = ApiBlueprint("meters", __name__, url_prefix="/api/v1/meters", description="What is measured.")
features = ApiBlueprint("features", __name__, url_prefix="/api/v1/features", description="Meters by another name.")


@blueprint.get("")
@scope("usage.read")
@blueprint.arguments(MeterListArgs, location="query")
@blueprint.response(200, listing_schema(MeterSchema))
def list_meters(args: dict[str, Any]) -> Response:
    """List meters."""
    status = meters.check_status(args["status"]) if "status" in args else None
    page, size = args["page"], args["page_size"]
    rows, total = services().store.meters.list(page=page, page_size=size, status=status)
    return answer(listing([meter_shape(row) for row in rows], page=page, page_size=size, total=total))


@blueprint.post("")
@scope("admin")
@blueprint.arguments(MeterCreateSchema)
@blueprint.response(201, MeterSchema)
def create_meter(body: dict[str, Any]) -> Response:
    """Create a meter."""
    parts = services()
    return answer(meter_shape(meters.create(parts.store, parts.registry.metrics, body, parts.clock(), by())), 201)


@features.post("")
@scope("admin")
@features.arguments(FeatureCreateSchema)
@features.response(201, FeatureSchema)
def create_feature(body: dict[str, Any]) -> Response:
    """Create a feature of type `meter`, which is a meter."""
    parts = services()
    made = meters.create(parts.store, parts.registry.metrics, body, parts.clock(), by())
    return answer({**meter_shape(made), "type": body["type"]}, 201)


@blueprint.get("/<meter>")
@scope("usage.read")
@blueprint.response(200, MeterSchema)
def get_meter(meter: str) -> Response:
    """Read one meter, by id, meter_name or meter_token."""
    return answer(meter_shape(meter_of(meter)))


@blueprint.patch("/<meter>")
@scope("admin")
@blueprint.arguments(MeterChangeSchema)
@blueprint.response(200, MeterSchema)
def change_meter(body: dict[str, Any], meter: str) -> Response:
    """Change a meter; what its figures are made of stays once it has events."""
    parts = services()
    found = parts.store.meters.get(meter_of(meter).pk) or meter_of(meter)
    state = parts.live.current()
    changed = meters.change(
        parts.store,
        parts.registry.metrics,
        found,
        body,
        has_events=len(state.snapshot(found.pk)) > 0,
        seen=state.seq,
        now=parts.clock(),
        by=by(),
    )
    return answer(meter_shape(changed))


@blueprint.delete("/<meter>")
@scope("admin")
@blueprint.response(200, MeterSchema)
@blueprint.alt_response(409, description="Events or a plan's charge hang on it.")
def delete_meter(meter: str) -> Response:
    """Delete a meter that has no events and that no plan charges by."""
    parts = services()
    found = meter_of(meter)
    has_events = len(parts.live.current().snapshot(found.pk)) > 0
    meters.delete(parts.store, found, has_events=has_events, now=parts.clock(), by=by())
    return answer(meter_shape(found))
