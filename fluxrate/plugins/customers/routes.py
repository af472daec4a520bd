"""`/customers`: the rules live in `core.customers`."""

from __future__ import annotations

from typing import Any

from flask import Response

from fluxrate.core import customers
from fluxrate.http.answers import answer, listing
from fluxrate.http.auth import by, scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.parameters import customer_of
from fluxrate.http.schemas import listing_schema
from fluxrate.http.shapes import customer_shape
from fluxrate.plugin import services
from fluxrate.plugins.customers.schemas import (
    CustomerChangeSchema,
    CustomerCreateSchema,
    CustomerListArgs,
    CustomerSchema,
)

blueprint = ApiBlueprint("customers", __name__, url_prefix="/api/v1/customers", description="Who used it.")


@blueprint.get("")
@scope("usage.read")
@blueprint.arguments(CustomerListArgs, location="query")
@blueprint.response(200, listing_schema(CustomerSchema))
def list_customers(args: dict[str, Any]) -> Response:
    """List customers."""
    page, size = args["page"], args["page_size"]
    rows, total = services().store.customers.list(page=page, page_size=size, search=args.get("search"))
    return answer(listing([customer_shape(row) for row in rows], page=page, page_size=size, total=total))


@blueprint.post("")
@scope("usage.write")
@blueprint.arguments(CustomerCreateSchema)
@blueprint.response(201, CustomerSchema)
def create_customer(body: dict[str, Any]) -> Response:
    """Create a customer before its first event."""
    parts = services()
    return answer(customer_shape(customers.create(parts.store, body, parts.clock(), by())), 201)


@blueprint.get("/<customer>")
@scope("usage.read")
@blueprint.response(200, CustomerSchema)
def get_customer(customer: str) -> Response:
    """Read one customer, by id or external id."""
    return answer(customer_shape(customer_of(customer)))


@blueprint.patch("/<customer>")
@scope("usage.write")
@blueprint.arguments(CustomerChangeSchema)
@blueprint.response(200, CustomerSchema)
def change_customer(body: dict[str, Any], customer: str) -> Response:
    """Change a customer's name or email."""
    parts = services()
    return answer(customer_shape(customers.change(parts.store, customer_of(customer), body, parts.clock(), by())))


@blueprint.put("/<customer>")
@scope("usage.write")
@blueprint.arguments(CustomerChangeSchema)
@blueprint.response(200, CustomerSchema)
def put_customer(body: dict[str, Any], customer: str) -> Response:
    """The same as PATCH: what is not sent stays."""
    parts = services()
    return answer(customer_shape(customers.change(parts.store, customer_of(customer), body, parts.clock(), by())))


@blueprint.delete("/<customer>")
@scope("admin")
@blueprint.response(200, CustomerSchema)
@blueprint.alt_response(409, description="Events, subscriptions or invoices hang on it.")
def delete_customer(customer: str) -> Response:
    """Delete a customer without events, subscriptions and invoices."""
    parts = services()
    found = customer_of(customer)
    customers.delete(parts.store, found, parts.clock(), by())
    return answer(customer_shape(found))
