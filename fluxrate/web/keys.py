"""API keys: the list, a new one whose secret is in the answer to its creation and nowhere else, and revoking one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress

from flask import Response, render_template, request, url_for

from fluxrate.core import accounts, text
from fluxrate.core.errors import Conflict, FluxrateError, NotFound
from fluxrate.core.model import SCOPES, ApiKey
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import forms, fragments, said
from fluxrate.web.pages import around

PAGE_SIZE = 50
LABELS = {"name": "The name", "scopes": "Scopes"}
MEANS = {
    "usage.read": "Read usage, events, meters and customers",
    "usage.write": "Send events, create and change customers, void events",
    "admin": "Everything: meters, keys, the audit trail, and what the others allow",
}


@auth.page_access
def page() -> Response:
    """`GET` and `POST /settings/keys`. The answer to a POST shows the secret, this once."""
    if request.method != "POST":
        return _show({"name": "", "scopes": ["usage.write"]})
    form = {"name": forms.typed("name")["name"], "scopes": request.form.getlist("scopes")}
    made, errors = made_from(str(form["name"]), request.form.getlist("scopes"))
    if made is None:
        return _show(form, errors=errors)
    # No redirect: the secret would have to be kept somewhere to be shown after it.
    return _show({"name": "", "scopes": ["usage.write"]}, made=made)


def made_from(name: str, scopes: list[str]) -> tuple[tuple[ApiKey, str] | None, dict[str, str]]:
    """The key and its secret, or a sentence for each field that is wrong."""
    if not name.strip():
        return None, {"name": "Give the key a name, such as billing."}
    parts = services()
    try:
        return accounts.create_key(parts.store, name, scopes, parts.clock(), auth.by()), {}
    except FluxrateError as error:
        return None, forms.at_field(error, LABELS, "name")


@auth.page_access
def revoke(key: str) -> Response:
    """`GET` and `POST /settings/keys/<key>/revoke`: says which one, then ends it."""
    parts = services()
    found = parts.store.keys.find(key) if "\0" not in key else None
    if found is None:
        raise NotFound(f"No API key has the id, prefix or name {text.show(key)}.")
    if request.method != "POST":
        return fragments.answer(render_template("settings/revoke.html", key=found, now=parts.clock(), zone="UTC"))
    with suppress(Conflict):  # Somebody else was first, and the list says so.
        accounts.revoke_key(parts.store, found, parts.clock(), auth.by())
    return said.leave_for(url_for("web.keys"), "key.revoked")


def _show(
    form: Mapping[str, object], *, errors: dict[str, str] | None = None, made: tuple[ApiKey, str] | None = None
) -> Response:
    parts = services()
    number = request.args.get("page", "")
    page = max(int(number), 1) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    rows, total = parts.store.keys.list(page=page, page_size=PAGE_SIZE)
    html = render_template(
        "settings/keys.html",
        rows=rows,
        page=page,
        pages=around(page, math.ceil(total / PAGE_SIZE)),
        form=form,
        errors=errors or {},
        made=made,
        scopes=[(name, MEANS.get(name, "")) for name in SCOPES],
        now=parts.clock(),
        zone="UTC",
    )
    return fragments.answer(html, status=422 if errors else 200)
