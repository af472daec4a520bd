"""What some events come to, one event after another in plain Python: the seven built-in metrics, exactly.

Integers and fractions only. Obviously right matters here, speed does not; memory grows with the distinct customers and
values where they are asked for, never with the events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from fluxrate.core.store.audit import Row, Sums

METRICS = ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT")
"""The metrics that can be told here; one of a plugin cannot."""

_DECODER = json.JSONDecoder()

_AVERAGE_PLACES = 6
"""An average has this many places more than its meter, rounded half to even."""


class Tally:
    """Some events of one meter; the same `add` whatever is asked of them later."""

    __slots__ = ("customers", "events", "largest", "latest", "smallest", "total", "values")

    def __init__(self) -> None:
        self.events = 0
        self.total = 0
        self.smallest = self.largest = 0
        self.latest = (-1, -1, 0)
        """Time, sequence and quantity of the last event."""
        self.customers: set[int] = set()
        self.values: set[str] = set()

    def add(self, row: Row, value: str | None) -> None:
        """Take in one event; `value` is what a distinct count counts of it."""
        seq, customer, timestamp, quantity, _ = row
        # As `add_sums` does, but this is done for every event of every question.
        if quantity < self.smallest or not self.events:
            self.smallest = quantity
        if quantity > self.largest:
            self.largest = quantity
        self.events += 1
        self.total += quantity
        latest = (timestamp, seq, quantity)
        if latest > self.latest:
            self.latest = latest
        self.customers.add(customer)
        if value is not None:
            self.values.add(value)

    def absorb(self, other: Tally) -> None:
        """Take in the events of another."""
        if not other.events:
            return
        self.add_sums(other.events, other.total, other.smallest, other.largest)
        self.latest = max(self.latest, other.latest)
        self.customers |= other.customers
        self.values |= other.values

    def add_sums(self, events: int, total: int, smallest: int, largest: int) -> None:
        """Take in events of which only this is known."""
        self.smallest = min(self.smallest, smallest) if self.events else smallest
        self.largest = max(self.largest, largest)
        self.events += events
        self.total += total

    def figure(self, metric: str, decimals: int) -> Fraction | None:
        """The metric of these events on a meter of so many decimals; None where nothing has none."""
        unit = 10**decimals
        if metric == "SUM":
            return Fraction(self.total, unit)
        if metric == "COUNT":
            return Fraction(self.events)
        if metric == "UNIQUE_COUNT":
            return Fraction(len(self.values))
        if not self.events:
            return None
        if metric == "AVG":
            precision: int = 10 ** (decimals + _AVERAGE_PLACES)
            return Fraction(round(Fraction(self.total, self.events * unit) * precision), precision)
        picked = {"MAX": self.largest, "MIN": self.smallest, "LAST": self.latest[2]}
        return Fraction(picked[metric], unit)


def summed(sums: Mapping[int, Sums], latest: Row | None) -> Tally:
    """The tally of events that SQL added up by customer; it knows of no values."""
    tally = Tally()
    for customer, found in sums.items():
        tally.add_sums(*found)
        tally.customers.add(customer)
    if latest is not None:
        tally.latest = (latest.timestamp, latest.seq, latest.quantity)
    return tally


@lru_cache(maxsize=1 << 14)
def texts(metadata: str | None) -> Mapping[str, str]:
    """The texts by which an event's metadata is compared: under its keys, and under dotted paths what lies in objects.

    A text stands as it is, anything else as compact JSON; null is the same as absent. A key that is itself spelled like
    a path comes before what lies under that path.
    """
    return _flat(_DECODER.decode(metadata), "") if metadata else {}


def _flat(found: Mapping[str, Any], path: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in found.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{path}{key}.")
    for key, value in found.items():
        if value is not None:
            flat[path + key] = value if isinstance(value, str) else _compact(value)
    return flat


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def first_of(found: Mapping[str, str], keys: Iterable[str | None]) -> str | None:
    """The value under the first of the keys that there is."""
    return next((found[key] for key in keys if key is not None and key in found), None)
