"""`/plans`: the rules live in `core.revenue.plans`. Prices decide about money, so only `admin` sets them."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.revenue import money, plans
from fluxrate.core.revenue.model import PLAN_TYPES
from fluxrate.core.revenue.words import one_of
from fluxrate.core.store.billing import PlanFilter
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import refuse_pages, wants_csv
from fluxrate.http.schemas import listing_schema
from fluxrate.http.sheets import CSV, SHEET, long_sheet
from fluxrate.plugin import services
from fluxrate.plugins.plans.schemas import (
    COLUMNS,
    PlanChangeSchema,
    PlanCreateSchema,
    PlanListArgs,
    PlanPutSchema,
    PlanSchema,
    plan_row,
    plan_shape,
)

blueprint = ApiBlueprint("plans", __name__, url_prefix="/api/v1/plans", description="What is sold, at which price.")


@blueprint.get("")
@scope("usage.read")
@blueprint.arguments(PlanListArgs, location="query")
@blueprint.response(200, listing_schema(PlanSchema))
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def list_plans(args: dict[str, Any]) -> Response:
    """List plans, the newest first."""
    as_table, page, size, store = wants_csv(args), args["page"], args["page_size"], services().store
    narrow: PlanFilter = {
        "plan_type": one_of("plan_type", args["plan_type"], PLAN_TYPES) if "plan_type" in args else None,
        "currency": money.check_currency(args["currency"]) if "currency" in args else None,
    }
    if as_table:
        refuse_pages("csv")
        return long_sheet("plans", COLUMNS, (map(plan_row, rows) for rows in store.plans.in_pieces(**narrow)))
    rows, total = store.plans.list(page=page, page_size=size, **narrow)
    return answer(listing([plan_shape(row) for row in rows], page=page, page_size=size, total=total))


@blueprint.post("")
@scope("admin")
@blueprint.arguments(PlanCreateSchema)
@blueprint.response(201, PlanSchema)
def create_plan(body: dict[str, Any]) -> Response:
    """Create a plan with its charges."""
    parts = services()
    return answer(plan_shape(plans.create(parts.store, parts.catalog.meter, body, parts.clock(), by())), 201)


@blueprint.put("/by-external-id/<external_id>")
@scope("admin")
@blueprint.arguments(PlanPutSchema)
@blueprint.response(200, PlanSchema)
@blueprint.alt_response(201, schema=PlanSchema)
def put_plan(body: dict[str, Any], external_id: str) -> Response:
    """Make the plan of an external id be as it is sent: created (201) or changed (200)."""
    parts = services()
    made, before = plans.upsert(parts.store, parts.catalog.meter, external_id, body, parts.clock(), by())
    return answer(plan_shape(made), 201 if before is None else 200)


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
