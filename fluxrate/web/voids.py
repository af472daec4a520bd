"""Voiding one event: what it is, a reason, and the button. A plain form, which needs no script.

A void is not taken back, so it has a page of its own, that says so, between the list and the deed.
"""

from __future__ import annotations

from flask import Response, render_template, request, url_for

from fluxrate.core.errors import Conflict, RuleBroken
from fluxrate.core.ingest import REASON_LENGTH
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import fragments, said
from fluxrate.web.links import local


@auth.page_access
def page(event: str) -> Response:
    """`GET` and `POST /events/<event>/void`; form fields `reason` and `next`, the local address to go back to."""
    target = request.values.get("next")
    back = local(target) if target else url_for("web.logs")
    reason = request.form.get("reason", "").strip()
    if request.method != "POST":
        return _form(event, back)
    if not reason:
        return _form(event, back, status=422, errors={"reason": "Give the reason; it is kept with the event."})
    try:
        services().ingest.void(event, reason, auth.by())
    except RuleBroken as error:
        return _form(event, back, status=error.status, reason=reason, errors={"reason": error.detail})
    except Conflict as error:
        # Somebody else was first: the page says who, when and why.
        return _form(event, back, status=error.status)
    return said.leave_for(back, "event.voided")


def _form(
    event: str, back: str, *, status: int = 200, reason: str = "", errors: dict[str, str] | None = None
) -> Response:
    parts = services()
    html = render_template(
        "void.html",
        row=parts.ingest.event(event),
        back=back,
        reason=reason,
        longest=REASON_LENGTH,
        errors=errors or {},
        now=parts.clock(),
        zone="UTC",
    )
    return fragments.answer(html, status=status)
