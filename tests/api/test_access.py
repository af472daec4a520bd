"""Who may call what: every route under /api by key and scope, by browser session, and not at all from another site."""

from __future__ import annotations

import pytest

from fluxrate.app import BUILT_IN, create_app
from fluxrate.config import load_config
from fluxrate.core import accounts, credentials
from fluxrate.core.errors import ConfigError
from fluxrate.core.model import SCOPES
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.plugin import Plugin
from tests.callers import Api, make_key, parts_of, problem

NEEDS = {
    "GET /api/v1/api-keys": "admin",
    "POST /api/v1/api-keys": "admin",
    "GET /api/v1/api-keys/<key>": "admin",
    "PATCH /api/v1/api-keys/<key>": "admin",
    "DELETE /api/v1/api-keys/<key>": "admin",
    "GET /api/v1/audit": "admin",
    "GET /api/v1/customers": "usage.read",
    "POST /api/v1/customers": "usage.write",
    "GET /api/v1/customers/<customer>": "usage.read",
    "PATCH /api/v1/customers/<customer>": "usage.write",
    "PUT /api/v1/customers/<customer>": "usage.write",
    "DELETE /api/v1/customers/<customer>": "admin",
    "GET /api/v1/customers/<customer>/usage": "usage.read",
    "POST /api/v1/events": "usage.write",
    "POST /api/v1/events/<event>/void": "usage.write",
    "GET /api/v1/meters": "usage.read",
    "POST /api/v1/meters": "admin",
    "GET /api/v1/meters/<meter>": "usage.read",
    "PATCH /api/v1/meters/<meter>": "admin",
    "DELETE /api/v1/meters/<meter>": "admin",
    "POST /api/v1/features": "admin",
    "GET /api/v1/meters/<meter>/events": "usage.read",
    "GET /api/v1/meters/<meter>/forecast": "usage.read",
    "GET /api/v1/revenue/forecast": "usage.read",
    "GET /api/v1/revenue/usage": "usage.read",
    "GET /api/v1/subscriptions/<subscription>/usage": "usage.read",
    "GET /api/v1/meters/<meter>/stats": "usage.read",
    "GET /api/v1/meters/<meter>/customers": "usage.read",
    "GET /api/v1/meters/<meter>/usage": "usage.read",
    "GET /api/v1/metrics": "usage.read",
    "GET /api/v1/customers/<customer>/subscriptions": "usage.read",
    "GET /api/v1/customers/<customer>/invoices": "usage.read",
    "GET /api/v1/plans": "usage.read",
    "POST /api/v1/plans": "admin",
    "PUT /api/v1/plans/by-external-id/<external_id>": "admin",
    "GET /api/v1/plans/<plan>": "usage.read",
    "PATCH /api/v1/plans/<plan>": "admin",
    "DELETE /api/v1/plans/<plan>": "admin",
    "GET /api/v1/subscriptions": "usage.read",
    "POST /api/v1/subscriptions": "usage.write",
    "PUT /api/v1/subscriptions/by-external-id/<external_id>": "usage.write",
    "GET /api/v1/subscriptions/<subscription>": "usage.read",
    "PATCH /api/v1/subscriptions/<subscription>": "usage.write",
    "DELETE /api/v1/subscriptions/<subscription>": "admin",
    "GET /api/v1/invoices": "usage.read",
    "POST /api/v1/invoices": "usage.write",
    "PUT /api/v1/invoices/by-external-id/<external_id>": "usage.write",
    "GET /api/v1/invoices/<invoice>": "usage.read",
    "PATCH /api/v1/invoices/<invoice>": "usage.write",
    "DELETE /api/v1/invoices/<invoice>": "admin",
    "GET /api/v1/revenue/mrr": "usage.read",
    "GET /api/v1/revenue/at-risk": "usage.read",
    "GET /api/v1/revenue/at-risk/subscriptions": "usage.read",
    "GET /api/v1/revenue/mrr/changes": "usage.read",
    "GET /api/v1/revenue/mrr/subscriptions": "usage.read",
    "GET /api/v1/revenue/mrr/customers": "usage.read",
    "GET /api/v1/revenue/mrr/retention": "usage.read",
    "GET /api/v1/revenue/usage/periods": "usage.read",
    "GET /api/v1/revenue/forecast/subscriptions": "usage.read",
    "GET /api/v1/revenue/decline": "usage.read",
    "POST /api/v1/sdk/track": "usage.write",
    "GET /api/v1/usage": "usage.read",
    "POST /api/v1/usage": "usage.write",
    "GET /api/v1/usage/aggregate": "usage.read",
}
"""The scope that each route needs. A new route needs a row here."""

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
TRACK = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"}


@pytest.fixture(scope="module")
def keys(module_app):
    """A key of each scope alone, on an instance with the meter `calls` and the customer `acme`."""
    Api(module_app).meter()
    Api(module_app).track()
    return {scope: make_key(module_app, scope) for scope in SCOPES}


@pytest.fixture
def browser(app):
    """A signed-in browser, with the meter `calls` there."""
    Api(app).meter()
    parts = parts_of(app)
    accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    client = app.test_client()
    assert client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    return client


WEBHOOK = "/api/v1/stripe/webhook"
"""The one that takes no key: its caller signs what it sends, see tests/plugins/test_stripe_webhook.py."""


def routes(app) -> set[str]:
    return {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api") and rule.rule != WEBHOOK
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def call(app, route: str, headers: dict[str, str]):
    method, rule = route.split()
    path = rule.replace("<meter>", "calls").replace("<customer>", "acme").replace("<key>", "nope")
    return app.test_client().open(path, method=method, headers=headers, json={} if method != "GET" else None)


def csrf(client) -> dict[str, str]:
    return {"X-CSRF-Token": credentials.csrf_token(client.get_cookie("fluxrate_session").value)}


def test_every_route_states_its_scope_here(module_app):
    """The table above and the application's routes are the same."""
    assert routes(module_app) == set(NEEDS)


@pytest.mark.parametrize("route", NEEDS)
def test_without_a_key_nothing_is_told(module_app, keys, route):
    """Each route answers 401 without a key, before it looks at anything else."""
    problem(call(module_app, route, {}), 401, "API key")
    problem(call(module_app, route, {"X-API-Key": keys["admin"][:-1] + "!"}), 401)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route", NEEDS)
def test_each_scope_opens_its_own_routes(module_app, keys, route, scope):
    """A key without the scope is a 403 that names it; with the scope, or as admin, the call is heard."""
    response = call(module_app, route, {"X-API-Key": keys[scope]})
    if scope in (NEEDS[route], "admin"):
        assert response.status_code in (200, 400, 404, 409, 422), response.text
    else:
        problem(response, 403, NEEDS[route], scope)


def test_a_view_without_a_scope_stops_the_start(tmp_path):
    """Nothing under /api is open by oversight: an application with such a view is not made."""
    blueprint = ApiBlueprint("open", __name__, url_prefix="/api/v1/open")
    blueprint.add_url_rule("", "view", lambda: "")
    with pytest.raises(ConfigError, match="/api/v1/open states no scope"):
        create_app(load_config(str(tmp_path), environ={}), (*BUILT_IN, Plugin("open", blueprints=(blueprint,))))


def test_what_is_no_route_is_a_problem(module_app, keys):
    """Under /api an unknown path is a 404 and a wrong method a 405, both as problems, with or without a key."""
    client = module_app.test_client()
    for headers in ({}, {"X-API-Key": keys["admin"]}):
        problem(client.get("/api/v1/nope", headers=headers), 404, "/api/v1/nope")
        response = client.put("/api/v1/meters/calls", headers=headers)
        problem(response, 405, "PUT")
        assert {"GET", "PATCH", "DELETE"} <= set(response.headers["Allow"].split(", "))


def test_a_session_may_read_without_a_token(browser):
    """A signed-in browser has every scope for what changes nothing."""
    for path in ("/api/v1/meters", "/api/v1/api-keys", "/api/v1/usage"):
        assert browser.get(path).status_code == 200


def test_a_session_changes_things_with_its_token_only(browser):
    """An unsafe request of a session needs the session's CSRF token: none, a wrong one or another's is a 403."""
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": credentials.csrf_token("other")}):
        problem(browser.post("/api/v1/sdk/track", json=TRACK, headers=headers), 403, "CSRF")
        problem(browser.post("/api/v1/meters", json={}, headers=headers), 403, "CSRF")
        problem(browser.delete("/api/v1/api-keys/x", headers=headers), 403, "CSRF")
    assert browser.get("/api/v1/usage").json["meta"]["total"] == 0
    assert browser.post("/api/v1/sdk/track", json=TRACK, headers=csrf(browser)).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_another_site_is_refused_even_with_the_token(browser, headers):
    """What the browser says comes from elsewhere is a 403, and so is signing in from there."""
    problem(browser.post("/api/v1/sdk/track", json=TRACK, headers=csrf(browser) | headers), 403, "another")
    form = {"email": EMAIL, "password": PASSWORD}
    assert browser.application.test_client().post("/sign-in", data=form, headers=headers).status_code == 403
    assert browser.get("/api/v1/usage").json["meta"]["total"] == 0


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
def test_our_own_pages_are_let_in(browser, headers):
    """A request that the browser says is ours passes with the token."""
    assert browser.post("/api/v1/sdk/track", json=TRACK, headers=csrf(browser) | headers).status_code == 201


def test_a_form_of_another_site_cannot_send_events(browser):
    """The content types that a plain form can send are refused, so a forged form never gets as far as the token."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        response = browser.post("/api/v1/sdk/track", data=b"{}", content_type=content_type, headers=csrf(browser))
        problem(response, 415, "application/json")
        problem(browser.post("/api/v1/sdk/track", data=b"{}", content_type=content_type), 403)


def test_a_key_beside_a_session_decides(browser):
    """When a key is sent, the session counts for nothing: a bad key is a 401, and a good one needs no token."""
    app = browser.application
    problem(browser.get("/api/v1/meters", headers={"X-API-Key": "sk_live_bad"}), 401)
    reader = {"X-API-Key": make_key(app, "usage.read")}
    problem(browser.post("/api/v1/sdk/track", json=TRACK, headers=reader | csrf(browser)), 403, "usage.write")
    writer = {"X-API-Key": make_key(app, "usage.write")}
    assert browser.post("/api/v1/sdk/track", json=TRACK, headers=writer).status_code == 201


def test_a_session_ends_on_the_server(browser):
    """After signing out the old cookie opens nothing, and its token neither."""
    token = browser.get_cookie("fluxrate_session").value
    assert browser.post("/sign-out", headers=csrf(browser)).status_code == 303
    old = {"Cookie": f"fluxrate_session={token}", "X-CSRF-Token": credentials.csrf_token(token)}
    fresh = browser.application.test_client(use_cookies=False)
    problem(fresh.get("/api/v1/meters", headers=old), 401)
    problem(fresh.post("/api/v1/sdk/track", json=TRACK, headers=old), 401)


def test_a_new_password_ends_every_session(browser):
    """Who knew the old password is out."""
    parts = parts_of(browser.application)
    accounts.set_password(parts.store, parts.store.users.by_email(EMAIL), "another long password", parts.clock())
    problem(browser.get("/api/v1/meters"), 401)


def test_a_session_ends_after_days_or_without_use(browser):
    """Unused for 72 hours, or 30 days after signing in, a session opens nothing any more."""
    import time_machine

    from fluxrate.app import now

    start = now() / 1e6
    with time_machine.travel(start + 71 * 3600, tick=False):
        assert browser.get("/api/v1/meters").status_code == 200
    with time_machine.travel(start + (71 + 73) * 3600, tick=False):
        problem(browser.get("/api/v1/meters"), 401)
    for day in range(2, 30, 2):
        with time_machine.travel(start + day * 86_400 + 3600, tick=False):
            browser.get("/api/v1/meters")
    with time_machine.travel(start + 30 * 86_400 + 1, tick=False):
        problem(browser.get("/api/v1/meters"), 401)


def test_answers_carry_the_security_headers(module_app, keys):
    """Data is never cached and never framed; the policy allows nothing inline; nothing tells what serves it."""
    client = module_app.test_client()
    for response in (
        client.get("/api/v1/meters", headers={"X-API-Key": keys["admin"]}),
        client.get("/api/v1/meters"),
        client.get("/openapi.json"),
        client.get("/health"),
        client.get("/sign-in"),
    ):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


def test_an_origin_that_cannot_be_read_is_another_origin(app):
    """A broken header is refused, not an error."""
    response = app.test_client().post("/sign-in", data={"email": "a", "password": "b"}, headers={"Origin": "http://["})
    assert response.status_code == 403


def test_only_a_file_that_is_there_may_be_kept_by_a_browser(app):
    """A missing one would stay missing after the next release."""
    client = app.test_client()
    there, missing = client.get("/static/app.js?v=1"), client.get("/static/nothing.js?v=1")
    assert (there.status_code, "immutable" in there.headers["Cache-Control"]) == (200, True)
    assert (missing.status_code, "immutable" in missing.headers["Cache-Control"]) == (404, False)
