"""CloudEvents 1.0 as drafts: `type` is the meter_name, `subject` the customer's external id, `time` the timestamp,
`data` the properties, and `source` with `id` the idempotency key.

Reads an event in JSON, a batch of them, or the attributes and data of binary mode. What is wrong with one event is the
reason given for it; only a body that is no JSON at all is refused as a whole. Extension attributes are let pass by
their form, lower-case letters and digits, and are not kept: so a mistyped `customerId` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from fluxrate.core import text
from fluxrate.core.drafts import UNREADABLE, Draft, decode_items, few, join_key, reason
from fluxrate.core.errors import FluxrateError, Malformed

SPECVERSION = "1.0"

_NAME = re.compile("[a-z0-9]+")
_JSON_DATA = re.compile(r"application/(?:[^;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE)


class CloudEvent(msgspec.Struct, gc=False):
    """One event by its attributes; null is absent."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: dict[str, msgspec.Raw] | None = None
    data_base64: str | None = None


class _Plain(CloudEvent, forbid_unknown_fields=True, gc=False):
    """An event without extensions, whose names need not be looked at."""


_ONE = msgspec.json.Decoder(CloudEvent)
_MANY = msgspec.json.Decoder(list[_Plain])
_ATTRIBUTES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAW = msgspec.json.Decoder(msgspec.Raw)
_KNOWN = frozenset(CloudEvent.__struct_fields__)


def decode_batch(body: bytes, most: int) -> Sequence[Draft | FluxrateError]:
    """The events of a JSON array, each a draft or the reason it is none. More than `most`: TooLarge."""
    try:
        return [_judged(event) for event in few(_MANY.decode(body), most)]
    except UNREADABLE:
        return [_item(bytes(raw)) for raw in few(decode_items(body), most)]


def decode_event(body: bytes) -> Sequence[Draft | FluxrateError]:
    """The one event of a JSON object, a draft or the reason it is none."""
    return [_item(bytes(_whole(body)))]


def decode_binary(attributes: Mapping[str, str], body: bytes) -> Sequence[Draft | FluxrateError]:
    """The event whose attributes came beside its data; an empty body is no data."""
    data = _whole(body) if body.strip() else None
    fields = {name: value for name, value in attributes.items() if name not in ("data", "data_base64")}
    quoted = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return [_item(msgspec.json.encode(quoted | ({} if data is None else {"data": data})))]


def _whole(body: bytes) -> msgspec.Raw:
    try:
        return _RAW.decode(body)
    except UNREADABLE as why:
        raise Malformed(f"The body is one CloudEvent as JSON, but {reason(why)}.") from why


def _item(raw: bytes) -> Draft | FluxrateError:
    try:
        event = _ONE.decode(raw)
        for name in _ATTRIBUTES.decode(raw):
            if name not in _KNOWN and not _NAME.fullmatch(name):
                raise Malformed(
                    f"An attribute of a CloudEvent is named by lower-case letters and digits, but {text.show(name)} "
                    "came.",
                    field=name,
                )
        return _draft(event)
    except UNREADABLE as why:
        return Malformed(f"A CloudEvent is a JSON object, but {reason(why)}.")
    except FluxrateError as refused:
        return refused


def _judged(event: CloudEvent) -> Draft | FluxrateError:
    try:
        return _draft(event)
    except FluxrateError as refused:
        return refused


def _draft(event: CloudEvent) -> Draft:
    if event.specversion != SPECVERSION:
        raise Malformed(f"specversion is '1.0', but {text.show(event.specversion)} came.", field="specversion")
    for name in ("id", "source", "type"):
        if not getattr(event, name):
            raise Malformed(f"{name} is a text that is not empty, but '' came.", field=name)
    if not event.subject:
        raise Malformed("subject is the customer's external id, but it is missing.", field="subject")
    if event.data_base64 is not None:
        raise Malformed("data is a JSON object, but data_base64 came instead.", field="data_base64")
    kind = event.datacontenttype
    if kind is not None and not _JSON_DATA.fullmatch(kind):
        raise Malformed(f"datacontenttype is application/json, but {text.show(kind)} came.", field="datacontenttype")
    return Draft(
        meter_name=event.type,
        customer_external_id=event.subject,
        properties=event.data or {},
        timestamp=event.time,
        idempotency_key=join_key((event.source, event.id)),
    )
