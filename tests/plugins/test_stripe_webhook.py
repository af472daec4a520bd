"""The door for Stripe: only what is signed gets in, and every answer says what became of it."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json

import pytest
import time_machine

from fluxrate.core.errors import Unauthenticated
from fluxrate.plugins.stripe import signature
from tests.callers import Api, parts_of, problem
from tests.plugins.stripe_objects import JAN, SECRET, event, subscription

NOW = 1_750_000_000
PATH = "/api/v1/stripe/webhook"


def sign(body: bytes, secret: str = SECRET, at: int = NOW) -> str:
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made},v0={'0' * 64}"


@pytest.fixture
def hook(make_app):
    """A function that sends a body, signed unless a header is given, without any key."""
    app = make_app(STRIPE_WEBHOOK_SECRET=SECRET)

    def send(body, header=..., **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = sign(raw) if header is ... else header
        own = {"Content-Type": "application/json; charset=utf-8", **headers}
        own |= {} if signed is None else {"Stripe-Signature": signed}
        return app.test_client().post(PATH, data=raw, headers=own)

    with time_machine.travel(NOW, tick=False):
        send.app = app
        yield send


def test_a_signed_event_is_taken(hook):
    """Without a key; the answer says what it came to, and so do the metrics and the audit trail."""
    assert hook(event(subscription())).json == {"outcome": "created", "remarks": []}
    assert hook(event(subscription())).json["outcome"] == "unchanged"
    assert hook(event(subscription(), JAN)).json["outcome"] == "stale"
    assert hook(event({"object": "charge", "id": "ch_1"})).json == {"outcome": "ignored", "remarks": []}
    assert hook({"object": "v2.core.event", "id": "evt_1"}).json["outcome"] == "ignored"
    api = Api(hook.app)
    with time_machine.travel(NOW + 1, tick=False):
        found = api.get("/audit", actor="stripe").json["data"]
    assert [row["action"] for row in found] == ["subscription.created", "customer.created", "plan.created"]
    assert found[0]["address"] == "127.0.0.1"
    told = hook.app.test_client().get("/metrics", headers={"X-API-Key": api.secret}).text
    for outcome, count in {"created": 1, "unchanged": 1, "stale": 1, "ignored": 2}.items():
        assert f'fluxrate_biller_messages_total{{outcome="{outcome}",source="stripe"}} {count}.0' in told


BODY = json.dumps(event(subscription())).encode()


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "none came"),
        ("", "none came"),
        ("nonsense", "t=SECONDS"),
        (sign(BODY).replace("t=", "x="), "t=SECONDS"),
        (sign(BODY).replace(f"t={NOW}", "t=-1"), "t=SECONDS"),
        (f"t={NOW},{sign(BODY)}", "t=SECONDS"),
        (sign(BODY, "whsec_other"), "No v1"),
        (sign(BODY + b" "), "No v1"),
        (sign(BODY).replace("v1=", "v0="), "No v1"),
        (f"t={NOW},v1=", "No v1"),
        (f"t={NOW},v1=ünïcode", "No v1"),
        (sign(BODY).replace(f"t={NOW}", f"t={NOW + 1}"), "No v1"),
        (sign(BODY, at=NOW - 301), "300 seconds"),
        (sign(BODY, at=NOW + 301), "300 seconds"),
    ],
)
def test_what_is_not_signed_is_refused_and_changes_nothing(hook, header, said):
    problem(hook(BODY, header and header.encode().decode("latin-1")), 401, said)
    assert parts_of(hook.app).store.subscriptions.edition() == (0, 0)
    assert parts_of(hook.app).vitals.messages.read() == {("stripe", "refused"): 1}


@pytest.mark.parametrize(
    "header", [sign(BODY, at=NOW - 300), sign(BODY, at=NOW + 300), "v1=" + "0" * 64 + "," + sign(BODY)]
)
def test_what_is_signed_within_the_tolerance_or_by_one_of_several_secrets(hook, header):
    """While a secret is replaced both sign, in any order."""
    assert hook(BODY, header).status_code == 200


def test_the_signature_is_that_of_the_documented_scheme():
    """A vector made by `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec`; one digit more or less is none."""
    made = "9e4711d7c8a6df6f6635a71dd3df8fbb6138d4f2807a487e8fed2e4a67af1fa8"
    signature.check(f"t=1492774577,v1={made}", b"{}", "whsec", 1_492_774_577_000_000)
    for other in (made[:-1], made + "0", made.upper()):
        with pytest.raises(Unauthenticated):
            signature.check(f"t=1492774577,v1={other}", b"{}", "whsec", 1_492_774_577_000_000)


def test_the_signature_is_of_the_body_as_it_is_read(hook):
    """A body that came packed is signed as it was before."""
    response = hook(gzip.compress(BODY), sign(BODY), **{"Content-Encoding": "gzip"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 422, "JSON"),
        (b"[]", 422, "JSON object"),
        ({"object": "event", "type": "x"}, 422, "created"),
        (event(subscription()) | {"data": []}, 422, "data"),
        (event(subscription(status="new")), 422, "status"),
        (event(subscription(status=7)), 422, "status"),
        (event(subscription(start_date="2025")), 422, "start_date"),
        (event(subscription(start_date=10**15)), 422, "start_date"),
        (event(subscription(currency="xxx")), 422, "ISO 4217"),
        (event(subscription(items={"data": []})), 400, "at least one item"),
        (event(subscription(items={"data": [3]})), 422, "list of objects"),
        (event(subscription(customer=None)), 422, "customer"),
        (event(subscription(customer="a\0b")), 422, "customer"),
        (event(subscription("sub\0")), 422, "id of a Stripe subscription"),
        (event(subscription("x" * 300)), 400, "external_id"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(hook, body, status, said):
    problem(hook(body), status, said)


def test_without_a_secret_there_is_no_door(make_app):
    """404 whatever comes, and the sentence names the setting."""
    response = make_app().test_client().post(PATH, data=BODY, headers={"Content-Type": "application/json"})
    problem(response, 404, "STRIPE_WEBHOOK_SECRET")


def test_other_types_and_parameters_are_refused(hook):
    problem(hook(BODY, **{"Content-Type": "text/plain"}), 415, "application/json")
    response = hook.app.test_client().post(f"{PATH}?key=1", data=BODY, headers={"Content-Type": "application/json"})
    problem(response, 422, "'key'")


def test_the_secret_is_shown_nowhere(hook):
    """Not among the settings in force, where it only says that it is set."""
    shown = {row.name: row.value for row in parts_of(hook.app).in_force}
    assert shown["STRIPE_WEBHOOK_SECRET"] == "***"
