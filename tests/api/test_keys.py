"""API keys: the secret is told once, kept only as a digest, and refused from the moment it is revoked."""

from __future__ import annotations

import re
import time

import pytest

from tests.callers import Api, make_key, parts_of, problem

KEYS = ["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"]


def test_a_new_key_is_told_once(api):
    """`POST /api-keys` answers 201 with the secret under `key`; no later answer holds it."""
    response = api.post("/api-keys", {"name": "billing", "scopes": ["usage.write", "usage.read"]})
    assert response.status_code == 201
    made = response.json
    assert list(made) == [*KEYS, "key"]
    assert re.fullmatch(r"sk_live_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{43}", made["key"])
    assert made["key"].startswith(made["prefix"])
    assert (made["scopes"], made["last_used_at"], made["revoked_at"]) == (["usage.read", "usage.write"], None, None)
    secret = made.pop("key")
    one = api.get(f"/api-keys/{made['id']}")
    assert one.json == made == api.get(f"/api-keys/{made['prefix']}").json
    assert list(one.json) == KEYS
    listed = api.get("/api-keys")
    assert made in listed.json["data"]
    assert secret not in one.text + listed.text


def test_no_secret_is_in_the_database_files(app):
    """Neither key, password, session token nor setup token stands in any file of the instance."""
    from fluxrate.core import accounts

    parts = parts_of(app)
    setup = accounts.new_setup_token(parts.store)
    api = Api(app)
    secret = api.post("/api-keys", {"name": "k", "scopes": ["admin"]}).json["key"]
    password = "correct horse battery"
    accounts.create_user(parts.store, "ada@example.com", password, parts.clock())
    client = app.test_client()
    client.post("/sign-in", data={"email": "ada@example.com", "password": password})
    session = client.get_cookie("fluxrate_session").value
    parts.live.save(force=True)
    content = b"".join(file.read_bytes() for file in parts.instance.rglob("*") if file.is_file())
    assert b"ada@example.com" in content
    for held in (secret, api.secret, password, session, setup):
        assert held.encode() not in content
        assert held[-30:].encode() not in content


def test_both_headers_take_a_key(api):
    """A key comes as X-API-Key or as a bearer token, whatever the case of the word."""
    for headers in (
        {"X-API-Key": api.secret},
        {"Authorization": f"Bearer {api.secret}"},
        {"Authorization": f"bearer  {api.secret}"},
    ):
        assert api.client.get("/api/v1/metrics", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "sk_live_"},
        {"X-API-Key": "sk_live_" + "0" * 12 + "_" + "a" * 43},
        {"X-API-Key": "sk_live_ü"},
        {"X-API-Key": "x" * 4_000},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nope"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Cookie": "fluxrate_session=nope"},
    ],
)
def test_what_is_no_key_is_a_401(app, headers):
    """No key, an empty, unknown or malformed one: 401, and the answer says how a key is sent."""
    response = app.test_client().get("/api/v1/metrics", headers=headers)
    problem(response, 401, "key")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_one_wrong_character_is_a_401(api):
    """A key that differs anywhere in its secret, or has something behind it, is refused."""
    for wrong in (
        api.secret[:-1],
        api.secret + "x",
        api.secret[:-1] + ("a" if api.secret[-1] != "a" else "b"),
        api.secret.upper(),
    ):
        problem(api.client.get("/api/v1/metrics", headers={"X-API-Key": wrong}), 401)


def test_a_revoked_key_is_refused_at_once(api):
    """The call after the revocation is a 401; revoking again is a conflict; the key stays listed."""
    secret = make_key(api.app, "usage.read")
    other = Api(api.app, secret)
    assert other.get("/metrics").status_code == 200
    prefix = secret[:20]
    revoked = api.call("DELETE", f"/api-keys/{prefix}")
    assert (revoked.status_code, revoked.json["prefix"]) == (200, prefix)
    assert revoked.json["revoked_at"] is not None
    problem(other.get("/metrics"), 401, "revoked")
    problem(api.call("DELETE", f"/api-keys/{prefix}"), 409, "already revoked")
    assert api.get("/api-keys").json["meta"]["total"] == 2


def test_a_key_changes_its_name_and_scopes(api):
    """PATCH changes what is sent from the next call on; the secret stays, and a revoked key stays as it is."""
    secret = make_key(api.app, "usage.read")
    path, other = f"/api-keys/{secret[:20]}", Api(api.app, secret)
    before = api.get(path).json
    assert api.patch(path, {"name": " nightly "}).json == {**before, "name": "nightly"}
    problem(other.get("/api-keys"), 403, "admin")
    widened = api.patch(path, {"scopes": ["admin", "usage.write"]})
    assert (widened.status_code, widened.json["scopes"]) == (200, ["usage.write", "admin"])
    assert other.get("/api-keys").status_code == 200
    said = [(entry["action"], entry["details"]) for entry in api.get("/audit").json["data"][:2]]
    assert said == [
        ("key.updated", {"scopes": {"from": ["usage.read"], "to": ["usage.write", "admin"]}}),
        ("key.updated", {"name": {"from": "test", "to": "nightly"}}),
    ]
    for body in ({"scopes": []}, {"scopes": ["root"]}, {"name": ""}, {"key": "sk_live_mine"}):
        problem(api.patch(path, body), 422, *body)
    problem(api.patch("/api-keys/nope", {"name": "x"}), 404, "'nope'")
    api.call("DELETE", path)
    problem(api.patch(path, {"name": "late"}), 409, "revoked")
    assert api.get(path).json["name"] == "nightly"


def test_the_use_of_a_key_is_dated(api):
    """`last_used_at` tells when a key was last seen, to the minute."""
    secret = make_key(api.app, "usage.read")
    assert api.get(f"/api-keys/{secret[:20]}").json["last_used_at"] is None
    Api(api.app, secret).get("/metrics")
    assert api.get(f"/api-keys/{secret[:20]}").json["last_used_at"] is not None


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "k", "scopes": []}, 422, "scopes"),
        ({"name": "k", "scopes": ["root"]}, 422, "usage.read, usage.write, admin"),
        ({"name": "k", "scopes": "admin"}, 422, "scopes"),
        ({"name": "k"}, 422, "scopes is missing"),
        ({"scopes": ["admin"]}, 422, "name is missing"),
        ({"name": "", "scopes": ["admin"]}, 422, "name"),
        ({"name": "a\0", "scopes": ["admin"]}, 400, "name"),
        ({"name": "x" * 256, "scopes": ["admin"]}, 422, "name"),
        ({"name": "k", "scopes": ["admin"], "key": "sk_live_mine"}, 422, "key is unknown here"),
    ],
)
def test_a_key_that_breaks_a_rule_is_not_made(api, body, status, said):
    """A wrong field is refused in a sentence about it, and no key is there afterwards."""
    problem(api.post("/api-keys", body), status, said)
    assert api.get("/api-keys").json["meta"]["total"] == 1


def test_an_unknown_key_is_not_found(api):
    """Reading or revoking what does not exist is a 404."""
    problem(api.get("/api-keys/sk_live_000000000000"), 404, "sk_live_000000000000")
    problem(api.call("DELETE", "/api-keys/nope"), 404, "'nope'")


def test_a_key_revoked_elsewhere_is_refused_within_the_refresh_interval(make_app):
    """Another process looks a key up once in its interval: then it is refused there, too, and stays so."""
    here, there = (Api(make_app(REFRESH_INTERVAL_MS="50")) for _ in range(2))
    made = here.post("/api-keys", {"name": "k", "scopes": ["usage.read"]}).json
    reader = Api(there.app, made["key"])
    assert reader.get("/meters").status_code == 200
    assert here.call("DELETE", f"/api-keys/{made['id']}").status_code == 200
    deadline = time.monotonic() + 10
    while reader.get("/meters").status_code == 200:
        assert time.monotonic() < deadline
    for _ in range(5):
        problem(reader.get("/meters"), 401, "revoked")
