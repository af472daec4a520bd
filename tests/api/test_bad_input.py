"""A corpus of bad input against every parameter of every call: a 4xx problem in one sentence, never a failure."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.callers import ROOT, Api, problem
from tests.generated import examples

TEXTS = (
    "", " ", "\0", "a\0b", "\x1b[31mred", "a\nb\r\nX-Injected: 1", "\x7f", "\u202eevil", "\u2028", "\ufeff", "\ufffe",
    "😀" * 50, "é" * 300, "x" * 3_000, "null", "None", "undefined", "true", "NaN", "Infinity", "-Infinity", "-1", "0",
    "1e999999999", "0x1F", "1_000", "٣", "１", "9" * 400, "-" + "9" * 400, "1.7976931348623157e309",
    "2025-02-30", "2025-01-01T25:00:00Z", "0000-00-00", "+292278994-08-17T07:12:55.807Z", "1969-12-31", "99999-01-01",
    "' OR '1'='1", "1; DROP TABLE events; --", "\" OR 1=1 --", "%' ESCAPE '", "$1", "{{7*7}}", "${7*7}", "%s%n", "%00",
    "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "file:///etc/passwd", "<script>alert(1)</script>",
    "[]", "{}", "[[", '{"a":1}', "a,b", "a;b", "a&b=c", "?", "#", "Europe/../UTC", "Etc/GMT+99",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, False, 0, -1, 1.5, -0.0, 10**30, -(10**30), [], {}, [None], [[[]]], {"a": {"b": []}},
    ["a"] * 2_000,
)  # fmt: skip
VALID = {
    "/meters": {"meter_name": "m", "aggregation_type": "SUM"},
    "/customers": {"external_id": "c"},
    "/api-keys": {"name": "k", "scopes": ["usage.read"]},
    "/sdk/track": {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"},
    "/usage": {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"},
    "/meters/{meter}": {},
    "/customers/{customer}": {},
    "/events/{event}/void": {"reason": "sent twice"},
}
"""A right body for each call that takes an object, into which one bad value is put at a time."""


@pytest.fixture(scope="module")
def api(module_app):
    api = Api(module_app)
    api.meter()
    api.track()
    return api


@pytest.fixture(scope="module")
def calls(api):
    """Every call of the OpenAPI document as (method, path template below /api/v1, operation)."""
    paths = api.client.get("/openapi.json").json["paths"]
    found = [
        (method.upper(), path.removeprefix(ROOT), operation)
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    assert len(found) >= 23
    return found


@pytest.fixture(autouse=True)
def nothing_fails(caplog):
    """No request of this file leaves an error in the log."""
    with caplog.at_level(logging.ERROR):
        yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def filled(path: str) -> str:
    named = {"{meter}": "calls", "{customer}": "acme"}
    return re.sub(r"\{\w+\}", lambda found: named.get(found[0], "nope"), path)


def judge(response, what: object) -> None:
    assert response.status_code < 500, (what, response.text)
    if response.status_code >= 400:
        try:
            problem(response, response.status_code)
        except AssertionError as error:
            raise AssertionError(f"{what!r}: {error}") from error


def parameters(operation: dict[str, Any]) -> Iterator[str]:
    return (one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")


def test_in_every_query_parameter(api, calls):
    """Each bad text in each documented query parameter, and as the name of one that is not there."""
    for method, path, operation in calls:
        names = [*parameters(operation), "unknown"]
        for name in names if method == "GET" else ["unknown"]:
            for text in TEXTS:
                response = api.call(
                    method, filled(path), query_string={name: text}, json=None if method == "GET" else {}
                )
                judge(response, (method, path, name, text))
                if name == "unknown":
                    assert response.status_code == 422
        for text in filter(None, TEXTS):
            response = api.call(method, filled(path), query_string={text: "1"}, json=None if method == "GET" else {})
            assert response.status_code == 422, (method, path, text, response.text)
            judge(response, (method, path, text))


def test_in_every_path(api, calls):
    """Each bad text as the meter, customer, key or event of a path: not found, whatever it holds."""
    for method, path, _ in calls:
        if "{" not in path:
            continue
        for text in TEXTS:
            # As a client library writes it, each byte escaped; a slash is one whatever it is escaped to.
            escaped = "".join(f"%{byte:02x}" for byte in text.encode())
            named = re.sub(r"\{\w+\}", lambda _, escaped=escaped: escaped, path)
            response = api.call(method, named, json=None if method == "GET" else VALID.get(path, {}))
            judge(response, (method, path, text))
            # An upsert makes what is not there yet, so what is wrong is the id itself or the empty body.
            upsert = (400, 422) if "/by-external-id/" in path else ()
            assert response.status_code in (200, 404, 405, *upsert), (method, path, text, response.text)


def test_in_every_field_of_a_body(api, calls):
    """Each bad value in each documented field, and as a field that is not there."""
    schemas = api.client.get("/openapi.json").json["components"]["schemas"]
    for method, path, operation in calls:
        if path not in VALID or "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        for name in [*schema["properties"], "unknown"]:
            for value in VALUES:
                body = VALID[path] | {name: value}
                if name == "properties":
                    body.pop("quantity", None)
                response = api.call(method, filled(path), json=body)
                judge(response, (method, path, name, value))
                if name == "unknown":
                    assert response.status_code == 422


def test_in_a_batch(api):
    """Each bad value in each field of an event in one batch: a result for each, and no failure of the whole."""
    fields = (
        *VALID["/usage"],
        "meter_id",
        "meter_token",
        "customer_id",
        "timestamp",
        "idempotency_key",
        "metadata",
        "properties",
    )
    for name in fields:
        response = api.post("/events", [VALID["/usage"] | {name: value} for value in VALUES])
        judge(response, name)
        assert response.status_code in (200, 207)
        assert [row["index"] for row in response.json["results"]] == list(range(len(VALUES)))
        assert all(row.get("detail", "x").isprintable() for row in response.json["results"])


def test_as_a_whole_body(api, calls):
    """Each bad value as the whole body of each call that takes one."""
    for method, path, operation in calls:
        if "requestBody" in operation:
            for value in VALUES:
                judge(api.call(method, filled(path), json=value), (method, path, value))


def test_in_every_header_that_is_read(api):
    """Odd keys, tokens, types, encodings and origins are refused, not failed on."""
    for name in ("X-API-Key", "Authorization", "Cookie", "Content-Type", "Content-Encoding", "Origin", "Sec-Fetch-Site",
                 "X-CSRF-Token", "Accept", "Host", "Range", "If-None-Match", "HX-Request"):  # fmt: skip
        for text in TEXTS:
            if "\n" in text or not text.isascii():
                continue
            headers = {"X-API-Key": api.secret, "Content-Type": "application/json"} | {name: text}
            judge(api.client.post("/api/v1/sdk/track", data=b"{}", headers=headers), (name, text))
            judge(api.client.get("/api/v1/meters", headers=headers), (name, text))
            bearer = {"Authorization": f"Bearer {text}", "Cookie": f"fluxrate_session={text}"}
            judge(api.client.get("/api/v1/meters", headers=bearer), (name, text))


def test_in_every_attribute_of_an_event_in_binary_mode(api):
    """A result or a problem for each bad text in a header `ce-`, and for one that names no attribute."""
    right = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "calls", "ce-subject": "acme"}
    for name in (*right, "ce-time", "ce-data", "ce-unknown", "ce-", "ce-A_b"):
        for text in TEXTS:
            if "\n" in text or not text.isascii():
                continue
            headers = {"X-API-Key": api.secret, "Content-Type": "application/json"} | right | {name: text}
            judge(api.client.post("/api/v1/events", data=b'{"a":1}', headers=headers), (name, text))


CLOUD = b'{"specversion":"1.0","id":"1","source":"/s","type":"calls","subject":"acme","data":{"a":[1,"\xc3\xa9"]}}'
EVENT = b'{"meter_name":"calls","customer_external_id":"acme","quantity":"1.50","metadata":{"a":{"b":[1.5,"\\u00e9"]}}}'
FORMS = {
    "application/json": b"[%s,%s]" % (EVENT, EVENT),
    "application/x-ndjson": b"%s\n%s\n" % (EVENT, EVENT),
    "application/cloudevents+json": CLOUD,
    "application/cloudevents-batch+json": b"[%s,%s]" % (CLOUD, CLOUD),
}
PIECES = st.sampled_from(
    [b"", b"\0", b"\xff", b"\xc3", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u0000", b"\\ud800", b"\n",
     b"\r", b"null", b"1e999", b"-0", b"9" * 400, b"{" * 2_000, b'{"a":' * 2_000]
)  # fmt: skip


@pytest.mark.parametrize("content_type", FORMS)
def test_in_mutilated_bodies(api, content_type):
    """Whatever is put in or taken out of a right body: each event stored or refused, and never a failure."""

    @examples(150)
    @given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), PIECES), min_size=1, max_size=3))
    def send(changes):
        body = FORMS[content_type]
        for where, taken, put in changes:
            at = int(where * len(body))
            body = body[:at] + put + body[at + taken :]
        headers = {"X-API-Key": api.secret, "Content-Type": content_type}
        response = api.client.post("/api/v1/events", data=body, headers=headers)
        judge(response, body)
        if response.status_code < 400:
            tally = response.json
            assert tally["accepted"] + tally["duplicates"] + tally["rejected"] == len(tally["results"])

    send()


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, str):
        yield value


def test_nothing_of_it_stays_in_the_answers(api):
    """What the corpus did get stored is well: every list and figure can still be read, and no row holds a NUL."""
    for path in ("/meters", "/customers", "/api-keys", "/usage", "/meters/calls/events"):
        for page in api.pages(path, page_size=100):
            assert not any("\0" in text for text in texts_in(page))
    for path in ("/meters/calls/usage", "/meters/calls/stats", "/customers/acme/usage"):
        assert api.get(path).status_code == 200
