"""Customers: the list that narrows while somebody types, one customer with all they used, and their name and email."""

from __future__ import annotations

import math
from dataclasses import replace

from flask import Response, render_template, request, url_for

from fluxrate.core import customers, trends
from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.core.model import Customer
from fluxrate.core.query import Query
from fluxrate.core.trends import Comparison
from fluxrate.http import auth
from fluxrate.http.parameters import customer_of
from fluxrate.plugin import services
from fluxrate.web import billing, forms, fragments, said
from fluxrate.web.links import WINDOW, stand_at
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear, with_meter
from fluxrate.web.window_bar import window_bar

PARAMETERS = (*WINDOW, "search", "page")
OF_ONE = (*WINDOW, "meter", "meter_id", "group_by")
PAGE_SIZE = 25
RECENT = 10
LABELS = {"external_id": "The external id", "name": "The name", "email": "The email"}


@auth.page_access
def listing() -> Response:
    """`GET /customers`: by external id; `search` is a part of the external id, name or email."""
    parts, now, args = services(), services().clock(), request.args.to_dict()
    query, errors = lenient(args, now)
    errors |= unclear(request.args, PARAMETERS)
    search = args.get("search", "").strip()[:255].replace("\0", "")
    number = args.get("page", "")
    page = max(int(number), 1) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    found, total = parts.store.customers.list(page=page, page_size=PAGE_SIZE, search=search or None)
    html = render_template(
        "customers.html",
        rows=[(customer, _events(customer, query)) for customer in found],
        total=total,
        of=parts.store.customers.count() if search else total,
        page=page,
        pages=around(page, math.ceil(total / PAGE_SIZE)),
        search=search,
        bar=window_bar(query.window, args, now),
        args=args,
        errors=errors,
        now=now,
        zone=query.window.zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def _events(customer: Customer, query: Query) -> int:
    """How many events of the window count for them, on all meters."""
    # Not the total of the log: that lists positions, and takes ten times as long.
    parts, mine = services(), Query(query.window, customers=(customer.id,))
    return sum(parts.engine.usage(meter, mine).event_count for meter in parts.catalog.meters())


@auth.page_access
def page(customer: str) -> Response:
    """`GET /customers/<customer>`."""
    parts, now, args = services(), services().clock(), with_meter(request.args)
    found = customer_of(customer)
    stand_at(request.path, args)
    query, errors = lenient(args, now)
    errors |= unclear(request.args, OF_ONE)
    group, groups = trends.chosen(query.window, query.group_by)
    query = replace(query, group_by=group, customers=(found.id,), as_of=parts.engine.as_of())
    rows = _used(query, now)
    shown = _shown(rows, args.get("meter"), errors)
    html = render_template(
        "customer.html",
        customer=found,
        rows=rows,
        compared=None if shown is None else trends.compare(parts.engine, shown.meter, query, now),
        group=group,
        groups=groups,
        recent=parts.engine.log(parts.catalog.meters(), replace(query, group_by=None), page_size=RECENT),
        billed=billing.of_customer(found, now, query.window.zone),
        bar=window_bar(query.window, args, now),
        args=args,
        errors=errors,
        now=now,
        zone=query.window.zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def _used(query: Query, now: int) -> list[Comparison]:
    """Every meter that they used in this window or the one before, the one with the most events first."""
    parts = services()
    rows = [trends.glance(parts.engine, meter, query, now) for meter in parts.catalog.meters()]
    rows = [row for row in rows if row.usage.event_count or row.before.event_count]
    return sorted(rows, key=lambda row: -row.usage.event_count)


def _shown(rows: list[Comparison], reference: str | None, errors: dict[str, str]) -> Comparison | None:
    """The row that is drawn large."""
    for row in rows:
        if reference in (row.meter.meter_name, row.meter.id):
            return row
    if reference:
        errors["meter"] = "This customer used no meter of that name in this window, so another one is shown."
    return rows[0] if rows else None


@auth.page_access
def create() -> Response:
    """`GET` and `POST /customers/new`: a customer before their first event."""
    form = forms.typed("external_id", "name", "email")
    if request.method != "POST":
        return _form(None, form)
    parts = services()
    try:
        if not form["external_id"]:
            raise Malformed("Give your own id for the customer, such as acme.", field="external_id")
        fields = {"external_id": form["external_id"], **_optional(form)}
        made = customers.create(parts.store, fields, parts.clock(), auth.by())
    except FluxrateError as error:
        return _form(None, form, forms.at_field(error, LABELS, "external_id"))
    return said.leave_for(url_for("web.customer", customer=made.id), "customer.created")


@auth.page_access
def edit(customer: str) -> Response:
    """`GET` and `POST /customers/<customer>/edit`: an emptied field takes the name or email away."""
    found = customer_of(customer)
    if request.method != "POST":
        return _form(found, {"name": found.name or "", "email": found.email or ""})
    form, parts = forms.typed("name", "email"), services()
    try:
        customers.change(parts.store, found, _optional(form), parts.clock(), auth.by())
    except FluxrateError as error:
        return _form(found, form, forms.at_field(error, LABELS, "name"))
    return said.leave_for(url_for("web.customer", customer=found.id), "customer.updated")


def _optional(form: dict[str, str]) -> dict[str, str | None]:
    return {name: form[name] or None for name in ("name", "email")}


def _form(customer: Customer | None, form: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    html = render_template("customers/form.html", customer=customer, form=form, errors=errors or {})
    return fragments.answer(html, status=422 if errors else 200)
