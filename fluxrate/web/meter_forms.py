"""The fields of a meter as people type them, and back: what a form sends becomes what `core.meters` checks.

Filters are lines of `key=value`; several lines of one key mean any of the values, as the API's lists do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core.errors import Malformed
from fluxrate.core.meters import DEFAULT_DECIMALS
from fluxrate.core.model import Meter
from fluxrate.core.text import show
from fluxrate.web.forms import typed

LABELS = {
    "meter_name": "The name in calls",
    "name": "The name",
    "aggregation_type": "The aggregation",
    "property_name": "The property",
    "unit": "The unit",
    "decimals": "Decimals",
    "filters": "A filter",
}
FREE = ("name", "unit")
"""What may change at any time."""
UNTIL_EVENTS = ("aggregation_type", "property_name", "filters")
"""What may change until there are events."""
ALL = ("meter_name", *FREE, *UNTIL_EVENTS, "decimals")
MOST_DECIMALS = 18
MOST_FILTERS = 5
MOST_VALUES = 100


def new() -> dict[str, str]:
    """The form of a meter that is to be made."""
    return {**dict.fromkeys(ALL, ""), "aggregation_type": "SUM", "decimals": str(DEFAULT_DECIMALS)}


def of(meter: Meter) -> dict[str, str]:
    """The form of a meter as it is."""
    return {
        "meter_name": meter.meter_name,
        "name": meter.name,
        "unit": meter.unit or "",
        "aggregation_type": meter.aggregation_type,
        "property_name": meter.property_name or "",
        "decimals": str(meter.decimals),
        "filters": "\n".join(f"{own.key}={value}" for own in meter.filters for value in own.values),
    }


def read(*names: str) -> dict[str, str]:
    """What was typed into these fields."""
    return typed(*names)


def fields(form: Mapping[str, str]) -> dict[str, Any]:
    """What the form says, in the types of the core; raises Malformed that names the field."""
    found: dict[str, Any] = {name: value for name, value in form.items() if name not in ("decimals", "filters")}
    for name in ("unit", "property_name"):
        if name in found:
            found[name] = found[name] or None
    if "meter_name" in form and not form["meter_name"]:
        raise Malformed("Give the name that stands in calls, such as api_calls.", field="meter_name")
    if "meter_name" in form:
        found["name"] = found["name"] or None
    if "decimals" in form:
        found["decimals"] = _decimals(form["decimals"])
    if "filters" in form:
        found["filters"] = _filters(form["filters"])
    return found


def _decimals(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= MOST_DECIMALS):
        raise Malformed(
            f"Decimals are a whole number from 0 to {MOST_DECIMALS}, but {show(text)} came.", field="decimals"
        )
    return int(text)


def _filters(text: str) -> list[dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            raise Malformed(f"A filter is a line such as region=eu, but {show(line)} came.", field="filters")
        found.setdefault(key.strip(), []).append(value.strip())
    if len(found) > MOST_FILTERS:
        raise Malformed(f"A meter has filters on at most {MOST_FILTERS} keys, but {len(found)} came.", field="filters")
    for key, values in found.items():
        if len(values) > MOST_VALUES:
            raise Malformed(
                f"A filter has at most {MOST_VALUES} values, but {show(key)} has {len(values)}.", field="filters"
            )
    return [{"key": key, "values": values} for key, values in found.items()]
