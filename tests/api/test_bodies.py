"""Bodies that mean harm or went wrong on the way: each is a problem in one sentence, and nothing of it is kept."""

from __future__ import annotations

import gzip
import json
import resource

import pytest

from tests.callers import Api, counts, exact, problem

EVENT = b'{"meter_name":"calls","customer_external_id":"acme","quantity":1}'
MANY = {"/sdk/track": EVENT, "/usage": EVENT, "/events": b"[%s]" % EVENT}
"""A right body for each address that takes events."""

PACKED = gzip.compress(EVENT, mtime=0)
DEEP = 100_000
UNREADABLE = {
    "empty": b"",
    "space": b" \n",
    "cut short": EVENT[:-1],
    "two documents": EVENT + EVENT,
    "something behind": EVENT + b"]",
    "a comment": b"/* */" + EVENT,
    "a trailing comma": EVENT[:-1] + b",}",
    "single quotes": EVENT.replace(b'"', b"'"),
    "a byte order mark": b"\xef\xbb\xbf" + EVENT,
    "UTF-16": EVENT.decode().encode("utf-16"),
    "bytes that are no UTF-8": EVENT.replace(b"acme", b"\xff\xfe"),
    "an overlong slash": EVENT.replace(b"acme", b"\xc0\xaf"),
    "a surrogate in UTF-8": EVENT.replace(b"acme", b"\xed\xa0\x80"),
    "half a surrogate pair": EVENT.replace(b"acme", b"\\ud83d"),
    "a pair the wrong way round": EVENT.replace(b"acme", b"\\ude00\\ud83d"),
    "half a pair in a key": EVENT.replace(b'"quantity"', b'"\\ud800"'),
    "half a pair in metadata": EVENT[:-1] + b',"metadata":{"a":"\\udfff"}}',
    "half a pair in the quantity": EVENT.replace(b":1}", b':"\\ud800"}'),
    "no UTF-8 in the quantity": EVENT.replace(b":1}", b':"\xff"}'),
    "no UTF-8 in metadata": EVENT[:-1] + b',"metadata":{"a":"\xff"}}',
    "a raw newline in a text": EVENT.replace(b"acme", b"a\nb"),
    "a raw NUL": EVENT.replace(b"acme", b"a\0b"),
    "NaN": EVENT.replace(b":1}", b":NaN}"),
    "Infinity in metadata": EVENT[:-1] + b',"metadata":{"a":Infinity}}',
    "a number beyond every double": EVENT[:-1] + b',"metadata":{"a":1e400}}',
    "an integer of 5,000 digits": EVENT[:-1] + b',"metadata":{"a":%s}}' % (b"9" * 5_000),
    "objects nested without end": b'{"a":' * DEEP,
    "arrays nested without end": b"[" * DEEP,
    "deep and closed": b"[" * DEEP + b"]" * DEEP,
    "deep metadata": EVENT[:-1] + b',"metadata":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "a deep quantity": EVENT.replace(b":1}", b":" + b"[" * DEEP + b"]" * DEEP + b"}"),
    "a text": b'"event"',
    "a number": b"1",
    "null": b"null",
    "HTML": b"<html></html>",
    "a form": b"meter_name=calls&quantity=1",
}


@pytest.fixture(scope="module")
def api(module_app):
    api = Api(module_app)
    api.meter()
    return api


@pytest.fixture(autouse=True)
def nothing_is_kept(api):
    """After every refusal of this file there is neither an event nor a customer."""
    yield
    assert counts(api.app) == (0, 0)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused(api, name):
    """No JSON, no UTF-8 or no event: a 4xx with one sentence, from every address, alone and within a batch."""
    body = UNREADABLE[name]
    for path in ("/sdk/track", "/usage"):
        refused = problem(api.send(body, path), 422)
        assert "JSON" in refused["detail"]
    response = api.send(b"[%s]" % body if name not in ("empty", "space") else body, "/events")
    if response.status_code == 207:
        assert response.json["rejected"] == len(response.json["results"]) == 1
    else:
        problem(response, 422, "JSON")
    for path in ("/meters", "/customers", "/api-keys"):
        problem(api.send(body, path), 422)


@pytest.mark.parametrize("levels", [16, 17, 100, 400, 500, 700, 990, 2_000])
@pytest.mark.parametrize("opened", ['{"a":', "["])
def test_metadata_has_at_most_sixteen_levels(make_app, levels, opened):
    """16 levels are kept and more refused, at every depth that a stack might or might not bear."""
    api = Api(make_app())
    api.meter()
    closed = "}" if opened[0] == "{" else "]"
    nested = opened * (levels - 1) + "1" + closed * (levels - 1)
    for shape in ('{"meter_name":"calls","customer_external_id":"a","quantity":1,"metadata":{"m":%s}}',
                  '{"meter_name":"count","customer_external_id":"a","properties":{"m":%s}}'):  # fmt: skip
        if "count" in shape:
            api.meter("count", "COUNT")
        response = api.send(shape % nested)
        if levels <= 16:
            assert response.status_code == 201, response.text
            assert json.dumps(response.json["meta_data"]["m"]).count(opened[0]) == levels - 1
        else:
            assert response.status_code in (400, 422)
            problem(response, response.status_code, "nested")


def test_the_last_of_two_equal_keys_counts(make_app):
    """JSON with a key twice is read as most parsers do: the last one counts, everywhere alike."""
    api = Api(make_app())
    api.meter()
    response = api.send(EVENT[:-1] + b',"quantity":"2","metadata":{"a":1,"a":2}}')
    assert (response.json["quantity"], response.json["meta_data"]) == ("2", {"a": 2})
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 2


@pytest.mark.parametrize("path", MANY)
@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/xml", "application/jsonx", "multipart/form-data"]
)
def test_another_content_type_is_refused(api, path, content_type):
    """Only JSON is read; anything else is a 415 that says what is read and what came."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    problem(api.call("POST", path, data=MANY[path], headers=headers), 415, "application/json", content_type or "none")
    problem(api.call("POST", "/meters", data=b"{}", headers=headers), 415, "application/json")


def test_a_charset_beside_json_is_fine(make_app):
    """`application/json; charset=utf-8` is JSON, in any case."""
    api = Api(make_app())
    api.meter()
    for content_type in ("application/json; charset=utf-8", "Application/JSON"):
        response = api.call("POST", "/sdk/track", data=EVENT, headers={"Content-Type": content_type})
        assert response.status_code == 201


def test_a_packed_body_is_unpacked(make_app):
    """`Content-Encoding: gzip` is undone for every call with a body."""
    api = Api(make_app())
    packed = gzip.compress(b'{"meter_name":"calls","aggregation_type":"SUM"}')
    assert api.send(packed, "/meters", Content_Encoding="gzip").status_code == 201
    for path, body in MANY.items():
        assert api.send(gzip.compress(body), path, Content_Encoding="GZIP").status_code in (200, 201)
    assert counts(api.app) == (3, 1)


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (EVENT, "gzip", 422),
        (PACKED[:-5], "gzip", 422),
        (PACKED + b"x", "gzip", 422),
        (PACKED[:10] + b"\xff" * 50, "gzip", 422),
        (b"", "gzip", 422),
        (gzip.compress(PACKED, mtime=0), "gzip", 422),
        (PACKED, "identity", 422),
        (EVENT, "br", 415),
        (EVENT, "zstd", 415),
        (EVENT, "gzip, gzip", 415),
        (EVENT, "x" * 500, 415),
    ],
)
def test_a_body_packed_wrongly_is_refused(api, body, encoding, status):
    """No gzip, damaged, cut short, packed twice or another way: refused."""
    problem(api.send(body, Content_Encoding=encoding), status)


def test_a_bomb_is_refused_before_it_unfolds(api):
    """A hundred megabytes packed into one tenth of one is a 413, without the memory."""
    bomb = gzip.compress(b" " * 100_000_000, 9)
    bomb = bomb[:-8]  # never reached: the unpacking stops at the limit
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in MANY:
        problem(api.send(bomb, path, Content_Encoding="gzip"), 413, "at most 10485760 bytes")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_body_beyond_the_limit_is_refused(api):
    """One byte more than MAX_BODY_BYTES is a 413 with the limit, on every call with a body."""
    for path in (*MANY, "/meters", "/customers", "/api-keys"):
        problem(api.send(b" " * 10_485_761, path), 413, "at most 10485760 bytes")
    problem(api.send(b" " * 10_485_760), 422, "JSON")


def test_the_largest_body_is_a_setting(make_app):
    """MAX_BODY_BYTES sets the limit, packed and unpacked."""
    api = Api(make_app("small", MAX_BODY_BYTES=1_024))
    api.meter()
    problem(api.send(EVENT + b" " * 1_024), 413, "1024 bytes")
    problem(api.send(gzip.compress(EVENT + b" " * 1_024), Content_Encoding="gzip"), 413, "1024 bytes")
    assert api.send(EVENT).status_code == 201


def test_a_body_without_a_stated_length_is_refused(api):
    """A body in chunks that a server passes on as such could be cut at the limit unseen: 411 asks for its length."""
    from io import BytesIO

    response = api.client.post(
        "/api/v1/sdk/track",
        input_stream=BytesIO(EVENT),
        headers={"X-API-Key": api.secret, "Content-Type": "application/json", "Transfer-Encoding": "chunked"},
    )
    problem(response, 411, "Content-Length")


def test_no_refusal_repeats_what_was_sent_at_length(api):
    """However long the wrong value is, the sentence about it stays short and printable."""
    long = "\x1b[31m\u202e" + "ä" * 100_000
    for body in (
        {"meter_name": long, "customer_external_id": "a", "quantity": 1},
        {"meter_name": "calls", "customer_external_id": long, "quantity": 1},
        {"meter_name": "calls", "customer_external_id": "a", "quantity": long},
        {"meter_name": "calls", "customer_external_id": "a", "quantity": 1, "timestamp": long},
        {"meter_name": "calls", "customer_external_id": "a", "quantity": 1, "idempotency_key": long},
        {long: 1},
    ):
        response = api.post("/sdk/track", body)
        assert len(problem(response, response.status_code)["detail"]) < 400
    for query in (
        {"metric": long[:3_000]},
        {"timezone": long[:3_000]},
        {"customer_id": long[:3_000]},
        {long[:3_000]: "1"},
    ):
        response = api.get("/meters/calls/usage", **query)
        assert len(problem(response, response.status_code)["detail"]) < 400
