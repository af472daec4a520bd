"""One event on a page of its own: what a link to it shows."""

from __future__ import annotations

from flask import Response, render_template, request

from fluxrate.core.calendar import check_zone
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments


@page_access
def page(event: str) -> Response:
    """`GET /events/<event>`: everything about it, with times in the zone that `timezone` names."""
    row = services().ingest.event(event)
    zone = check_zone(request.args.get("timezone") or "UTC")
    return fragments.answer(render_template("event.html", row=row, zone=zone))
