"""`/subscriptions` and a customer's own: the rules live in `core.revenue.subscriptions`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core.calendar import parse_instant
from fluxrate.core.revenue import money, plans, subscriptions
from fluxrate.core.revenue.model import SUBSCRIPTION_STATUSES
from fluxrate.core.revenue.words import one_of
from fluxrate.core.store.subscriptions import SubscriptionFilter
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import customer_of, query_of, refuse_pages, wants_csv
from fluxrate.http.sheets import CSV, SHEET, long_sheet
from fluxrate.plugin import services
from fluxrate.plugins.subscriptions.schemas import (
    COLUMNS,
    CustomerSubscriptionsArgs,
    SubscriptionChangeSchema,
    SubscriptionCreateSchema,
    SubscriptionListArgs,
    SubscriptionListSchema,
    SubscriptionPutSchema,
    SubscriptionWithHistorySchema,
    rows_of,
    shape_with_history,
    shapes,
)
from fluxrate.plugins.subscriptions.usage import (
    SubscriptionUsageArgs,
    SubscriptionUsageSchema,
    usage_shape,
    usage_table,
)

blueprint = ApiBlueprint(
    "subscriptions", __name__, url_prefix="/api/v1", description="Which customer is on which plan, and was when."
)


@blueprint.get("/subscriptions")
@scope("usage.read")
@blueprint.arguments(SubscriptionListArgs, location="query")
@blueprint.response(200, SubscriptionListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def list_subscriptions(args: dict[str, Any]) -> Response:
    """List subscriptions, the newest first."""
    return _listed(args, customer_of(args["customer_id"]).pk if "customer_id" in args else None)


@blueprint.get("/customers/<customer>/subscriptions")
@scope("usage.read")
@blueprint.arguments(CustomerSubscriptionsArgs, location="query")
@blueprint.response(200, SubscriptionListSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def customer_subscriptions(args: dict[str, Any], customer: str) -> Response:
    """List a customer's subscriptions, the newest first."""
    return _listed(args, customer_of(customer).pk)


@blueprint.post("/subscriptions")
@scope("usage.write")
@blueprint.arguments(SubscriptionCreateSchema)
@blueprint.response(201, SubscriptionWithHistorySchema)
def create_subscription(body: dict[str, Any]) -> Response:
    """Create a subscription."""
    parts = services()
    made = subscriptions.create(parts.store, body, parts.clock(), by())
    return answer(shape_with_history(parts.store, made), 201)


@blueprint.put("/subscriptions/by-external-id/<external_id>")
@scope("usage.write")
@blueprint.arguments(SubscriptionPutSchema)
@blueprint.response(200, SubscriptionWithHistorySchema)
@blueprint.alt_response(201, schema=SubscriptionWithHistorySchema)
def put_subscription(body: dict[str, Any], external_id: str) -> Response:
    """Make the subscription of an external id be as it is sent: created (201) or changed (200)."""
    parts = services()
    made, before = subscriptions.upsert(parts.store, external_id, body, parts.clock(), by())
    return answer(shape_with_history(parts.store, made), 201 if before is None else 200)


@blueprint.get("/subscriptions/<subscription>")
@scope("usage.read")
@blueprint.response(200, SubscriptionWithHistorySchema)
def get_subscription(subscription: str) -> Response:
    """Read one subscription with its history, by id or external id."""
    store = services().store
    return answer(shape_with_history(store, subscriptions.find(store, subscription)))


@blueprint.get("/subscriptions/<subscription>/usage")
@scope("usage.read")
@blueprint.arguments(SubscriptionUsageArgs, location="query")
@blueprint.response(200, SubscriptionUsageSchema)
@blueprint.alt_response(200, schema=SHEET, content_type=CSV)
def subscription_usage(args: dict[str, Any], subscription: str) -> Response:
    """Read what a subscription used in a billing period and what that costs, charge by charge and tier by tier."""
    as_table, parts = wants_csv(args), services()
    found, now = subscriptions.find(parts.store, subscription), parts.clock()
    at = parse_instant(args["at"], field="at") if args.get("at") else now
    usage = parts.revenue.usage_of(found, at, now, query_of(args).as_of)
    return usage_table(usage) if as_table else answer(usage_shape(usage), as_of=usage.as_of)


@blueprint.patch("/subscriptions/<subscription>")
@scope("usage.write")
@blueprint.arguments(SubscriptionChangeSchema)
@blueprint.response(200, SubscriptionWithHistorySchema)
def change_subscription(body: dict[str, Any], subscription: str) -> Response:
    """Change a subscription from an instant on."""
    parts = services()
    found = subscriptions.find(parts.store, subscription)
    changed = subscriptions.change(parts.store, found, body, parts.clock(), by())
    return answer(shape_with_history(parts.store, changed))


@blueprint.delete("/subscriptions/<subscription>")
@scope("admin")
@blueprint.response(200, SubscriptionWithHistorySchema)
@blueprint.alt_response(409)
def delete_subscription(subscription: str) -> Response:
    """Delete a subscription without invoices that was a mistake, with its history and all it did to the figures."""
    parts = services()
    found = subscriptions.find(parts.store, subscription)
    shown = shape_with_history(parts.store, found)
    subscriptions.delete(parts.store, found, parts.clock(), by())
    return answer(shown)


def _listed(args: dict[str, Any], customer_pk: int | None) -> Response:
    as_table, page, size, store = wants_csv(args), args["page"], args["page_size"], services().store
    narrow: SubscriptionFilter = {
        "customer_pk": customer_pk,
        "plan_pk": plans.find(store, args["plan_id"]).pk if "plan_id" in args else None,
        "status": one_of("status", args["status"], SUBSCRIPTION_STATUSES) if "status" in args else None,
        "currency": money.check_currency(args["currency"]) if "currency" in args else None,
    }
    if as_table:
        refuse_pages("csv")
        pieces = (rows_of(store, rows) for rows in store.subscriptions.in_pieces(**narrow))
        return long_sheet("subscriptions", COLUMNS, pieces)
    rows, total = store.subscriptions.list(page=page, page_size=size, **narrow)
    return answer(listing(shapes(store, rows), page=page, page_size=size, total=total))
