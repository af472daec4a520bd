"""Meters: the list with what each came to in the window, and the forms that create, change, archive and restore one.

The forms are plain POSTs with the rules of `core.meters`; what is wrong stands at its field, and what was typed stays.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypedDict

from flask import Response, render_template, request, url_for

from fluxrate.core import meters, trends
from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import METER_STATUSES, Meter
from fluxrate.http import auth
from fluxrate.http.parameters import meter_of
from fluxrate.plugin import services
from fluxrate.web import forms, fragments, meter_forms, said
from fluxrate.web.links import WINDOW
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear
from fluxrate.web.window_bar import window_bar

PARAMETERS = (*WINDOW, "status", "page", "search")
PAGE_SIZE = 25
STATUS_SAID = {"ARCHIVED": "meter.archived", "ACTIVE": "meter.restored"}


def reference(meter: Meter) -> str:
    """What names the meter in an address: its name, but for the one name that is a page."""
    return meter.id if meter.meter_name == "new" else meter.meter_name


@auth.page_access
def listing() -> Response:
    """`GET /meters`: active ones unless `status` says otherwise; `search` is a part of either name."""
    parts, now, args = services(), services().clock(), request.args.to_dict()
    query, errors = lenient(args, now)
    errors |= unclear(request.args, PARAMETERS)
    status = args["status"] if args.get("status") in METER_STATUSES else METER_STATUSES[0]
    page = _number(args.get("page", ""))
    search = args.get("search", "").strip()[:255]
    found, total, of = _listed(status, search, page)
    group = trends.fitting(query.window)
    query = replace(query, group_by=group, as_of=parts.engine.as_of())
    html = render_template(
        "meters.html",
        rows=[trends.glance(parts.engine, meter, query, now) for meter in found],
        total=total,
        of=of,
        many=of > PAGE_SIZE,
        search=search,
        page=page,
        pages=around(page, math.ceil(total / PAGE_SIZE)),
        status=status,
        statuses=METER_STATUSES,
        group=group,
        bar=window_bar(query.window, args, now),
        args=args,
        errors=errors,
        now=now,
        zone=query.window.zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def _listed(status: str, search: str, page: int) -> tuple[list[Meter], int, int]:
    """The meters of one page, how many pass the search, and how many there are of this status."""
    store = services().store.meters
    if not search:
        found, total = store.list(page=page, page_size=PAGE_SIZE, status=status)
        return found, total, total
    of = [meter for meter in store.all() if meter.status == status]
    low = search.casefold()
    near = [meter for meter in of if low in meter.name.casefold() or low in meter.meter_name]
    return near[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], len(near), len(of)


def _number(text: str) -> int:
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 10 else 1


@auth.page_access
def create() -> Response:
    """`GET` and `POST /meters/new`."""
    if request.method != "POST":
        return _form(None, meter_forms.new())
    form = meter_forms.read(*meter_forms.ALL)
    made, errors = made_from(form)
    if made is None:
        return _form(None, form, errors)
    return said.leave_for(url_for("web.meter", meter=reference(made)), "meter.created")


def made_from(form: dict[str, str]) -> tuple[Meter | None, dict[str, str]]:
    """The meter that the form makes, or a sentence for each field that is wrong."""
    parts = services()
    try:
        fields = meter_forms.fields(form)
        return meters.create(parts.store, parts.registry.metrics, fields, parts.clock(), auth.by()), {}
    except FluxrateError as error:
        return None, forms.at_field(error, meter_forms.LABELS, "meter_name")


@auth.page_access
def edit(meter: str) -> Response:
    """`GET` and `POST /meters/<meter>/edit`: the name and unit at any time, what figures are made of until events."""
    found = meter_of(meter)
    if request.method != "POST":
        return _form(found, meter_forms.of(found))
    # Only what the form offered is read: what is fixed was not there to be typed into.
    offered = [name for name in (*meter_forms.FREE, *meter_forms.UNTIL_EVENTS) if name in request.form]
    form = meter_forms.read(*offered)
    parts = services()
    try:
        fields = meter_forms.fields(form)
        changed = meters.change(
            parts.store,
            parts.registry.metrics,
            found,
            fields,
            **what_is_known(found),
            now=parts.clock(),
            by=auth.by(),
        )
    except FluxrateError as error:
        return _form(found, meter_forms.of(found) | form, forms.at_field(error, meter_forms.LABELS, "name"))
    return said.leave_for(url_for("web.meter", meter=reference(changed)), "meter.updated")


@auth.page_access
def archive(meter: str) -> Response:
    """`GET` and `POST /meters/<meter>/archive`: says what it means, then does it."""
    found = meter_of(meter)
    if request.method != "POST":
        return fragments.answer(render_template("meters/archive.html", meter=found))
    return _with_status(found, "ARCHIVED")


@auth.page_access
def restore(meter: str) -> Response:
    """`POST /meters/<meter>/restore`: the meter takes events again."""
    return _with_status(meter_of(meter), "ACTIVE")


def has_events(meter: Meter) -> bool:
    """Whether anything was ever counted by it."""
    return what_is_known(meter)["has_events"]


class Known(TypedDict):
    """Whether anything was ever counted by a meter, and up to which sequence that was looked at."""

    has_events: bool
    seen: int


def what_is_known(meter: Meter) -> Known:
    """What a change of the meter is judged by."""
    state = services().live.current()
    return {"has_events": len(state.snapshot(meter.pk)) > 0, "seen": state.seq}


def _with_status(meter: Meter, status: str) -> Response:
    parts = services()
    if meter.status != status:
        meters.change(
            parts.store,
            parts.registry.metrics,
            meter,
            {"status": status},
            **what_is_known(meter),
            now=parts.clock(),
            by=auth.by(),
        )
    return said.leave_for(url_for("web.meter", meter=reference(meter)), STATUS_SAID[status])


def _form(meter: Meter | None, form: dict[str, str], errors: dict[str, str] | None = None) -> Response:
    html = render_template(
        "meters/form.html",
        meter=meter,
        form=form,
        errors=errors or {},
        metrics=services().registry.metrics.all,
        fixed=meter is not None and has_events(meter),
    )
    return fragments.answer(html, status=422 if errors else 200)
