"""The frozen records that every room shares. Times are UTC microseconds, quantities integers in the meter's smallest
unit.

`pk` is the store's integer key and never leaves the process; `id` is the public UUID as text. Events are msgspec
structs out of sight of the garbage collector: a batch makes thousands, and walking them took a third of the time of
storing them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

import msgspec

Number = int | Decimal
"""An exact figure as it leaves the engine: an int where it is whole, a Decimal without trailing zeros where not."""

Rules = tuple[str, str | None, str]
"""The aggregation type, property name and status of a meter."""

METER_STATUSES = ("ACTIVE", "ARCHIVED")
SCOPES = ("usage.read", "usage.write", "admin")

_SEQ_BITS = 62
_MAX_MS = (1 << 48) - 1
_NODE_BITS = 48
_NODE = (1 << _NODE_BITS) - 1
_VARIANT = 0b10 << _SEQ_BITS - _NODE_BITS


@dataclass(frozen=True, slots=True)
class MeterFilter:
    """Only events whose metadata under `key` is one of `values` count on the meter."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meter:
    """What is measured, and how its events become one figure."""

    pk: int
    id: str
    name: str
    meter_name: str
    meter_token: str
    aggregation_type: str
    property_name: str | None
    unit: str | None
    decimals: int
    filters: tuple[MeterFilter, ...]
    status: str
    created_at: int
    updated_at: int

    @property
    def rules(self) -> Rules:
        """What its events are checked by and may change; `decimals` never do."""
        return self.aggregation_type, self.property_name, self.status


@dataclass(frozen=True, slots=True)
class Customer:
    """Who used it; `external_id` is the sender's own id and the join key."""

    pk: int
    id: str
    external_id: str
    name: str | None
    email: str | None
    created_at: int
    updated_at: int


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that passed every check and waits to be stored.

    `customer_pk` is None when the customer is to be created under `customer_external_id` in the same transaction.
    `metadata` is compact JSON text of an object, or None when there is none. `rules` are those of the meter that the
    event was checked by: it is stored only while they hold; None asks for no such look.
    """

    meter_pk: int
    customer_pk: int | None
    customer_external_id: str
    timestamp: int
    quantity: int
    idempotency_key: str | None
    metadata: str | None
    rules: Rules | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """A stored event; `seq` is its ingest sequence, the tie-break of every order by time."""

    seq: int
    meter_pk: int
    customer_pk: int
    timestamp: int
    quantity: int
    ingested_at: int
    idempotency_key: str | None
    metadata: str | None

    @property
    def id(self) -> str:
        """The public id, computed from what is stored (see `event_id`)."""
        return event_id(self.seq, self.ingested_at)


class Void(msgspec.Struct, frozen=True, gc=False):
    """What takes an event out of the figures from `seq` on; `event_seq` is the event's own sequence.

    `actor` says who did it, as `By.actor` does.
    """

    seq: int
    event_seq: int
    reason: str
    actor: str
    voided_at: int


class Stored(msgspec.Struct, frozen=True, gc=False):
    """What became of one `NewEvent`: the event as stored (the first one for a repeated key)."""

    event: Event
    duplicate: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret; `prefix` is the public part that names it, `digest` the hash of the whole key."""

    pk: int
    id: str
    name: str
    prefix: str
    digest: bytes
    scopes: tuple[str, ...]
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in; every account is an administrator for now."""

    pk: int
    id: str
    email: str
    password_hash: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser; only the digest of its token is stored."""

    token_digest: bytes
    user_pk: int
    created_at: int
    last_seen_at: int


@dataclass(frozen=True, slots=True)
class InForce:
    """A setting as it is: its value as a text that may be shown, where it was set (None: nowhere, it is the default),
    and what it does.
    """

    name: str
    value: str
    source: str | None
    help: str


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, and from which client address if it came over HTTP.

    `actor` is `key:PREFIX NAME` for an API key (several may have one name), `user:EMAIL` for a person, or `cli`.
    """

    actor: str
    address: str | None = None


COMMAND_LINE = By("cli")
"""Whoever runs a command on the server: to have the instance's files is to be allowed everything."""


@dataclass(frozen=True, slots=True)
class Note:
    """What the audit trail is to keep of a change, written in the change's own transaction.

    `action` is one of `trail.ACTIONS`, `target` such as `meter:api_calls`, `at` in UTC microseconds. `details` are
    plain JSON values, and never a secret.
    """

    by: By
    action: str
    target: str | None
    at: int
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit trail; the fields are those of `Note` and `By`."""

    pk: int
    at: int
    actor: str
    action: str
    target: str | None
    address: str | None
    details: Mapping[str, object]


def event_id(seq: int, ingested_at: int) -> str:
    """The UUIDv7 of an event: arrival in milliseconds, then the ingest sequence as the counter (RFC 9562, 6.2).

    Computed, not stored: an event's id costs no bytes on disk and no index, and names its row by primary key.
    """
    # Written out: UUID values, made and formatted, took a fifth of the time of a batch.
    return f"{_arrival(ingested_at)}-{_VARIANT | seq >> _NODE_BITS:04x}-{seq & _NODE:012x}"


@lru_cache(maxsize=64)
def _arrival(ingested_at: int) -> str:
    """The first half of an id, which all events of a batch share."""
    ms = f"{min(max(ingested_at // 1000, 0), _MAX_MS):012x}"
    return f"{ms[:8]}-{ms[8:]}-7000"


def seq_of(event_id_text: str) -> int | None:
    """The ingest sequence inside an event id, or None when the text is no such id."""
    try:
        value = uuid.UUID(event_id_text)
    except ValueError:
        return None
    return value.int & ((1 << _SEQ_BITS) - 1) if value.version == 7 else None
