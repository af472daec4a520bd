"""Sending one event: the three shapes, exact quantities, times, and the key that counts once for ever."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine

from tests.callers import Api, counts, exact, make_key, problem

ITEM = [
    "id", "meter_id", "customer_id", "customer_external_id", "quantity", "timestamp", "ingested_at", "created_at",
    "idempotency_key", "voided", "void", "meta_data",
]  # fmt: skip
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def event(**fields):
    return {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"} | fields


def test_the_answer_has_the_documented_keys_and_types(api):
    """`POST /sdk/track` answers 201 with the event: texts where a client decodes texts, and an object of metadata."""
    meter = api.meter()
    response = api.post("/sdk/track", event(quantity="100.50", metadata={"region": "eu", "n": 1}, idempotency_key="k1"))
    assert response.status_code == 201
    body = response.json
    assert sorted(body) == sorted(ITEM)
    for key in ("id", "meter_id", "customer_id"):
        UUID(body[key])
    assert UUID(body["id"]).version == 7
    assert (body["meter_id"], body["quantity"], body["idempotency_key"]) == (meter["id"], "100.5", "k1")
    assert body["meta_data"] == {"region": "eu", "n": 1}
    assert (body["voided"], body["void"]) == (False, None)
    for key in ("timestamp", "created_at", "ingested_at"):
        assert RFC3339.fullmatch(body[key])
    assert response.headers["X-Fluxrate-As-Of"] == "1"
    assert "Idempotent-Replayed" not in response.headers


def test_what_the_go_client_sends_is_taken(api):
    """The public Go client's request, byte for byte: its path with two slashes, a JSON number, a caller's offset."""
    meter = api.meter()
    sent = (
        '{"meter_token":"%s","customer_external_id":"cust_123","quantity":1.5,'
        '"timestamp":"2025-01-15T10:30:00+02:00","idempotency_key":"9b1d","metadata":{"endpoint":"/v1/users"}}'
    )
    headers = {
        "X-API-Key": make_key(api.app, "usage.write"),
        "User-Agent": "Go-http-client/1.1",
        "Accept-Encoding": "gzip",
    }
    assert headers["X-API-Key"].startswith("sk_")
    response = api.client.post(
        "/api/v1//sdk/track", data=sent % meter["meter_token"], headers=headers | {"Content-Type": "application/json"}
    )
    assert (response.status_code, response.mimetype) == (201, "application/json")
    decoded = {
        key: response.json[key] for key in ("id", "customer_id", "meter_id", "quantity", "timestamp", "created_at")
    }
    assert all(isinstance(value, str) for value in decoded.values())
    assert (decoded["quantity"], decoded["timestamp"]) == ("1.5", "2025-01-15T08:30:00Z")
    assert response.json["meta_data"] == {"endpoint": "/v1/users"}


def test_a_slash_too_many_anywhere_in_a_path_does_no_harm(api):
    """Within and after a path of the API: no redirect, which would turn a POST into a GET."""
    api.meter()
    for path in ("/api//v1/sdk///track", "/api/v1/sdk/track/", "/api/v1/sdk/track//"):
        assert api.client.post(path, json=event(), headers={"X-API-Key": api.secret}).status_code == 201, path
    problem(api.get("/"), 404)


def test_an_error_is_a_text_that_the_go_client_can_show(api):
    """`detail` of a refusal is one string, which is all that client shows."""
    refused = problem(api.post("/sdk/track", event()), 404, "'calls'")
    assert isinstance(refused["detail"], str)


def test_the_three_shapes_say_the_same(api):
    """Token and external id; ids; names and properties: each becomes the same kind of event, at either address."""
    meter = api.meter("bytes", property_name="size")
    customer = api.post("/customers", {"external_id": "acme"}).json
    shapes = [
        {
            "meter_token": meter["meter_token"],
            "customer_external_id": "acme",
            "quantity": "2.5",
            "metadata": {"a": "b"},
        },
        {"meter_id": meter["id"], "customer_id": customer["id"], "quantity": "2.5", "metadata": {"a": "b"}},
        {"meter_name": "bytes", "customer_external_id": "acme", "properties": {"size": "2.5", "a": "b"}},
        {"meter_name": "bytes", "customer_external_id": "acme", "properties": {"a": "b", "size": 2.5}},
    ]
    for path in ("/sdk/track", "/usage"):
        for shape in shapes:
            body = api.post(path, shape).json
            said = (body["meter_id"], body["customer_id"], body["quantity"], body["meta_data"])
            assert said == (meter["id"], customer["id"], "2.5", {"a": "b"})
    assert api.post("/events", shapes).json["accepted"] == 4
    assert exact(api.get("/meters/bytes/usage"))["total_usage"] == 30


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ('"1.5"', "1.5"), ('"0.01"', "0.01"), ('"007"', "7"), ('"1.50000000"', "1.5"), ('"92233720368547758.07"', None),
        ("1", "1"), ("1.5", "1.5"), ("1e2", "100"), ("1E-2", "0.01"), ("1.005", "1"), ("1.015", "1.02"),
        ("1.025", "1.02"), ("1.0250000000000000000000001", "1.03"), ("0.30000000000000004", "0.3"),
        ("9007199254740993", "9007199254740993"), ("0.1e1", "1"), ("123456789012345.67", None),
    ],
)  # fmt: skip
def test_a_quantity_is_kept_exactly(api, sent, kept):
    """A text is taken as it is; a JSON number is rounded half-even to the meter's places, from its digits."""
    api.meter()
    response = api.send('{"meter_name":"calls","customer_external_id":"a","quantity":%s}' % sent)
    assert response.status_code == 201, response.text
    assert response.json["quantity"] == (kept or sent.strip('"'))
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == Decimal(kept or sent.strip('"'))


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ('"1.001"', 422, "at most 2 decimal places"), ('"-1"', 422, "negative"), ("-1", 422, "negative"),
        ("-0.001", 422, "negative"), ('"92233720368547758.08"', 422, "at most 92233720368547758.07"),
        ("92233720368547758.08", 422, "at most"), ("1e30", 422, "at most"), ("1e999999999", 422, "at most"),
        ('"1e3"', 422, "without exponent"), ('"NaN"', 422, "decimal"), ('"Infinity"', 422, "decimal"),
        ('"-Infinity"', 422, "decimal"), ('"1_0"', 422, "decimal"), ('"٣"', 422, "decimal"), ('"1,5"', 422, "decimal"),
        ('" 1"', 422, "decimal"), ('"+1"', 422, "decimal"), ('".5"', 422, "decimal"), ('"5."', 422, "decimal"),
        ('"0x10"', 422, "decimal"), ('""', 422, "decimal"), ('"1\\u0000"', 422, "decimal"), ("NaN", 422, "JSON"),
        ("Infinity", 422, "JSON"), ("-Infinity", 422, "JSON"), ("01", 422, "JSON"), ("+1", 422, "JSON"),
        (".5", 422, "JSON"), ("0x10", 422, "JSON"), ("true", 422, "number"), ("[1]", 422, "number"),
        ('{"value":1}', 422, "number"), ("0", 400, "greater than 0"), ('"0.00"', 400, "greater than 0"),
        ("1e-999999999", 400, "greater than 0"), ("0.005", 400, "greater than 0"), ("null", 422, "missing"),
        ('"' + "9" * 100_000 + '"', 422, "quantity"), ("9" * 100_000, 422, "quantity"),
        ("1" + "0" * 50 + "e-50", 201, None),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_quantity_that_cannot_be_kept_is_refused(api, sent, status, said):
    """Negative, not a number, too fine, too large or nothing at all: refused by name, and nothing is stored."""
    api.meter()
    response = api.send('{"meter_name":"calls","customer_external_id":"a","quantity":%s}' % sent)
    if said is None:
        assert response.status_code == status
    else:
        problem(response, status, said)
        assert counts(api.app) == (0, 0)


def test_zero_is_refused_on_a_sum_alone(api):
    """Zero adds nothing to a sum; everywhere else it is a value like any other."""
    for kind in ("COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT"):
        api.meter(kind.lower(), kind)
        api.track(kind.lower(), quantity=0, metadata={"user_id": "u"})
    assert exact(api.get("/meters/max/usage"))["total_usage"] == 0
    assert exact(api.get("/meters/count/usage"))["total_usage"] == 1


def test_a_quantity_may_be_left_out_where_things_are_counted(api):
    """COUNT and UNIQUE_COUNT need none; the others say that it is missing."""
    for kind in ("COUNT", "UNIQUE_COUNT", "SUM", "MAX", "MIN", "AVG", "LAST"):
        api.meter(kind.lower(), kind)
        bare = {"meter_name": kind.lower(), "customer_external_id": "acme", "metadata": {"user_id": 5}}
        response = api.post("/sdk/track", bare)
        if kind in ("COUNT", "UNIQUE_COUNT"):
            assert (response.status_code, response.json["quantity"]) == (201, "1")
        else:
            problem(response, 422, "quantity is missing")


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"meter_name": None}, 422, "meter_token, meter_id or meter_name, but 0"),
        ({"meter_id": "calls"}, 400, "meter_token, meter_id or meter_name, but 2"),
        ({"customer_external_id": None}, 422, "customer_external_id or customer_id, but none"),
        ({"customer_id": "acme"}, 400, "customer_external_id or customer_id, but both"),
    ],
)
def test_an_event_names_one_meter_and_one_customer(api, fields, status, said):
    """Naming none is a malformed body, naming two breaks a rule; in a batch it is the event alone that is refused."""
    api.meter()
    body = {name: value for name, value in (event() | fields).items() if value is not None}
    problem(api.post("/sdk/track", body), status, said)
    batch = api.post("/events", [body, event()]).json
    assert [result["status"] for result in batch["results"]] == ["rejected", "accepted"]
    assert said in batch["results"][0]["detail"]


def test_a_distinct_count_needs_its_property(api):
    """UNIQUE_COUNT counts metadata under the meter's property, else under user_id; with neither it is a 400."""
    api.meter("users", "UNIQUE_COUNT", property_name="account")
    send = lambda metadata: api.post("/sdk/track", event(meter_name="users", metadata=metadata))  # noqa: E731
    for metadata in (None, {}, {"user": "x"}, {"account": None}, {"account": None, "user_id": None}):
        problem(send(metadata), 400, "metadata.account or metadata.user_id")
    assert counts(api.app) == (0, 0)
    for metadata in (
        {"account": "a"},
        {"account": "b", "user_id": "a"},
        {"user_id": "a"},
        {"account": 7},
        {"account": ""},
    ):
        assert send(metadata).status_code == 201
    assert exact(api.get("/meters/users/usage"))["total_usage"] == 4
    by_properties = {"meter_name": "users", "customer_external_id": "acme", "properties": {"account": "z"}}
    assert api.post("/usage", by_properties).json["meta_data"] == {"account": "z"}


def test_huge_integers_in_metadata_are_kept_digit_by_digit(api):
    """A 25-digit integer comes back as it was sent, and counts as a value of its own."""
    api.meter("users", "UNIQUE_COUNT")
    for last in (5, 6, 6):
        sent = (
            '{"meter_name":"users","customer_external_id":"a","metadata":{"user_id":123456789012345678901234%d}}' % last
        )
        response = api.send(sent)
        assert f'"user_id":123456789012345678901234{last}' in response.text
    assert exact(api.get("/meters/users/usage"))["total_usage"] == 2
    assert '"user_id":1234567890123456789012346' in api.get("/meters/users/events").text


def test_a_fraction_in_metadata_is_a_double(api):
    """Metadata is JSON as most languages read it: a fraction is the nearest double, a text stays a text."""
    api.meter()
    response = api.send(
        '{"meter_name":"calls","customer_external_id":"a","quantity":1,'
        '"metadata":{"n":0.1000000000000000055,"t":"0.1000000000000000055","e":1E5}}'
    )
    assert response.text.endswith('"meta_data":{"n":0.1,"t":"0.1000000000000000055","e":100000.0}}')


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.5Z", "2025-01-15T10:30:00.500000Z"),
        ("2025-01-15T10:30:00.123456789Z", "2025-01-15T10:30:00.123456Z"),
        ("2025-01-15T10:30:00.999999999+02:00", "2025-01-15T08:30:00.999999Z"),
        ("2025-01-15T10:30:00+05:30", "2025-01-15T05:00:00Z"),
        ("2025-01-15T10:30:00", "2025-01-15T10:30:00Z"),
        ("2025-01-15", "2025-01-15T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_time_is_an_instant(api, sent, kept):
    """A timestamp is read as RFC 3339 with any offset, cut to the microsecond, and given back in UTC."""
    api.meter()
    assert api.track(timestamp=sent)["timestamp"] == kept


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("1969-12-31T23:59:59.999999Z", 400), ("1900-01-01T00:00:00Z", 400), ("0001-01-01T00:00:00Z", 422),
        ("2999-01-01T00:00:00Z", 400), ("9999-12-31T23:59:59Z", 422), ("2025-02-30T00:00:00Z", 422), ("", 422),
        ("now", 422), ("1736937000", 422), (1736937000, 422), (1736937000.5, 422), (True, 422),
        ("2016-12-31T23:59:60Z", 422),
        ("2025-01-15T10:30:00.1234567890Z", 422), ("2025-01-15T10:30:00Z\0", 422), ("20250115T103000Z", 422), ([], 422),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_is_refused(api, sent, status):
    """Before 1970, too far ahead, or no instant: refused, and nothing is stored."""
    api.meter()
    problem(api.post("/sdk/track", event(timestamp=sent)), status, "timestamp")
    assert counts(api.app) == (0, 0)


def test_an_event_may_lie_a_day_ahead(make_app):
    """24 hours ahead of the server's clock is the limit, and MAX_FUTURE sets another."""
    at = datetime(2025, 5, 5, 12, tzinfo=UTC)
    usual, strict = Api(make_app("usual")), Api(make_app("strict", MAX_FUTURE=0))
    usual.meter(), strict.meter()
    with time_machine.travel(at, tick=False):
        assert usual.track(timestamp=(at + timedelta(hours=24)).isoformat())
        late = (at + timedelta(hours=24, microseconds=1)).isoformat()
        problem(usual.post("/sdk/track", event(timestamp=late)), 400, "at most 24 hours ahead", "2025-05-05T12:00:00Z")
        assert strict.track(timestamp=at.isoformat())
        problem(strict.post("/sdk/track", event(timestamp=(at + timedelta(seconds=1)).isoformat())), 400, "0 hours")
    assert (counts(usual.app), counts(strict.app)) == ((1, 1), (1, 1))


def test_the_same_key_again_answers_with_the_first_event(api):
    """A repeat is a 200 with the same event and a header that says so; nothing is added."""
    api.meter()
    sent = event(idempotency_key="order-1", timestamp="2025-01-01T00:00:00Z", metadata={"a": 1})
    first = api.post("/sdk/track", sent)
    for path in ("/sdk/track", "/usage", "/sdk/track"):
        again = api.post(path, sent)
        assert again.status_code == 200
        assert again.json == first.json
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Conflict" not in again.headers
    assert counts(api.app) == (1, 1)


def test_a_repeat_without_a_time_is_no_conflict(api):
    """An event that leaves the time to the server may be sent again: the clock moving on is no difference."""
    api.meter()
    first = api.post("/sdk/track", event(idempotency_key="k"))
    again = api.post("/sdk/track", event(idempotency_key="k"))
    assert again.json == first.json
    assert "Idempotent-Conflict" not in again.headers


@pytest.mark.parametrize(
    "change", [{"quantity": "2"}, {"customer_external_id": "globex"}, {"timestamp": "2025-01-02T00:00:00Z"}]
)
def test_a_repeat_that_says_something_else_is_told(api, change):
    """Another quantity, customer or time under a known key: still the first event, with Idempotent-Conflict."""
    api.meter()
    first = api.post("/sdk/track", event(idempotency_key="k", timestamp="2025-01-01T00:00:00Z"))
    again = api.post("/sdk/track", event(idempotency_key="k", timestamp="2025-01-01T00:00:00Z") | change)
    assert (again.status_code, again.json) == (200, first.json)
    assert again.headers["Idempotent-Replayed"] == again.headers["Idempotent-Conflict"] == "true"
    assert counts(api.app) == (1, 1)


def test_a_key_is_known_on_its_own_meter_only(api):
    """The same key on two meters is two events, and an event without a key is never a repeat."""
    api.meter("one")
    api.meter("two")
    for name in ("one", "two", "one"):
        api.track(name, idempotency_key="k")
    for _ in range(3):
        api.track("one")
    assert counts(api.app)[0] == 5


def test_a_key_is_still_known_after_a_restart(make_app):
    """The same key a year later, in another process, answers with the first event."""
    first_app = make_app()
    api = Api(first_app)
    api.meter()
    first = api.track(idempotency_key="k", timestamp="2025-01-01T00:00:00Z")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=366)):
        later = Api(make_app())
        assert later.track(idempotency_key="k", timestamp="2025-01-01T00:00:00Z") == first
    assert counts(first_app) == (1, 1)


def test_a_key_that_races_with_itself_counts_once(app):
    """Of 16 threads that send the same event at once one is answered 201, the others 200 with the same event."""
    api = Api(app)
    api.meter()
    barrier = threading.Barrier(16)

    def send(_: int):
        own = Api(app, api.secret)
        barrier.wait()
        return own.post("/sdk/track", event(idempotency_key="race", customer_external_id="new"))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.json["id"] for answer in answers}) == 1
    assert not any("Idempotent-Conflict" in answer.headers for answer in answers)
    assert counts(app) == (1, 1)


def test_racing_events_of_a_new_customer_make_one_customer(app):
    """A hundred events at once of a customer that nobody created: one customer, a hundred events, the exact sum."""
    api = Api(app)
    api.meter()
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda i: Api(app, api.secret).track(quantity=f"0.{i % 9 + 1}"), range(100)))
    assert counts(app) == (100, 1)
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == sum(Decimal(i % 9 + 1) for i in range(100)) / 10


def test_a_refused_event_does_not_use_up_its_key(api):
    """After a refusal the corrected event goes in under the same key."""
    api.meter()
    problem(api.post("/sdk/track", event(idempotency_key="k", quantity="-1")), 422)
    problem(api.post("/sdk/track", event(idempotency_key="k", timestamp="1969-01-01T00:00:00Z")), 400)
    response = api.post("/sdk/track", event(idempotency_key="k"))
    assert response.status_code == 201
    assert counts(api.app) == (1, 1)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"meter_name": "nope"}, 404, "'nope'"),
        ({"meter_name": None}, 422, "meter_token, meter_id or meter_name"),
        ({"meter_id": "00000000-0000-0000-0000-000000000000"}, 400, "but 2 came"),
        ({"meter_name": "a\0b"}, 404, "a\\x00b"),
        ({"meter_name": 7}, 422, "meter_name"),
        ({"customer_external_id": None}, 422, "customer_external_id or customer_id"),
        ({"customer_id": "x"}, 400, "customer_external_id or customer_id"),
        ({"customer_external_id": None, "customer_id": "nope"}, 404, "'nope'"),
        ({"customer_external_id": None, "customer_id": "a\0"}, 404, "a\\x00"),
        ({"customer_external_id": ""}, 400, "customer_external_id"),
        ({"customer_external_id": " "}, 400, "customer_external_id"),
        ({"customer_external_id": "a\0"}, 400, "U+0000"),
        ({"customer_external_id": "a\x1b[2J"}, 400, "U+001B"),
        ({"customer_external_id": "a\u2028"}, 400, "U+2028"),
        ({"customer_external_id": "x" * 256}, 400, "255"),
        ({"customer_external_id": 42}, 422, "customer_external_id"),
        ({"idempotency_key": ""}, 400, "idempotency_key"),
        ({"idempotency_key": "a\nb"}, 400, "U+000A"),
        ({"idempotency_key": "a\0"}, 400, "U+0000"),
        ({"idempotency_key": "x" * 256}, 400, "255"),
        ({"idempotency_key": 5}, 422, "idempotency_key"),
        ({"metadata": []}, 422, "metadata"),
        ({"metadata": "a"}, 422, "metadata"),
        ({"metadata": {"a": "b\0"}}, 400, "NUL"),
        ({"metadata": {"a\0": "b"}}, 400, "NUL"),
        ({"metadata": {"a": [{"b": ["\0"]}]}}, 400, "NUL"),
        ({"metadata": {f"k{i}": i for i in range(65)}}, 400, "at most 64 keys"),
        ({"metadata": {"a": "x" * 16_384}}, 400, "16384 bytes"),
        ({"properties": {"a": 1}}, 400, "either properties or quantity"),
        ({"event_name": "x"}, 422, "event_name"),
        ({"user\0": "x"}, 422, "unknown field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_event_that_breaks_a_rule_is_not_stored(api, change, status, said):
    """A wrong field is refused in a sentence about it; no event and no customer is there afterwards."""
    api.meter()
    problem(api.post("/sdk/track", event() | change), status, said)
    assert counts(api.app) == (0, 0)
    assert api.get("/meters/calls/stats").json["total_events"] == 0


def test_unknown_parameters_are_refused_when_sending(api):
    """A query parameter on a call that takes none is a 422, and nothing is stored."""
    api.meter()
    for path in ("/sdk/track?dry_run=true", "/usage?atomic=true", "/meters?dry_run=1", "/customers?dry_run=1"):
        problem(api.post(path, event()), 422, "takes no query parameters")
    problem(api.post("/events?dry_run=true", [event()]), 422, "dry_run is unknown here")
    assert counts(api.app) == (0, 0)
