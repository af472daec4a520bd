"""The first run: create a meter, create a key, see the first event arrive. Each step is an address, so a reload or a
shared link goes on where it was; without script the page asks again when it is reloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from fluxrate.core.answers import LogRow
from fluxrate.core.calendar import Window
from fluxrate.core.metric import Metric
from fluxrate.core.model import ApiKey, Meter
from fluxrate.core.query import Query
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import forms, fragments, keys, meter_forms
from fluxrate.web.meters import made_from, reference
from fluxrate.web.snippets import KEY, snippets

_EVER = 1 << 62


def metric_choices() -> Mapping[str, Metric]:
    """The aggregations that a meter may have."""
    return services().registry.metrics.all


def pending() -> bool:
    """Whether nothing was ever counted here."""
    return services().engine.as_of() == 0


@auth.page_access
def page() -> Response:
    """`GET` and `POST /first-run`; the field `form` is `meter` or `key`; `meter` names the one that was made."""
    if forms.sent("meter"):
        form = meter_forms.new() | meter_forms.read("meter_name", "unit", "aggregation_type", "property_name")
        made, errors = made_from(form)
        if made is None:
            return _steps(None, form=form, errors=errors)
        return make_response(redirect(url_for("web.first_run", meter=reference(made)), 303))
    meter = _meter()
    if meter is not None and forms.sent("key"):
        name = forms.typed("name")["name"]
        made_key, errors = keys.made_from(name, ["usage.write"])
        return _steps(meter, made=made_key, key_name=name, errors=errors)
    return _steps(meter)


@auth.page_access
def first_event() -> Response:
    """`GET /first-run/event?meter=`: the part that waits, or the event that came."""
    meter = _meter()
    return fragments.answer(_waiting(meter))


def _meter() -> Meter | None:
    """The meter that is named, else the first active one."""
    active = [meter for meter in services().catalog.meters() if meter.status == "ACTIVE"]
    wanted = request.args.get("meter", "")
    named = [meter for meter in active if wanted in (meter.meter_name, meter.id)]
    return next(iter(named or active), None)


def _steps(
    meter: Meter | None,
    *,
    form: dict[str, str] | None = None,
    errors: dict[str, str] | None = None,
    made: tuple[ApiKey, str] | None = None,
    key_name: str = "first",
) -> Response:
    html = render_template(
        "first_run_page.html",
        **context(meter, made),
        form=form or meter_forms.new(),
        errors=errors or {},
        made=made,
        key_name=key_name,
    )
    return fragments.answer(html, status=422 if errors else 200)


def context(meter: Meter | None, made: tuple[ApiKey, str] | None = None) -> dict[str, Any]:
    """What the steps show about a meter."""
    if meter is None:
        return {"meter": None}
    metric = services().registry.metrics.all.get(meter.aggregation_type)
    curl = snippets(meter, metric, request.host_url, made[1] if made else KEY)[0]
    return {"meter": meter, "curl": curl, "row": _first(meter), "now": services().clock(), "zone": "UTC"}


def _waiting(meter: Meter | None) -> str:
    row = _first(meter) if meter else None
    return render_template("first_run_event.html", meter=meter, row=row, now=services().clock(), zone="UTC")


def _first(meter: Meter) -> LogRow | None:
    rows = services().engine.log((meter,), Query(Window(-_EVER, _EVER, "UTC")), page_size=1, order="asc").rows
    return rows[0] if rows else None
