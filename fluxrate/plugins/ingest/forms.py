"""The forms in which a batch may come, told apart by Content-Type: JSON, NDJSON and CloudEvents, each gzip or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from flask import request

from fluxrate.core import cloudevents, text
from fluxrate.core.drafts import Draft, decode_lines, decode_many
from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.http.bodies import JSON, read_body

NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
CLOUDEVENT = "application/cloudevents+json"
CLOUDEVENTS = "application/cloudevents-batch+json"

ATTRIBUTE = "ce-"
"""How a header begins that carries an attribute of an event in binary mode; its body is the data alone."""

Drafts = Sequence[Draft | FluxrateError]

_FORMS: dict[str, Callable[[bytes, int], Drafts]] = {
    JSON: decode_many,
    **dict.fromkeys(NDJSON, decode_lines),
    CLOUDEVENT: lambda body, _: cloudevents.decode_event(body),
    CLOUDEVENTS: cloudevents.decode_batch,
}


def read_drafts(most: int) -> Drafts:
    """The events of the request's body, each a draft or the reason it is none; at most so many, else TooLarge."""
    if request.mimetype == JSON and f"{ATTRIBUTE}specversion" in request.headers:
        return cloudevents.decode_binary(_attributes(), read_body(JSON))
    body = read_body(*_FORMS)
    return _FORMS[request.mimetype](body, most)


def _attributes() -> dict[str, str]:
    named = ((name.lower(), value) for name, value in request.headers.items())
    return {name[len(ATTRIBUTE) :]: _plain(name, value) for name, value in named if name.startswith(ATTRIBUTE)}


def _plain(name: str, value: str) -> str:
    """A header's value as the attribute it stands for: what is no ASCII comes as percent-encoded UTF-8."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as why:
        raise Malformed(f"{name} is UTF-8, percent-encoded, but {text.show(value)} came.", field=name) from why
