"""The dashboard: every registered panel about one window and one meter, each in its own error box.

A panel that fails is logged and leaves a sentence in its place; the page and the other panels stand.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flask import Response, render_template, request
from markupsafe import Markup

from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Meter
from fluxrate.http.auth import page_access
from fluxrate.plugin import Panel, PanelContext, services
from fluxrate.web import fragments
from fluxrate.web.links import WINDOW
from fluxrate.web.read import lenient, unclear
from fluxrate.web.window_bar import window_bar

log = logging.getLogger(__name__)

PARAMETERS = (*WINDOW, "meter", "group_by", "as_of")
FAILED = "This part could not be made. The other figures stand, and the server's log has the reason."


@dataclass(frozen=True, slots=True)
class Box:
    """A panel as the page shows it: its HTML, or the sentence that stands in for it."""

    panel: Panel
    html: Markup
    failed: str | None = None


@page_access
def page() -> Response:
    """`GET /`: the panels for the window, zone and meter of the query string."""
    now = services().clock()
    args = request.args.to_dict()
    query, errors = lenient(args, now)
    errors |= unclear(request.args, PARAMETERS)
    meters = tuple(meter for meter in services().catalog.meters() if meter.status == "ACTIVE")
    meter = selected(meters, args.get("meter"), errors)
    bar = window_bar(query.window, args, now)
    context = PanelContext(services(), query, meter, meters)
    boxes = [box for panel in panels() if (box := _box(panel, context, now)) is not None] if meters else []
    html = render_template(
        "dashboard.html", bar=bar, boxes=boxes, meters=meters, meter=meter, errors=errors, args=args, now=now
    )
    return fragments.answer(html, status=422 if errors else 200)


def selected(meters: tuple[Meter, ...], reference: str | None, errors: dict[str, str]) -> Meter | None:
    """The meter of an id, name or token; the first one when none is named or none has it."""
    if reference:
        for meter in meters:
            if reference in (meter.meter_name, meter.id, meter.meter_token):
                return meter
        errors["meter"] = f"No meter has the name or id {reference!r}, so the first one is shown."
    return meters[0] if meters else None


def panels() -> list[Panel]:
    """The registered panels in their order."""
    return sorted(services().registry.panels.all.values(), key=lambda panel: panel.rank)


def _box(panel: Panel, context: PanelContext, now: int) -> Box | None:
    try:
        data = panel.data(context)
        if data is None:
            return None
        shown = Markup(render_template(panel.template, panel=panel, query=context.query, now=now, **data))  # noqa: S704, a template is where escaping happens
        return Box(panel, shown)
    except FluxrateError as error:
        return Box(panel, Markup(""), error.detail)
    except Exception:
        log.exception("The panel %r failed.", panel.name)
        return Box(panel, Markup(""), FAILED)
