"""Coming in and going out: `/sign-in`, the one-time `/setup/<token>` of a new instance, and `POST /sign-out`.

What is wrong stands next to its field and the address that was typed stays. Whether an account exists is never told.
"""

from __future__ import annotations

from typing import Any

from flask import Response, make_response, redirect, render_template, request, url_for

from fluxrate.core import accounts
from fluxrate.core.errors import FluxrateError, TooMany, Unavailable
from fluxrate.core.model import User
from fluxrate.http import auth
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.links import local

WRONG = "No account has this email and password."


def sign_in() -> Response:
    """`GET` and `POST /sign-in`; form fields `email`, `password`, and `next`, the local address to go on to."""
    target = local(request.values.get("next"))
    if fragments.wanted():
        return fragments.leave_for(request.full_path)
    if request.method != "POST":
        return _redirect(target) if auth.current_user() else _form(next=target)
    email, password = _sent()
    errors = _missing(email, password)
    if errors:
        return _form(422, next=target, email=email, errors=errors)
    try:
        user = auth.sign_in(email, password)
    except TooMany as held_back:
        response = _form(429, next=target, email=email, errors={"password": held_back.detail})
        response.headers["Retry-After"] = str(held_back.retry_after)
        return response
    if user is None:
        return _form(401, next=target, email=email, errors={"password": WRONG})
    return _enter(user, target)


def setup(token: str) -> Response:
    """`GET` and `POST /setup/<token>`: create the first administrator; the link works once."""
    if not accounts.setup_token_fits(services().store, token):
        return _redirect(url_for("web.sign_in")) if auth.current_user() else _form(403, spent=True, setup=True)
    if request.method != "POST":
        return _form(setup=True)
    email, password = _sent()
    errors = _missing(email, password)
    if errors:
        return _form(422, setup=True, email=email, errors=errors)
    try:
        user = auth.create_first_administrator(token, email, password)
    except Unavailable:
        raise
    except FluxrateError as error:
        return _form(error.status, setup=True, email=email, errors={error.field or "password": error.detail})
    return _enter(user, "/")


@auth.page_access
def sign_out() -> Response:
    """`POST /sign-out`: end the session here and on the server."""
    response = _redirect(url_for("web.sign_in"))
    auth.end_session(response)
    return response


def _sent() -> tuple[str, str]:
    return request.form.get("email", "").strip(), request.form.get("password", "")


def _missing(email: str, password: str) -> dict[str, str]:
    said = {
        "email": "" if email else "Give the email of the account.",
        "password": "" if password else "Give the password.",
    }
    return {name: sentence for name, sentence in said.items() if sentence}


def _form(status: int = 200, **context: Any) -> Response:
    return make_response(render_template("sign_in.html", **{"errors": {}, "email": "", **context}), status)


def _enter(user: User, target: str) -> Response:
    response = _redirect(target)
    auth.start_session(response, user)
    return response


def _redirect(target: str) -> Response:
    return make_response(redirect(target, 303))
