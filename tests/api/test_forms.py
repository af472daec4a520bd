"""The forms a batch may come in: NDJSON line by line, CloudEvents alone, in batches and in binary mode."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal

import pytest

from tests.callers import Api, counts, exact, problem

LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"
EVENT = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"}


@pytest.fixture
def api(app):
    api = Api(app)
    api.meter(property_name="size")
    return api


def post(api, body, content_type, query="", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return api.call("POST", f"/events{query}", data=data, headers={"Content-Type": content_type} | named)


def lines(*events):
    return b"\n".join(event if isinstance(event, bytes) else json.dumps(event).encode() for event in events)


def cloud(**fields):
    whole = {
        "specversion": "1.0", "id": "e1", "source": "/gateway", "type": "calls", "subject": "acme",
        "time": "2025-01-15T10:30:00Z", "data": {"size": "2.5", "region": "eu"},
    } | fields  # fmt: skip
    return {name: value for name, value in whole.items() if value is not ...}


def rejected(response, *said):
    """The only event was rejected for this reason, and nothing was stored."""
    assert response.status_code == 207, response.text
    (result,) = response.json["results"]
    assert (result["index"], result["status"], response.json["accepted"]) == (0, "rejected", 0)
    for text in said:
        assert text in result["detail"]
    assert result["detail"].isprintable()
    return result["detail"]


@pytest.mark.parametrize("content_type", [*LINES, "application/x-ndjson; charset=utf-8", "Application/X-NDJSON"])
def test_ndjson_is_one_event_a_line(api, content_type):
    """Of any shape, the last line with an end or without, lines ended as Windows does."""
    second = EVENT | {"quantity": 2.5}
    third = {"meter_name": "calls", "customer_external_id": "b", "properties": {"size": 3}}
    response = post(api, lines(EVENT, second) + b"\r\n" + lines(third), content_type)
    assert (response.status_code, response.json["accepted"]) == (200, 3)
    assert [(row["index"], row["status"]) for row in response.json["results"]] == [(i, "accepted") for i in range(3)]
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == Decimal("6.5")


def test_a_broken_line_is_rejected_on_its_own(api):
    """Each with its place among the events; blank lines are none, and the rest goes in."""
    body = lines(
        b"", EVENT, b"  \t\r", b"{", json.dumps(EVENT).encode() * 2, b'{"meter_name":"calls","customer_ext',
        b'ernal_id":"a","quantity":1}', b'{"meter_name":"\xff"}', b"null", EVENT | {"unknown": 1}, b"", EVENT,
        b'{"metadata":' + b'{"a":' * 100_000, EVENT, b"",
    )  # fmt: skip
    response = post(api, body, LINES[0])
    assert response.status_code == 207
    said = [(row["index"], row["status"]) for row in response.json["results"]]
    right = {0, 8, 10}
    assert said == [(index, "accepted" if index in right else "rejected") for index in range(11)]
    details = [row.get("detail", "") for row in response.json["results"]]
    assert "UTF-8" in details[5]
    assert "unknown" in details[7]
    assert "nested too deeply" in details[9]
    assert counts(api.app) == (3, 1)


def test_ndjson_takes_the_options_of_a_batch(api):
    """`atomic`, `results` and gzip work as they do for an array; blank lines alone are an empty batch."""
    wrong = EVENT | {"quantity": "-1"}
    problem(post(api, lines(EVENT, wrong), LINES[0], "?atomic=true"), 422, "1 of 2", "index 1", "negative")
    assert counts(api.app) == (0, 0)
    packed = post(api, gzip.compress(lines(EVENT, wrong)), LINES[0], "?results=errors", Content_Encoding="gzip")
    assert [row["index"] for row in packed.json["results"]] == [1]
    assert post(api, b"\n \n\n", LINES[0]).json == {"accepted": 0, "duplicates": 0, "rejected": 0, "results": []}


def test_ndjson_has_the_limits_of_a_batch(make_app):
    """MAX_BATCH counts events and not lines; more of them, broken or not, is a 413, as is a body too long."""
    api = Api(make_app(MAX_BATCH=3))
    api.meter()
    assert post(api, lines(b"", EVENT, b"", EVENT, b"", EVENT, b""), LINES[0]).json["accepted"] == 3
    problem(post(api, lines(*[EVENT] * 4), LINES[0]), 413, "at most 3")
    problem(post(api, b"x\n" * 5_000_000, LINES[0]), 413, "at most 3")
    assert post(api, b"\n" * 10_485_000, LINES[0]).json["accepted"] == 0
    problem(post(api, b"\n" * 10_485_761, LINES[0]), 413, "10485760 bytes")
    problem(post(api, gzip.compress(b"\n" * 50_000_000), LINES[0], Content_Encoding="gzip"), 413, "10485760 bytes")


def test_a_cloudevent_becomes_an_event(api):
    """Type names the meter, subject the customer, data carries value and metadata, source and id make the key."""
    response = post(api, cloud(), CLOUDEVENT)
    assert (response.status_code, response.json["accepted"]) == (200, 1)
    (row,) = api.get("/meters/calls/events", start_date="2025-01-01").json["data"]
    assert row["id"] == response.json["results"][0]["id"]
    assert (row["quantity"], row["customer_external_id"], row["meta_data"]) == ("2.5", "acme", {"region": "eu"})
    assert (row["timestamp"], row["idempotency_key"]) == ("2025-01-15T10:30:00Z", "/gateway|e1")


def test_a_cloudevent_counts_once(api):
    """The same source and id again is a duplicate, a conflict if it says something else; on the other way in too."""
    first = post(api, cloud(), CLOUDEVENT).json["results"][0]
    again = post(api, [cloud(), cloud(data={"size": 3}), cloud(id="e2"), cloud(source="/other")], CLOUDEVENTS).json
    assert [row["status"] for row in again["results"]] == ["duplicate", "duplicate", "accepted", "accepted"]
    assert [row.get("conflict", False) for row in again["results"]] == [False, True, False, False]
    assert again["results"][0]["id"] == first["id"]
    assert (
        api.track(quantity="2.5", timestamp="2025-01-15T10:30:00Z", idempotency_key="/gateway|e1")["id"] == first["id"]
    )
    assert counts(api.app) == (3, 1)


def test_source_and_id_are_joined_so_that_no_two_pairs_are_one(api):
    """A separator within either of them does not move from one to the other."""
    pairs = [("a|", "b"), ("a", "|b"), ("a|b", "c"), ("a", "b|c"), ("a\\", "b"), ("a\\|", "b"), ("a", "\\|b")]
    body = post(api, [cloud(source=source, id=name) for source, name in pairs], CLOUDEVENTS).json
    assert body["accepted"] == len(pairs)


def test_a_batch_of_cloudevents_is_judged_one_by_one(api):
    """A wrong event leaves the others in; an empty batch is nothing."""
    response = post(api, [cloud(), cloud(id=5), 7, cloud(id="e2", traceparent="00-1"), cloud(id="e3")], CLOUDEVENTS)
    assert response.status_code == 207
    assert [row["status"] for row in response.json["results"]] == [
        "accepted", "rejected", "rejected", "accepted", "accepted",
    ]  # fmt: skip
    assert post(api, [], CLOUDEVENTS).json["results"] == []
    problem(post(api, [cloud(id="e4"), cloud(id=5)], CLOUDEVENTS, "?atomic=true"), 422, "1 of 2", "index 1")
    packed = gzip.compress(json.dumps([cloud(id="e5")]).encode())
    assert post(api, packed, CLOUDEVENTS, Content_Encoding="gzip").json["accepted"] == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"specversion": "0.3"}, "specversion is '1.0', but '0.3' came"),
        ({"specversion": ...}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"id": ...}, "id"),
        ({"id": ""}, "id is a text that is not empty"),
        ({"source": ...}, "source"),
        ({"source": ""}, "source is a text that is not empty"),
        ({"type": ...}, "type"),
        ({"type": "nope"}, "'nope'"),
        ({"subject": ...}, "subject is the customer's external id, but it is missing"),
        ({"subject": None}, "subject"),
        ({"subject": 5}, "subject"),
        ({"subject": "a\0"}, "U+0000"),
        ({"time": "yesterday"}, "RFC 3339"),
        ({"time": "1969-12-31T23:59:59Z"}, "1970"),
        ({"time": 1736937000}, "time"),
        ({"data": ...}, "properties.size is missing"),
        ({"data": {"region": "eu"}}, "properties.size is missing"),
        ({"data": [1]}, "data"),
        ({"data": "text"}, "data"),
        ({"data": {"size": "-1"}}, "negative"),
        ({"data": {"size": 1, "a": "\0"}}, "NUL"),
        ({"data": {"size": 1, "a": "x" * 16_384}}, "16384 bytes"),
        ({"data": {"size": 1} | {f"k{i}": i for i in range(65)}}, "at most 65 keys"),
        ({"data": ..., "data_base64": "AA=="}, "data_base64"),
        ({"datacontenttype": "application/xml"}, "datacontenttype"),
        ({"customer_external_id": "acme"}, "'customer_external_id'"),
        ({"customerId": "acme"}, "'customerId'"),
        ({"source": "s" * 250, "id": "i" * 5}, "255"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_cloudevent_that_breaks_a_rule_is_rejected(api, fields, said):
    """Alone as in a batch: a result with the reason, and nothing is stored."""
    detail = rejected(post(api, cloud(**fields), CLOUDEVENT), said)
    assert rejected(post(api, [cloud(**fields)], CLOUDEVENTS), said) == detail
    assert counts(api.app) == (0, 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"time": ...}, {"time": None}, {"datacontenttype": "application/json; charset=utf-8"},
        {"datacontenttype": "application/vnd.acme+json"}, {"dataschema": "https://example.com/s"},
        {"data_base64": None}, {"traceparent": "00-0af7", "sequence": 5}, {"time": "2025-01-15T12:30:00+02:00"},
    ],
)  # fmt: skip
def test_what_a_cloudevent_may_have_besides(api, fields):
    """No time is now; null is absent; extensions and the names of schemas change nothing."""
    assert post(api, cloud(**fields), CLOUDEVENT).json["accepted"] == 1
    assert post(api, [cloud(**fields)], CLOUDEVENTS).json["duplicates"] == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}{}", b"\xff", b"[" * 100_000, b'{"data":' * 100_000, b'{"id":NaN}', b"\xef\xbb\xbf{}"]
)
def test_a_body_that_is_no_json_is_refused_as_a_whole(api, body):
    """One problem in one sentence for what cannot be taken apart."""
    for content_type in (CLOUDEVENT, CLOUDEVENTS):
        response = post(api, body, content_type)
        if response.status_code == 207:
            rejected(response)
        else:
            problem(response, 422, "JSON")
    assert counts(api.app) == (0, 0)


def test_a_cloudevent_in_binary_mode_has_its_attributes_in_headers(api):
    """The body is the data; what is no ASCII in a header is percent-encoded."""
    headers = {
        "ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/g%C3%BC", "ce_type": "calls",
        "ce_subject": '"Z%C3%BCrich AG"', "ce_time": "2025-01-15T10:30:00Z", "ce_traceparent": "00-1",
    }  # fmt: skip
    response = post(api, {"size": 2, "region": "eu"}, "application/json", **headers)
    assert (response.status_code, response.json["accepted"]) == (200, 1)
    (row,) = api.get("/meters/calls/events", start_date="2025-01-01").json["data"]
    assert (row["quantity"], row["customer_external_id"], row["meta_data"]) == ("2", "Zürich AG", {"region": "eu"})
    assert (row["timestamp"], row["idempotency_key"]) == ("2025-01-15T10:30:00Z", "/gü|e1")
    assert post(api, cloud(source="/gü", subject="Zürich AG", data={"size": 2}), CLOUDEVENT).json["duplicates"] == 1


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"ce_specversion": "0.3"}, "specversion"), ({"ce_id": ""}, "id"), ({"ce_subject": ""}, "subject"),
        ({"ce_data": "x", "ce_type": "nope"}, "'nope'"), ({"ce_not_a_name": "x"}, "not-a-name"),
        ({"ce_time": "now"}, "RFC 3339"),
    ],
)  # fmt: skip
def test_a_wrong_attribute_in_a_header_is_told(api, headers, said):
    """As in a body: rejected with the reason."""
    right = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/g", "ce_type": "calls", "ce_subject": "acme"}
    rejected(post(api, {"size": 2}, "application/json", **right | headers), said)
    assert counts(api.app) == (0, 0)


def test_a_body_that_fits_no_form_is_refused(api):
    """Data that is no JSON, a header that is no UTF-8, a type that nobody reads."""
    right = {"ce_specversion": "1.0", "ce_id": "e1", "ce_source": "/g", "ce_type": "calls", "ce_subject": "acme"}
    problem(post(api, b"{", "application/json", **right), 422, "JSON")
    rejected(post(api, b"[1]", "application/json", **right), "data")
    rejected(post(api, b"", "application/json", **right), "properties.size is missing")
    problem(post(api, {"size": 1}, "application/json", **right | {"ce_subject": "%ff"}), 422, "ce-subject is UTF-8")
    for content_type in ("application/cloudevents", "application/cloudevents-batch", "application/avro", "text/plain"):
        problem(post(api, cloud(), content_type, **right), 415, CLOUDEVENT, content_type)
    problem(api.call("POST", "/sdk/track", data=b"{}", headers={"Content-Type": CLOUDEVENT}), 415, "application/json")
    assert counts(api.app) == (0, 0)
