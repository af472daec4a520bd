"""Bodies that are nearly right: right ones with bytes, values and pieces changed; the same for the same seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

_CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "/s",
    "type": "calls",
    "subject": "acme",
    "time": "2025-01-01T00:00:00Z",
}
_META = {"user_id": "u", "n": 1, "deep": {"a": [1.5, None, True, "é"]}}
_EVENTS: tuple[dict[str, object], ...] = (
    {
        "meter_name": "calls",
        "customer_external_id": "acme",
        "quantity": "1.5",
        "idempotency_key": "k",
        "metadata": _META,
    },
    {
        "meter_name": "users",
        "customer_external_id": "zoë",
        "metadata": {"user_id": "u1"},
        "timestamp": "2025-01-01T10:00:00+02:00",
    },
    {"meter_name": "last", "customer_external_id": "acme", "properties": {"value": 12.25, "region": "eu"}},
    {
        "meter_name": "mean",
        "customer_external_id": "b",
        "quantity": 9007199254740993,
        "timestamp": "1970-01-01T00:00:00Z",
    },
    {"meter_name": "calls", "customer_external_id": "acme", "quantity": 1e-2, "idempotency_key": "k|2"},
)
_VALUES = (
    b"null", b"true", b"0", b"-0", b"-1", b"1e400", b"1e-400", b"0.5", b"1e18", b"9223372036854775807",
    b"9223372036854775808", b"NaN", b"-Infinity", b"[]", b"{}", b'""', b'" "', b'"\\u0000"', b'"\\ud800"',
    b'"\\ud83d\\ude00"', b'"\\u202e"', b'"1"', b'"-1"', b'"1e3"', b'"NaN"', b'"0.000000000000000001"',
    '"١٢"'.encode(), b'"2025-02-30T00:00:00Z"', b'"9999-12-31T23:59:59Z"', b'"2025-01-01"',
    b'"0001-01-01T00:00:00+23:59"', b'"1969-12-31T23:59:59Z"', b'"2016-12-31T23:59:60Z"', b'"unknown"', b'"users"',
    b'"last"', b'"' + b"x" * 255 + b'"', b'"' + b"x" * 256 + b'"', b'{"user_id":null}', b'{"user_id":["u"]}',
    b'{"":""}', b'{"a":' * 15 + b"1" + b"}" * 15, b'{"a":' * 20 + b"1" + b"}" * 20, b"[" * 600 + b"]" * 600,
    b"1" * 400, b"1." + b"1" * 400,
)  # fmt: skip
_PIECES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\n", b"\r\n", b",", b":", b'"', b"\\", b"{", b"}", b"[", b"]", b"\xef\xbb\xbf",
    b"  ", b'"quantity":"2",', b'"metadata":{"a":"b"},', b'"properties":{"value":1},', b'"extra":1,',
    "\u2028".encode(),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A body with where it is sent and what it is said to be."""

    path: str
    content_type: str
    body: bytes
    encoding: str | None = None


def requests(count: int, seed: int) -> Iterator[Request]:
    """So many requests: a few of them right, most of them nearly."""
    rng = random.Random(seed)
    corpus = _corpus()
    for number in range(count):
        right = rng.choice(corpus)
        body = _fresh(right.body, number) if rng.random() < 0.7 else right.body
        for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
            body = _mutated(body, rng, corpus)
        yield _sent(right, body, rng)


def _corpus() -> list[Request]:
    singles = [json.dumps(event, ensure_ascii=False).encode() for event in _EVENTS]
    cloud = json.dumps(_CLOUD | {"data": {"value": "3", "user_id": "u"}}).encode()
    found = [Request(path, "application/json", one) for one in singles for path in ("/sdk/track", "/usage")]
    for some in (singles, singles[:2], singles[2:]):
        found.append(Request("/events", "application/json", b"[" + b",".join(some) + b"]"))
        found.append(Request("/events", "application/x-ndjson", b"\n".join(some)))
    found.append(Request("/events?atomic=true", "application/json", b"[" + b",".join(singles) + b"]"))
    found.append(Request("/events", "application/cloudevents+json", cloud))
    found.append(
        Request("/events?results=errors", "application/cloudevents-batch+json", b"[" + cloud + b"," + cloud + b"]")
    )
    return found


def _fresh(body: bytes, number: int) -> bytes:
    """Keys that nobody has used, so that what is right is stored and not a repeat."""
    return body.replace(b'"k', b'"%d-' % number).replace(b'"id": "1"', b'"id": "%d"' % number)


def _mutated(body: bytes, rng: random.Random, corpus: list[Request]) -> bytes:
    start = rng.randrange(len(body) + 1)
    end = min(len(body), start + rng.choice((1, 1, 2, 8, 40)))
    kind = rng.randrange(7)
    if kind == 0:
        return body[:start] + bytes([rng.randrange(256)]) + body[start + 1 :]
    if kind == 1:
        return body[:start] + body[end:]
    if kind == 2:
        return body[:start] + body[start:end] * rng.choice((2, 3, 50)) + body[end:]
    if kind == 3:
        return body[:start] + rng.choice(_PIECES) + body[start:]
    if kind == 4:
        other = rng.choice(corpus).body
        return body[:start] + other[rng.randrange(len(other)) :]
    return _with_value(body, rng)


def _with_value(body: bytes, rng: random.Random) -> bytes:
    """Another value behind one of the colons: the rest still reads as JSON."""
    colons = [place for place, byte in enumerate(body) if byte == ord(":")]
    if not colons:
        return body + rng.choice(_VALUES)
    start = rng.choice(colons) + 1
    try:
        text = body[start:].decode()
        skipped = len(text) - len(text.lstrip())
        _, length = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return body[:start] + rng.choice(_VALUES) + body[start:]
    return body[:start] + rng.choice(_VALUES) + text[skipped + length :].encode()


def _sent(right: Request, body: bytes, rng: random.Random) -> Request:
    packing = rng.random()
    if packing > 0.1:
        return Request(right.path, right.content_type, body)
    packed = bytearray(gzip.compress(body, 1, mtime=0))
    if packing < 0.05:
        packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
    return Request(right.path, right.content_type, bytes(packed), "gzip")
