"""The rules of a meter: which values its fields take, and what may still change once events are counted on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Conflict, Malformed
from fluxrate.core.model import COMMAND_LINE, METER_STATUSES, By, Meter, MeterFilter, Note
from fluxrate.core.registry import Metrics
from fluxrate.core.store import Store
from fluxrate.core.trail import changes_of

DEFAULT_DECIMALS = 6

_FIGURES = ("aggregation_type", "property_name", "decimals", "filters")


def create(store: Store, metrics: Metrics, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> Meter:
    """A new meter from checked-by-type fields; raises RuleBroken, Malformed or Conflict (name taken)."""
    meter_name = text.slug(fields["meter_name"], "meter_name")
    checked = _checked(
        {
            "name": meter_name if fields.get("name") is None else fields["name"],
            "aggregation_type": fields["aggregation_type"],
            "property_name": fields.get("property_name"),
            "unit": fields.get("unit"),
            "decimals": fields.get("decimals", DEFAULT_DECIMALS),
            "filters": fields.get("filters") or (),
        },
        metrics,
    )
    said = {"aggregation_type": checked["aggregation_type"], "decimals": checked["decimals"]}
    note = Note(by, "meter.created", f"meter:{meter_name}", now, said)
    return store.meters.create(meter_name=meter_name, now=now, note=note, **checked)


def change(
    store: Store,
    metrics: Metrics,
    meter: Meter,
    fields: Mapping[str, Any],
    *,
    has_events: bool,
    seen: int,
    now: int,
    by: By = COMMAND_LINE,
) -> Meter:
    """Change some fields. What the figures are made of is fixed once events are there: Conflict names the field.

    `has_events` is what was known at the sequence `seen`; the store looks at what came after.
    """
    checked = _checked(fields, metrics)
    for name in _FIGURES:
        if has_events and name in checked and checked[name] != getattr(meter, name):
            raise Conflict(
                f"{name} of {meter.meter_name} is fixed, because events are already counted by it; make a new meter.",
                field=name,
            )
    note = Note(by, "meter.updated", f"meter:{meter.meter_name}", now, changes_of(meter, checked))
    if not checked:
        return meter
    unsettled = not has_events and any(name in checked for name in _FIGURES)
    return store.meters.update(meter.pk, checked, now, note, seen if unsettled else None)


def delete(store: Store, meter: Meter, *, has_events: bool, now: int, by: By = COMMAND_LINE) -> None:
    """Remove a meter that nothing hangs on; raises Conflict where it has events, voided ones too, or a plan's charge.

    `has_events` is what is known already: the store would have to look for them.
    """
    if has_events:
        raise Conflict(f"{meter.meter_name} has events, so it cannot be deleted; archive it instead.")
    store.meters.delete(meter.pk, Note(by, "meter.deleted", f"meter:{meter.meter_name}", now))


def check_status(status: str) -> str:
    """A status a meter can have."""
    if status not in METER_STATUSES:
        raise Malformed(f"status is one of {', '.join(METER_STATUSES)}, but {text.show(status)} came.", field="status")
    return status


def _checked(fields: Mapping[str, Any], metrics: Metrics) -> dict[str, Any]:
    checked = dict(fields)
    if "aggregation_type" in checked:
        metrics.get(checked["aggregation_type"], field="aggregation_type")
    if "status" in checked:
        check_status(checked["status"])
    if "name" in checked:
        checked["name"] = text.clean(checked["name"], "name")
    if checked.get("unit") is not None:
        checked["unit"] = text.clean(checked["unit"], "unit", longest=32)
    if checked.get("property_name") is not None:
        checked["property_name"] = text.identifier(checked["property_name"], "property_name")
    if "filters" in checked:
        checked["filters"] = tuple(_filter(sent) for sent in checked["filters"])
    return checked


def _filter(sent: Mapping[str, Any]) -> MeterFilter:
    # Compared with what senders write, so they are kept as sent: a text that was tidied up would match nothing.
    values = tuple(text.identifier(value, "filters.values") for value in sent["values"])
    return MeterFilter(text.identifier(sent["key"], "filters.key"), values)
