"""Every route of the application, by every kind of caller: the tables say who gets in, and a new route needs a row."""

from __future__ import annotations

import re

import pytest

from fluxrate.core import accounts, credentials
from fluxrate.core.model import SCOPES
from fluxrate.http.headers import CSP
from tests.api.test_access import NEEDS
from tests.callers import JSON, Api, make_key, parts_of

PUBLIC, SIGNED_IN, METRICS = "anyone", "a signed-in person", "usage.read"
OTHERS = {
    "GET /": SIGNED_IN,
    "GET /logs": SIGNED_IN,
    "GET /logs/news": SIGNED_IN,
    "GET /logs/export": SIGNED_IN,
    "GET /events/<event>": SIGNED_IN,
    "GET /events/<event>/void": SIGNED_IN,
    "POST /events/<event>/void": SIGNED_IN,
    "GET /meters": SIGNED_IN,
    "POST /panels": SIGNED_IN,
    "GET /panels/<name>": SIGNED_IN,
    "GET /find": SIGNED_IN,
    "GET /meters/new": SIGNED_IN,
    "POST /meters/new": SIGNED_IN,
    "GET /meters/<meter>": SIGNED_IN,
    "GET /meters/<meter>/edit": SIGNED_IN,
    "POST /meters/<meter>/edit": SIGNED_IN,
    "GET /meters/<meter>/archive": SIGNED_IN,
    "POST /meters/<meter>/archive": SIGNED_IN,
    "POST /meters/<meter>/restore": SIGNED_IN,
    "GET /customers": SIGNED_IN,
    "GET /customers/new": SIGNED_IN,
    "POST /customers/new": SIGNED_IN,
    "GET /customers/<customer>": SIGNED_IN,
    "GET /customers/<customer>/edit": SIGNED_IN,
    "POST /customers/<customer>/edit": SIGNED_IN,
    "GET /revenue": SIGNED_IN,
    "GET /revenue/sections/<name>": SIGNED_IN,
    "GET /revenue/changes": SIGNED_IN,
    "GET /revenue/subscriptions": SIGNED_IN,
    "GET /revenue/customers": SIGNED_IN,
    "GET /revenue/retention": SIGNED_IN,
    "GET /revenue/usage": SIGNED_IN,
    "GET /revenue/forecast": SIGNED_IN,
    "GET /revenue/at-risk": SIGNED_IN,
    "GET /revenue/invoices": SIGNED_IN,
    "GET /subscriptions/<subscription>": SIGNED_IN,
    "GET /invoices/<invoice>": SIGNED_IN,
    "GET /first-run": SIGNED_IN,
    "POST /first-run": SIGNED_IN,
    "GET /first-run/event": SIGNED_IN,
    "GET /settings": SIGNED_IN,
    "GET /settings/keys": SIGNED_IN,
    "POST /settings/keys": SIGNED_IN,
    "GET /settings/keys/<key>/revoke": SIGNED_IN,
    "POST /settings/keys/<key>/revoke": SIGNED_IN,
    "GET /settings/accounts": SIGNED_IN,
    "POST /settings/accounts": SIGNED_IN,
    "GET /settings/accounts/<account>/remove": SIGNED_IN,
    "POST /settings/accounts/<account>/remove": SIGNED_IN,
    "GET /settings/plugins": SIGNED_IN,
    "GET /settings/audit": SIGNED_IN,
    "GET /settings/health": SIGNED_IN,
    "POST /sign-out": SIGNED_IN,
    "POST /api/v1/stripe/webhook": PUBLIC,
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "GET /setup/<token>": PUBLIC,
    "POST /setup/<token>": PUBLIC,
    "GET /time-zones": PUBLIC,
    "GET /static/<path:filename>": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/static/<path:filename>": PUBLIC,
    "GET /health": PUBLIC,
    "GET /ready": PUBLIC,
    "GET /metrics": METRICS,
}
"""Who may call what is not under /api. Both forms of signing in look at what is sent, not at who sends it."""

ALL = {**NEEDS, **OTHERS}
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
CALLERS = ("none", "bad key", "revoked key", *SCOPES, "session without token", "session")
PLACES = {
    "<meter>": "calls",
    "<name>": "trend",
    "<customer>": "acme",
    "<key>": "nope",
    "<account>": "nope",
    "<plan>": "nope",
    "<subscription>": "nope",
    "<invoice>": "nope",
    "<external_id>": "nope",
    "<token>": "x",
    "<path:filename>": "app.css",
}
CROSS = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:8001"},
)


@pytest.fixture(scope="module")
def world(module_app):
    """The application with a meter, an event and an account; what each caller sends; and the event's id."""
    api, parts = Api(module_app), parts_of(module_app)
    api.meter()
    event = api.track()["id"]
    user = accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    sent = {scope: {"X-API-Key": make_key(module_app, scope)} for scope in SCOPES}
    revoked = make_key(module_app, "admin")
    api.call("DELETE", f"/api-keys/{revoked[:20]}")
    sent |= {"none": {}, "revoked key": {"X-API-Key": revoked}, "bad key": {"X-API-Key": api.secret[:-2] + "!!"}}
    return module_app, user, sent, event


def session_of(app, user) -> dict[str, str]:
    """The headers of a new session with its CSRF token; without the time that a password takes."""
    token, parts = credentials.new_token(), parts_of(app)
    parts.store.sessions.create(credentials.digest(token), user.pk, parts.clock())
    return {"Cookie": f"fluxrate_session={token}", "X-CSRF-Token": credentials.csrf_token(token)}


def call(world, route: str, headers: dict[str, str]):
    app, _, _, event = world
    method, path = route.split()
    for place, value in {**PLACES, "<event>": event}.items():
        path = path.replace(place, value)
    form = {"email": EMAIL, "password": "not the password"} if path == "/sign-in" else {}
    body = {} if method == "GET" else {"json": {}} if path.startswith("/api") else {"data": form}
    return app.test_client(use_cookies=False).open(path, method=method, headers=headers, **body)


def let_in(response) -> bool:
    """Neither refused nor sent to sign in first."""
    away = response.status_code == 302 and response.headers["Location"].startswith("/sign-in")
    return response.status_code not in (401, 403) and not away


def may(route: str, caller: str) -> bool:
    """What the tables say."""
    need = ALL[route]
    if need == PUBLIC:
        return True
    if caller == "session without token":
        return route.startswith("GET")
    if need == SIGNED_IN:
        return caller == "session"
    return caller in (need, "admin", "session")


def test_every_route_has_a_row(module_app):
    """A route that is not in the tables fails here, so that who may call it is decided and not forgotten."""
    rules = module_app.url_map.iter_rules()
    there = {f"{method} {rule.rule}" for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert there == set(ALL)


@pytest.mark.parametrize("route", ALL)
def test_who_gets_in(world, route):
    """Each of nine kinds of caller is let in or not, as the tables say; and each answer has the security headers."""
    app, user, sent, _ = world
    for caller in CALLERS:
        headers = dict(sent[caller]) if caller in sent else session_of(app, user)
        if caller == "session without token":
            del headers["X-CSRF-Token"]
        response = call(world, route, headers)
        if route in ("GET /setup/<token>", "POST /setup/<token>"):
            assert response.status_code in (302, 303, 403), caller  # the link has been used up
            continue
        if route == "POST /sign-in":
            assert response.status_code == 401, caller  # heard, and the password is wrong
        else:
            assert let_in(response) is may(route, caller), f"{caller}: {response.status_code}"
        assert response.status_code < 500
        check_headers(response, route)


def check_headers(response, route: str) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert policy == CSP or route.startswith("GET /docs")
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Content-Type"]
    if "static" not in route:
        assert response.headers["Cache-Control"] == "no-store"


SECRETS = ("POST /setup/<token>", "POST /api/v1/stripe/webhook")
"""What is known by a secret in the request itself: no browser has that to send along."""


@pytest.mark.parametrize("route", [r for r in ALL if not r.startswith("GET") and r not in SECRETS])
def test_no_other_site_can_make_a_browser_do_it(world, route):
    """Whatever changes something refuses what the browser says is from elsewhere, even with the session's token; and a
    form of another site, which can send plain text but no token and no JSON.
    """
    app, user, _, _ = world
    for headers in CROSS:
        assert call(world, route, session_of(app, user) | headers).status_code == 403, headers
    session = session_of(app, user)
    del session["X-CSRF-Token"]
    method, path = route.split()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        if route == "POST /sign-in":
            break
        path = re.sub("<[^>]*>", "x", path)
        plain = app.test_client(use_cookies=False).open(
            path, method=method, headers=session, data=b"reason=x", content_type=kind
        )
        assert plain.status_code == 403, kind


@pytest.mark.parametrize("headers", CROSS)
def test_no_other_site_can_use_the_link_of_the_first_administrator(make_app, headers):
    """The link itself is the secret, and it still works afterwards."""
    app = make_app()
    parts = parts_of(app)
    link = accounts.new_setup_token(parts.store)
    form = {"email": EMAIL, "password": PASSWORD}
    assert app.test_client().post(f"/setup/{link}", data=form, headers=headers).status_code == 403
    assert parts.store.users.count() == 0
    assert accounts.setup_token_fits(parts.store, link)


@pytest.mark.parametrize("route", [route for route in ALL if route.startswith("GET")])
def test_reading_changes_nothing(world, route):
    """A GET, which another site can make a browser send, leaves every table as it was (but for when a key was used)."""
    app, user, sent, _ = world
    parts, headers = parts_of(app), session_of(app, user)

    def tables():
        with parts.store.read() as connection:
            names = ("meters", "customers", "events", "voids", "users", "sessions", "audit", "instance")
            names += ("plans", "subscriptions", "subscription_states", "invoices")
            return [connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in names]

    before = tables()
    call(world, route, headers)
    call(world, route, sent["admin"])
    assert tables() == before


def test_odd_methods_are_not_served(world):
    """TRACE and words that are no method are a 405, on pages and under /api."""
    app = world[0]
    for method in ("TRACE", "CONNECT", "NONSENSE"):
        for path in ("/", "/api/v1/meters", "/sign-in"):
            assert app.test_client().open(path, method=method).status_code == 405


def test_a_key_in_the_address_is_no_key(world):
    """Addresses are written to logs: a key there is refused, not used."""
    app, _, sent, _ = world
    secret = sent["admin"]["X-API-Key"]
    for name in ("key", "api_key", "X-API-Key"):
        response = app.test_client().get("/api/v1/meters", query_string={name: secret}, headers=JSON)
        assert response.status_code == 401
