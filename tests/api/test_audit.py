"""The audit trail: who did what, to what, when and from where; in the transaction of the change, without a secret."""

from __future__ import annotations

import re

import pytest
import time_machine

from fluxrate.app import now
from fluxrate.cli import cli
from fluxrate.core import accounts, trail
from fluxrate.core.model import COMMAND_LINE, Note
from tests.callers import Api, make_key, parts_of, problem

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
ENTRY = ["id", "at", "actor", "action", "target", "address", "details"]
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"


def entries(api: Api, **query) -> list[dict]:
    response = api.get("/audit", page_size=100, **query)
    assert response.status_code == 200, response.text
    return response.json["data"]


def latest(api: Api) -> dict:
    return entries(api)[0]


def actor(api: Api) -> str:
    return f"key:{api.secret[:20]} test"


def browser_of(app):
    """A browser that signed in, and its account."""
    parts = parts_of(app)
    accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    client = app.test_client()
    assert client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    return client


def test_what_each_call_that_changes_something_leaves(api):
    """One entry for each change: the key by its public part and name, the action, the target, the address, details."""
    made = api.post("/api-keys", {"name": "billing", "scopes": ["usage.read"]}).json
    api.call("DELETE", f"/api-keys/{made['id']}")
    meter = {"meter_name": "bytes", "aggregation_type": "MAX", "decimals": 0}
    assert api.post("/meters", meter).status_code == 201
    assert api.patch("/meters/bytes", {"unit": "B", "name": "bytes"}).status_code == 200
    assert api.post("/customers", {"external_id": "acme"}).status_code == 201
    assert api.patch("/customers/acme", {"name": "Acme", "email": "a@acme.example"}).status_code == 200
    assert api.call("PUT", "/customers/acme", json={"name": "Acme"}).status_code == 200
    sent = {"meter_name": "bytes", "customer_external_id": "acme", "quantity": "1"}
    event = api.post("/sdk/track", sent).json
    assert api.post(f"/events/{event['id']}/void", {"reason": "a test"}).status_code == 200
    found = entries(api)
    said = [(entry["action"], entry["target"], entry["details"]) for entry in reversed(found)][1:]
    assert said == [
        ("key.created", f"key:{made['prefix']}", {"name": "billing", "scopes": ["usage.read"]}),
        ("key.revoked", f"key:{made['prefix']}", {"name": "billing"}),
        ("meter.created", "meter:bytes", {"aggregation_type": "MAX", "decimals": 0}),
        ("meter.updated", "meter:bytes", {"unit": {"from": None, "to": "B"}}),
        ("customer.created", "customer:acme", {}),
        ("customer.updated", "customer:acme", {"fields": ["name", "email"]}),
        ("customer.updated", "customer:acme", {"fields": []}),
        ("event.voided", f"event:{event['id']}", {"reason": "a test"}),
    ]
    for entry in found[:-1]:
        assert list(entry) == ENTRY
        assert entry["actor"] == actor(api)
        assert entry["address"] == "127.0.0.1"
        assert re.fullmatch(MOMENT, entry["at"])


def test_what_is_refused_leaves_nothing(api):
    """A change that was not made is not told of: wrong fields, names taken, what is not there, a missing scope."""
    api.meter()
    reader = Api(api.app, make_key(api.app, "usage.read"))
    event = api.track()
    api.post(f"/events/{event['id']}/void", {"reason": "once"})
    before = entries(api)
    for one, method, path, body in (
        (api, "POST", "/meters", {"meter_name": "calls", "aggregation_type": "SUM"}),
        (api, "POST", "/meters", {"meter_name": "x", "aggregation_type": "NONE"}),
        (api, "PATCH", "/meters/calls", {"decimals": 1}),
        (api, "POST", "/customers", {"external_id": "acme"}),
        (api, "POST", "/api-keys", {"name": "x", "scopes": []}),
        (api, "DELETE", "/api-keys/nobody", None),
        (api, "POST", f"/events/{event['id']}/void", {"reason": "twice"}),
        (api, "POST", f"/events/{event['id']}/void", {"reason": ""}),
        (reader, "POST", "/meters", {"meter_name": "x", "aggregation_type": "SUM"}),
    ):
        assert one.call(method, path, json=body).status_code >= 400, path
    assert entries(api) == before


def test_sending_events_leaves_no_trace(api):
    """The trail is for what people and programs change, not for usage; a customer made by an event is no change."""
    api.meter()
    before = entries(api)
    api.track()
    api.post("/events", [{"meter_name": "calls", "customer_external_id": "new", "quantity": "1"}] * 3)
    assert entries(api) == before


def test_coming_in_and_going_out(app):
    """Accounts, sign-ins, failed ones, sign-outs and new passwords; of a failed one the account only where there is
    one, because people type passwords into the wrong field.
    """
    browser, api = browser_of(app), Api(app)
    for email in (EMAIL, "nobody@example.com", "hunter2 my password"):
        assert app.test_client().post("/sign-in", data={"email": email, "password": "wrong"}).status_code == 401
    token = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/").text)[1]
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 303
    assert browser.post("/sign-out", data={"csrf_token": token}).status_code == 302
    parts = parts_of(app)
    accounts.set_password(parts.store, parts.store.users.by_email(EMAIL), "another long password", parts.clock())
    rows = [(e["action"], e["actor"], e["target"], e["address"]) for e in entries(api) if e["action"] != "key.created"]
    user = f"user:{EMAIL}"
    assert rows[::-1] == [
        ("user.created", "cli", user, None),
        ("user.signed_in", user, user, "127.0.0.1"),
        ("sign_in.failed", "nobody", user, "127.0.0.1"),
        ("sign_in.failed", "nobody", None, "127.0.0.1"),
        ("sign_in.failed", "nobody", None, "127.0.0.1"),
        ("user.signed_out", user, user, "127.0.0.1"),
        ("password.changed", "cli", user, None),
    ]


def test_the_first_administrator_is_told_of(app):
    """The one-time link leaves who used it, from where."""
    token = accounts.new_setup_token(parts_of(app).store)
    assert app.test_client().post(f"/setup/{token}", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    signed_in, created = [e for e in entries(Api(app)) if e["action"] != "key.created"]
    assert signed_in["action"] == "user.signed_in"
    assert (created["action"], created["actor"], created["target"], created["address"], created["details"]) == (
        "user.created", f"user:{EMAIL}", f"user:{EMAIL}", "127.0.0.1", {"with": "the one-time link"},
    )  # fmt: skip


def test_a_person_is_named_and_a_key_beside_the_session_counts(app):
    """What a browser changes is under the account's address; where a key came too, the key did it."""
    browser, api = browser_of(app), Api(app)
    token = re.search(r'name="csrf_token" value="(\w+)"', browser.get("/").text)[1]
    body = {"name": "k", "scopes": ["usage.read"]}
    assert browser.post("/api/v1/api-keys", json=body, headers={"X-CSRF-Token": token}).status_code == 201
    assert latest(api)["actor"] == f"user:{EMAIL}"
    assert browser.post("/api/v1/api-keys", json=body, headers={"X-API-Key": api.secret}).status_code == 201
    assert latest(api)["actor"] == actor(api)


def test_filters(api):
    """By actor (of a key the public part is enough), by action and by window; each exactly, and counted exactly."""
    other = Api(api.app, make_key(api.app, "admin"))
    for one in (api, other, other):
        one.post("/api-keys", {"name": "k", "scopes": ["usage.read"]})
    other.post("/customers", {"external_id": "acme"})
    mine, theirs = f"key:{api.secret[:20]}", f"key:{other.secret[:20]}"
    assert {e["actor"] for e in entries(api, actor=mine)} == {actor(api)}
    assert len(entries(api, actor=theirs)) == 3
    assert len(entries(api, actor=actor(other), action="key.created")) == 2
    assert [e["target"] for e in entries(api, action="customer.created")] == ["customer:acme"]
    assert entries(api, actor=theirs[:-1]) == entries(api, actor="key:%") == entries(api, actor="cli_") == []
    assert len(entries(api, actor="cli")) == 2
    parts, day = parts_of(api.app), 86_400_000_000
    parts.store.trail.add(Note(COMMAND_LINE, "import.started", None, parts.clock() - 40 * day))
    assert entries(api, action="import.started") == []
    assert len(entries(api, action="import.started", start_date="2020-01-01")) == 1
    assert entries(api, end_date="2020-01-01") == []


def test_pages_of_the_list(api):
    """The latest first, cut into pages without overlap, with the shape of every list."""
    for number in range(5):
        api.post("/customers", {"external_id": f"c{number}"})
    seen = []
    for page in (1, 2, 3):
        body = api.get("/audit", page=page, page_size=2, action="customer.created").json
        assert body["meta"] == {"page": page, "page_size": 2, "total": 5, "total_pages": 3}
        seen += [entry["target"] for entry in body["data"]]
    assert seen == [f"customer:c{number}" for number in (4, 3, 2, 1, 0)]
    assert api.get("/audit", page=4, page_size=2, action="customer.created").json["data"] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"action": "nope"}, "action is one of"),
        ({"actor": ""}, "actor"),
        ({"actor": "x" * 513}, "actor"),
        ({"actor": "a\0b"}, "NUL"),
        ({"start_date": "x"}, "start_date"),
        ({"start_date": "2025-02-01", "end_date": "2025-01-01"}, "start_date"),
        ({"timezone": "Mars"}, "timezone"),
        ({"page_size": "101"}, "page_size"),
        ({"who": "me"}, "who is unknown"),
    ],
)
def test_what_cannot_be_read_is_refused(api, query, said):
    problem(api.get("/audit", **query), 422, said)


def test_the_change_and_its_entry_are_one_transaction(app, monkeypatch):
    """When the entry cannot be written, the change is not made either."""
    api = Api(app)
    parts = parts_of(app)
    with parts.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE audit RENAME TO audit_away")
    for method, path, body in (
        ("POST", "/api-keys", {"name": "k", "scopes": ["admin"]}),
        ("POST", "/customers", {"external_id": "acme"}),
        ("POST", "/meters", {"meter_name": "m", "aggregation_type": "SUM"}),
    ):
        assert api.call(method, path, json=body).status_code >= 500
    with parts.store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_away RENAME TO audit")
    assert len(parts.store.keys.all()) == 1
    assert parts.store.customers.count() == 0
    assert parts.store.meters.all() == []


def test_no_secret_is_in_the_trail(app):
    """Neither key, password, token of a session nor of a link stands in any entry."""
    parts = parts_of(app)
    link = accounts.new_setup_token(parts.store)
    app.test_client().post(f"/setup/{link}", data={"email": EMAIL, "password": PASSWORD})
    client = app.test_client()
    client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    client.post("/sign-in", data={"email": PASSWORD, "password": PASSWORD})
    session = client.get_cookie("fluxrate_session").value
    api = Api(app)
    secret = api.post("/api-keys", {"name": "k", "scopes": ["admin"]}).json["key"]
    told = api.get("/audit", page_size=100).text
    assert EMAIL in told
    for held in (secret, api.secret, PASSWORD, session, link):
        assert held[-20:] not in told


def test_the_actions_are_those_that_are_documented():
    """docs/accounts-and-keys.md names each action, and the page has words for each."""
    from fluxrate.web.audit import WORDS
    from tests.test_documented import page

    assert set(WORDS) == set(trail.ACTIONS)
    text = page("accounts-and-keys.md")
    for action in trail.ACTIONS:
        assert f"`{action}`" in text, action
    with pytest.raises(Exception, match="action is one of"):
        trail.check_action("x")


def test_commands_are_told_of(tmp_path):
    """Keys, accounts, meters and imports made on the command line are under `cli`, without an address."""
    from click.testing import CliRunner

    folder = str(tmp_path / "instance")
    file = tmp_path / "usage.csv"
    file.write_text("customer_external_id,quantity,idempotency_key\nacme,1,a\nacme,1,a\nacme,x,b\n")
    columns = ("--customer", "customer_external_id")
    for words, sent in (
        (("keys", "create", "--name", "k", "--scope", "admin"), None),
        (("keys", "revoke", "k"), None),
        (("users", "create", EMAIL, "--password-stdin"), PASSWORD),
        (("users", "passwd", EMAIL, "--password-stdin"), PASSWORD + "!"),
        (("meters", "create", "calls", "--aggregation", "SUM"), None),
        (("import", str(file), "--meter", "calls", *columns), None),
    ):
        done = CliRunner().invoke(cli, ["--instance", folder, *words], input=sent, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    from tests.instances import open_instance

    parts = open_instance(tmp_path / "instance")
    rows, _ = parts.store.trail.list(0, now() + 1, actor=None, action=None, page=1, page_size=100)
    assert [row.action for row in rows][::-1] == [
        "key.created", "key.revoked", "user.created", "password.changed", "meter.created", "import.started",
        "import.finished",
    ]  # fmt: skip
    assert {(row.actor, row.address) for row in rows} == {("cli", None)}
    assert rows[0].target == "meter:calls"
    assert rows[0].details == {"file": str(file), "accepted": 1, "duplicates": 1, "rejected": 1}
    parts.close()


def test_entries_are_dated_to_the_microsecond(api):
    with time_machine.travel(now() / 1e6 // 1 - 5 + 0.123456, tick=False):
        api.post("/customers", {"external_id": "acme"})
    assert re.search(r"\.12345\dZ$", latest(api)["at"])
