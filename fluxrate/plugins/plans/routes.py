"""`/plans`: the rules live in `core.revenue.plans`. Prices decide about money, so only `admin` sets them."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.revenue import plans
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import PageArgs
from fluxrate.http.schemas import listing_schema
from fluxrate.plugin import services
from fluxrate.plugins.plans.schemas import PlanChangeSchema, PlanCreateSchema, PlanSchema, plan_shape

blueprint = ApiBlueprint("plans", __name__, url_prefix="/api/v1/plans", description="What is sold, at which price.")


@blueprint.get("")
@scope("usage.read")
@blueprint.arguments(PageArgs, location="query")
@blueprint.response(200, listing_schema(PlanSchema))
def list_plans(args: dict[str, Any]) -> Response:
    """List plans, the newest first."""
    page, size = args["page"], args["page_size"]
    rows, total = services().store.plans.list(page=page, page_size=size)
    return answer(listing([plan_shape(row) for row in rows], page=page, page_size=size, total=total))


@blueprint.post("")
@scope("admin")
@blueprint.arguments(PlanCreateSchema)
@blueprint.response(201, PlanSchema)
def create_plan(body: dict[str, Any]) -> Response:
    """Create a plan with its charges."""
    parts = services()
    return answer(plan_shape(plans.create(parts.store, parts.catalog.meter, body, parts.clock(), by())), 201)


@blueprint.get("/<plan>")
@scope("usage.read")
@blueprint.response(200, PlanSchema)
def get_plan(plan: str) -> Response:
    """Read one plan, by id or external id."""
    return answer(plan_shape(plans.find(services().store, plan)))


@blueprint.patch("/<plan>")
@scope("admin")
@blueprint.arguments(PlanChangeSchema)
@blueprint.response(200, PlanSchema)
def change_plan(body: dict[str, Any], plan: str) -> Response:
    """Change a plan; its charges, interval and currency only while no subscription was ever on it."""
    parts = services()
    found = plans.find(parts.store, plan)
    return answer(plan_shape(plans.change(parts.store, parts.catalog.meter, found, body, parts.clock(), by())))


@blueprint.delete("/<plan>")
@scope("admin")
@blueprint.response(200, PlanSchema)
@blueprint.alt_response(409)
def delete_plan(plan: str) -> Response:
    """Delete a plan that no subscription was ever on."""
    parts = services()
    found = plans.find(parts.store, plan)
    plans.delete(parts.store, found, parts.clock(), by())
    return answer(plan_shape(found))
