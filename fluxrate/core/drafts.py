"""Events as senders write them: compiled decoding of JSON into drafts, and the limits on what a draft may carry.

One struct reads every shape the API takes; which of its fields are there decides what it means (`ingest` looks at
that). A batch is decoded in one go; only when something in it cannot be read is it taken apart item by item, to say
which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec

from fluxrate.core.errors import FluxrateError, Malformed, RuleBroken, TooLarge

METADATA_BYTES = 16_384
METADATA_KEYS = 64
METADATA_DEPTH = 16

KEY_SEPARATOR = "|"

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for JSON that it cannot read."""

Item = TypeVar("Item")

ABSENT = msgspec.Raw()
"""Stands for a quantity that was not sent: msgspec reads no union with Raw."""


class Draft(msgspec.Struct, forbid_unknown_fields=True, gc=False):
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
_LINE = re.compile(rb"[^ \t\r\n][^\n]*")
_REASON_LENGTH = 200


def decode_one(body: bytes) -> Draft:
    """A single event from a JSON object; raises Malformed that says what is wrong where."""
    try:
        return _ONE.decode(body)
    except UNREADABLE as why:
        raise Malformed(f"The body is one JSON object of an event, but {reason(why)}.") from why


def decode_many(body: bytes, most: int) -> Sequence[Draft | FluxrateError]:
    """The events of a JSON array, each a draft or the reason it cannot be read. More than `most`: TooLarge."""
    try:
        return few(_MANY.decode(body), most)
    except UNREADABLE:
        # Counted before they are taken apart: that is a hundred times slower.
        return [_item(raw) for raw in few(decode_items(body), most)]


def decode_lines(body: bytes, most: int) -> Sequence[Draft | FluxrateError]:
    """The events of NDJSON, one a line, each a draft or the reason it cannot be read; blank lines are none.

    More than `most`: TooLarge.
    """
    # Not the decoder's own `decode_lines`, which takes two objects on a line, and one over several, without a word.
    # Lines are looked for one by one: ten million blank ones would be a list of their own.
    lines = [found[0] for found in islice(_LINE.finditer(body), most + 1)]
    if len(lines) > most:
        raise TooLarge(f"A batch holds at most {most} events, but more came; send them in parts.")
    try:
        return list(map(_ONE.decode, lines))
    except UNREADABLE:
        return [_item(line) for line in lines]


def join_key(parts: Sequence[str]) -> str:
    """One key of several texts, the same only where each of them is."""
    # Without the escape, "a|" and "b" would make the same key as "a" and "|b".
    return KEY_SEPARATOR.join([_escaped(part) if "\\" in part or KEY_SEPARATOR in part else part for part in parts])


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace(KEY_SEPARATOR, "\\" + KEY_SEPARATOR)


def few(items: list[Item], most: int) -> list[Item]:
    """The items, if they are no more than a batch may hold; else TooLarge."""
    if len(items) > most:
        raise TooLarge(f"A batch holds at most {most} events, but {len(items)} came; send them in parts.")
    return items


def decode_items(body: bytes) -> list[msgspec.Raw]:
    """The items of a JSON array, not taken apart yet."""
    try:
        return _ITEMS.decode(body)
    except UNREADABLE as why:
        raise Malformed(f"The body is a JSON array of events, but {reason(why)}.") from why


def _item(raw: bytes | msgspec.Raw) -> Draft | FluxrateError:
    try:
        return _ONE.decode(raw)
    except UNREADABLE as why:
        return Malformed(f"An event is one JSON object, but {reason(why)}.")


def reason(why: Exception) -> str:
    """Half a sentence of why a decoder could not read what was sent."""
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
    except UNREADABLE as why:
        raise Malformed(f"{field} is a JSON value, but {reason(why)}.", field=field) from why


def metadata_text(meta: Mapping[str, Any] | None) -> str | None:
    """Compact JSON of an event's metadata, None when there is none; refuses what could not be stored or shown.

    At most 64 keys, 16 KiB and 16 levels; no NUL anywhere, because PostgreSQL cannot hold one.
    """
    if not meta:
        return None
    try:
        encoded = _ENCODE.encode(meta)
    except (UnicodeEncodeError, OverflowError, RecursionError, TypeError, ValueError):
        return _judged_text(meta)
    # Looked for in the text: in bytes it takes four times as long.
    kept = encoded.decode()
    nested = "[" in kept or kept.find("{", 1) > 0
    if nested or "\\u0000" in kept or len(meta) > METADATA_KEYS or len(encoded) > METADATA_BYTES:
        return _judged_text(meta)
    return kept


def _judged_text(meta: Mapping[str, Any]) -> str:
    """As `metadata_text`, one rule after another."""
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
