"""Records as the API writes them: one function a record, the same keys wherever it appears."""

from __future__ import annotations

from typing import Any

import msgspec

from fluxrate.core import amounts
from fluxrate.core.answers import LogRow
from fluxrate.core.calendar import rfc3339
from fluxrate.core.model import Customer, Event, Meter, Void


def meter_shape(meter: Meter) -> dict[str, Any]:
    """A meter."""
    return {
        "id": meter.id,
        "name": meter.name,
        "meter_name": meter.meter_name,
        "meter_token": meter.meter_token,
        "aggregation_type": meter.aggregation_type,
        "property_name": meter.property_name,
        "unit": meter.unit,
        "decimals": meter.decimals,
        "filters": [{"key": own.key, "values": list(own.values)} for own in meter.filters],
        "status": meter.status,
        "created_at": rfc3339(meter.created_at),
        "updated_at": rfc3339(meter.updated_at),
    }


def customer_shape(customer: Customer) -> dict[str, Any]:
    """A customer."""
    return {
        "id": customer.id,
        "external_id": customer.external_id,
        "name": customer.name,
        "email": customer.email,
        "created_at": rfc3339(customer.created_at),
        "updated_at": rfc3339(customer.updated_at),
    }


def event_shape(
    event: Event, meter: Meter, customer_id: str, customer_external_id: str, void: Void | None
) -> dict[str, Any]:
    """An event, and what took it out of the figures, if anything did; `quantity` is a text, so that no client reads it
    as a float.
    """
    arrived = rfc3339(event.ingested_at)
    return {
        "id": event.id,
        "meter_id": meter.id,
        "customer_id": customer_id,
        "customer_external_id": customer_external_id,
        "quantity": amounts.to_text(event.quantity, meter.decimals),
        "timestamp": rfc3339(event.timestamp),
        "ingested_at": arrived,
        "created_at": arrived,
        "idempotency_key": event.idempotency_key,
        "voided": void is not None,
        "void": None if void is None else void_shape(void),
        "meta_data": msgspec.Raw((event.metadata or "{}").encode()),
    }


def void_shape(void: Void) -> dict[str, Any]:
    """What took an event out of the figures: why, who, when, and from which sequence on."""
    return {"reason": void.reason, "actor": void.actor, "voided_at": rfc3339(void.voided_at), "seq": void.seq}


def log_row_shape(row: LogRow) -> dict[str, Any]:
    """An event of a list."""
    return event_shape(row.event, row.meter, row.customer.id, row.customer.external_id, row.void)
