"""Short ways to an instance of one's own: the real store and columns in a folder, meters, and events on them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from fluxrate.app import command_services
from fluxrate.config import load_config
from fluxrate.core import meters
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter, NewEvent, Number, Stored
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests import reference

NOW = 1_750_000_000_000_000
"""2025-06-15T15:06:40Z"""

EVER = Window(0, 2 * NOW, "UTC")
"""A window that holds every event of a test."""


def open_instance(folder: Path, **settings: object) -> Services:
    """The parts of an application on the instance in this folder, as a command gets them."""
    return command_services(load_config(str(folder), settings, environ={}))


def reopened(parts: Services) -> Services:
    """The same instance after a clean end and a new start."""
    parts.live.refresh()
    parts.close()
    again = open_instance(parts.instance)
    again.live.load()
    return again


def make_meter(parts: Services, meter_name: str = "calls", aggregation_type: str = "SUM", **fields: Any) -> Meter:
    """A new meter without decimals unless said."""
    wanted = {"meter_name": meter_name, "aggregation_type": aggregation_type, "decimals": 0, **fields}
    return meters.create(parts.store, parts.registry.metrics, wanted, NOW)


def new(meter: Meter, ts: int = NOW, quantity: int = 1, customer: str = "acme", **fields: Any) -> NewEvent:
    """A checked event; `metadata` may be given as a dict, `key` is the idempotency key."""
    metadata = fields.get("metadata")
    return NewEvent(
        meter_pk=meter.pk,
        customer_pk=None,
        customer_external_id=customer,
        timestamp=ts,
        quantity=quantity,
        idempotency_key=fields.get("key"),
        metadata=None if metadata is None else msgspec.json.encode(metadata).decode(),
        rules=fields.get("rules"),
    )


def send(parts: Services, events: Sequence[NewEvent], meters: Sequence[Meter]) -> list[reference.Event]:
    """Store the events, and give them as the reference sees them."""
    by_pk = {meter.pk: meter for meter in meters}
    stored = parts.ingest.store(events)
    return [as_reference(item, sent, by_pk[sent.meter_pk]) for item, sent in zip(stored, events, strict=True)]


def total(parts: Services, meter: Meter, **query: Any) -> Number | None:
    """The meter's figure over all its events that pass the query's filters."""
    return parts.engine.usage(meter, Query(EVER, **query)).total


def folder(parts: Services) -> Path:
    """Where the instance keeps its saved columns."""
    return parts.instance / "columns"


def as_reference(stored: Stored, sent: NewEvent, meter: Meter) -> reference.Event:
    """The event as the reference sees it: a Decimal quantity, and the text that a distinct count reads."""
    meta = msgspec.json.decode(sent.metadata) if sent.metadata else {}
    keys = [key for key in (meter.property_name, "user_id") if key is not None and meta.get(key) is not None]
    return reference.Event(
        ts=sent.timestamp,
        seq=stored.event.seq,
        quantity=unscaled(sent.quantity, meter.decimals),
        customer=sent.customer_external_id,
        property=None if not keys else meta[keys[0]],
        meter=meter.meter_name,
        meta=reference.texts(meta),
    )


def unscaled(quantity: int, decimals: int) -> Decimal:
    """A stored quantity as the decimal it stands for; nothing is rounded."""
    return Decimal((0, tuple(map(int, str(quantity))), -decimals))
