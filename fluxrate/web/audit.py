"""The audit trail: who did what, when and from where, the latest first; a plain GET form narrows it."""

from __future__ import annotations

import math

import msgspec
from flask import Response, render_template, request

from fluxrate.core.errors import FluxrateError
from fluxrate.core.trail import ACTIONS, check_action
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import formats, fragments
from fluxrate.web.links import WINDOW
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear
from fluxrate.web.window_bar import window_bar

PARAMETERS = (*WINDOW, "actor", "action", "page")
PAGE_SIZE = 50
WORDS = {
    "customer.created": "Created a customer",
    "customer.deleted": "Deleted a customer",
    "customer.updated": "Changed a customer",
    "event.voided": "Voided an event",
    "import.finished": "Finished an import",
    "import.started": "Started an import",
    "invoice.created": "Created an invoice",
    "invoice.deleted": "Deleted a draft invoice",
    "invoice.updated": "Changed an invoice",
    "key.created": "Created an API key",
    "key.revoked": "Revoked an API key",
    "key.updated": "Changed an API key",
    "meter.created": "Created a meter",
    "meter.deleted": "Deleted a meter",
    "meter.updated": "Changed a meter",
    "password.changed": "Changed a password",
    "plan.created": "Created a plan",
    "plan.deleted": "Deleted a plan",
    "plan.updated": "Changed a plan",
    "sign_in.failed": "Failed to sign in",
    "subscription.created": "Created a subscription",
    "subscription.deleted": "Deleted a subscription",
    "subscription.updated": "Changed a subscription",
    "user.created": "Created an account",
    "user.removed": "Removed an account",
    "user.signed_in": "Signed in",
    "user.signed_out": "Signed out",
}
"""Each action of `trail.ACTIONS` in words for people."""


@page_access
def page() -> Response:
    """`GET /settings/audit`."""
    parts, args, now = services(), request.args.to_dict(), services().clock()
    query, errors = lenient({name: args[name] for name in WINDOW if name in args}, now)
    errors |= unclear(request.args, PARAMETERS)
    actor, action = args.get("actor", "").strip(), args.get("action", "").strip()
    try:
        check_action(action or ACTIONS[0])
    except FluxrateError:
        errors["action"], action = "Nothing is called that here; choose one of the list.", ""
    number = args.get("page", "")
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    rows, total = parts.store.trail.list(
        query.window.start,
        query.window.end,
        actor=actor or None,
        action=action or None,
        page=max(wanted, 1),
        page_size=PAGE_SIZE,
    )
    pages = math.ceil(total / PAGE_SIZE)
    html = render_template(
        "audit.html",
        rows=rows,
        total=total,
        page=max(wanted, 1),
        pages=around(max(wanted, 1), pages),
        bar=window_bar(query.window, args, now),
        actor=actor,
        action=action,
        actions=ACTIONS,
        words=WORDS,
        told=told,
        named=formats.named,
        args=args,
        errors=errors,
        custom=True,
        now=now,
        zone=query.window.zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def told(details: dict[str, object]) -> list[tuple[str, str]]:
    """An entry's details as pairs of plain texts."""
    return [(name.replace("_", " "), _text(value)) for name, value in details.items()]


def _text(value: object) -> str:
    if isinstance(value, dict) and value.keys() == {"from", "to"}:
        return f"{_text(value['from'])} → {_text(value['to'])}"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "none"
    if value is None:
        return "none"
    if type(value) is int:
        return formats.number(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
