"""Events as senders write them: compiled decoding of JSON into drafts, and the limits on what a draft may carry.

One struct reads every shape the API takes; which of its fields are there decides what it means (`ingest` looks at
that). A batch is decoded in one go; only when something in it cannot be read is it taken apart item by item, to say
which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from fluxrate.core.errors import FluxrateError, Malformed, RuleBroken, TooLarge

METADATA_BYTES = 16_384
METADATA_KEYS = 64
METADATA_DEPTH = 16

Item = TypeVar("Item")

ABSENT = msgspec.Raw()
"""Stands for a quantity that was not sent: msgspec reads no union with Raw."""


class Draft(msgspec.Struct, forbid_unknown_fields=True):
    """One event as sent.

    `quantity` and properties stay raw JSON, because a text is taken exactly and
    a number is rounded from its digits, never by way of a float.
    """

    meter_token: str | None = None
    meter_id: str | None = None
    meter_name: str | None = None
    customer_external_id: str | None = None
    customer_id: str | None = None
    quantity: msgspec.Raw = ABSENT
    properties: dict[str, msgspec.Raw] | None = None
    timestamp: str | None = None
    idempotency_key: str | None = None
    metadata: dict[str, Any] | None = None


_ONE = msgspec.json.Decoder(Draft)
_MANY = msgspec.json.Decoder(list[Draft])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODE = msgspec.json.Encoder()
_REASON_LENGTH = 200


def decode_one(body: bytes) -> Draft:
    """A single event from a JSON object; raises Malformed that says what is wrong where."""
    try:
        return _ONE.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(f"The body is one JSON object of an event, but {_reason(why)}.") from why


def decode_many(body: bytes, most: int) -> Sequence[Draft | FluxrateError]:
    """The events of a JSON array, each a draft or the reason it cannot be read. More than `most`: TooLarge."""
    try:
        return _few(_MANY.decode(body), most)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # Counted before they are taken apart: that is a hundred times slower.
        return [_item(raw) for raw in _few(_items(body), most)]


def _few(items: list[Item], most: int) -> list[Item]:
    if len(items) > most:
        raise TooLarge(f"A batch holds at most {most} events, but {len(items)} came; send them in parts.")
    return items


def _items(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ITEMS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(f"The body is a JSON array of events, but {_reason(why)}.") from why


def _item(raw: msgspec.Raw) -> Draft | FluxrateError:
    try:
        return decode_one(bytes(raw))
    except FluxrateError as refused:
        return refused


def _reason(why: Exception) -> str:
    if isinstance(why, RecursionError):
        return "it is nested too deeply"
    if isinstance(why, UnicodeDecodeError):
        return "it is not UTF-8"
    said = str(why).encode("unicode_escape").decode()[:_REASON_LENGTH]
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]


def decode_value(raw: bytes | msgspec.Raw, field: str) -> Any:
    """One JSON value; raises Malformed, which names the field. Raw values have not been read before: anything may be
    in.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(f"{field} is a JSON value, but {_reason(why)}.", field=field) from why


def metadata_text(meta: Mapping[str, Any] | None) -> str | None:
    """Compact JSON of an event's metadata, None when there is none; refuses what could not be stored or shown.

    At most 64 keys, 16 KiB and 16 levels; no NUL anywhere, because PostgreSQL cannot hold one.
    """
    if not meta:
        return None
    if len(meta) > METADATA_KEYS:
        raise RuleBroken(f"metadata has at most {METADATA_KEYS} keys, but {len(meta)} came.", field="metadata")
    nested = any(isinstance(value, dict | list) for value in meta.values())
    if nested and not _flatter(meta, METADATA_DEPTH):
        raise RuleBroken(f"metadata is nested at most {METADATA_DEPTH} levels deep.", field="metadata")
    try:
        encoded = _ENCODE.encode(meta)
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError) as why:
        raise RuleBroken("metadata holds a text or number that cannot be stored.", field="metadata") from why
    if len(encoded) > METADATA_BYTES:
        raise RuleBroken(f"metadata takes at most {METADATA_BYTES} bytes, but {len(encoded)} came.", field="metadata")
    if b"\\u0000" in encoded and _has_nul(meta):
        raise RuleBroken("metadata holds a NUL character, which no text may.", field="metadata")
    return encoded.decode()


def _flatter(value: Any, levels: int) -> bool:
    """Whether it has at most so many levels; never goes deeper, because the stack is as finite as the sender is not."""
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return levels > 0 and all(_flatter(item, levels - 1) for item in value)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, Mapping):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
