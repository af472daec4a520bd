"""Accounts of people: the list, a new one, one that goes, and one's own password.

A changed password ends every session of the account; the browser that changed it gets a new one.
"""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request, url_for

from fluxrate.core import accounts, text
from fluxrate.core.credentials import PASSWORD_LEAST
from fluxrate.core.errors import FluxrateError, NotFound, TooMany, Unauthenticated
from fluxrate.core.model import User
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import forms, fragments, said

LABELS = {"email": "The email", "password": "The password"}


@auth.page_access
def page() -> Response:
    """`GET` and `POST /settings/accounts`; the field `form` is `account` or `password`."""
    if forms.sent("account"):
        return _create()
    if forms.sent("password"):
        return _change_password(_me())
    return _show(status=400 if request.method == "POST" else 200)


def _me() -> User:
    user = auth.current_user()
    if user is None:
        raise Unauthenticated("Only somebody who is signed in has an account to change.")
    return user


def _create() -> Response:
    email, password = forms.typed("email")["email"], request.form.get("password", "")
    if not email:
        return _show(errors={"email": "Give the email of the new account."})
    parts = services()
    try:
        accounts.create_user(parts.store, email, password, parts.clock(), auth.by())
    except FluxrateError as error:
        return _show(email=email, errors=forms.at_field(error, LABELS, "password"))
    return said.leave_for(url_for("web.accounts"), "user.created")


@auth.page_access
def remove(account: str) -> Response:
    """`GET` and `POST /settings/accounts/<account>/remove`: says whose it is, then takes it away with its sessions."""
    parts = services()
    found = next((user for user in parts.store.users.all() if user.id == account), None)
    if found is None:
        raise NotFound(f"No account has the id {text.show(account)}.")
    refused = "This is your own account; somebody else can remove it." if found.pk == _me().pk else None
    if request.method == "POST" and refused is None:
        accounts.remove_user(parts.store, found, parts.clock(), auth.by())
        return said.leave_for(url_for("web.accounts"), "user.removed")
    html = render_template("settings/remove.html", user=found, refused=refused, now=parts.clock(), zone="UTC")
    return fragments.answer(html, status=409 if request.method == "POST" else 200)


def _change_password(user: User) -> Response:
    current, fresh = request.form.get("current", ""), request.form.get("fresh", "")
    parts, by = services(), auth.by()
    try:
        # The same door as signing in: who guesses here is counted and held back like there.
        known = auth.sign_in(user.email, current)
        if known is None:
            return _show(errors={"current": "This is not your password."})
        accounts.set_password(parts.store, user, fresh, parts.clock(), by)
    except TooMany as held_back:
        return _show(status=429, errors={"current": held_back.detail})
    except FluxrateError as error:
        return _show(errors={"fresh": next(iter(forms.at_field(error, {}, "fresh").values()))})
    response: Response = make_response(redirect(url_for("web.accounts", changed="password"), 303))
    auth.start_session(response, user)
    return response


def _show(*, email: str = "", errors: dict[str, str] | None = None, status: int | None = None) -> Response:
    parts = services()
    html = render_template(
        "settings/accounts.html",
        rows=parts.store.users.all(),
        email=email,
        errors=errors or {},
        least=PASSWORD_LEAST,
        changed=request.args.get("changed") == "password",
        now=parts.clock(),
        zone="UTC",
    )
    return fragments.answer(html, status=status or (422 if errors else 200))
