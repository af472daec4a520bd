"""A synthetic year of usage: the same numbers for the same size, on every machine.

Times are spread evenly over 2025 (UTC), customers by Zipf's law, quantities evenly. One event in a hundred arrives up
to three days late, so the order of arrival is not that of time. Metadata are small integer codes here; `metadata` gives
the JSON that Fluxrate is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR_START = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z"""
YEAR_END = YEAR_START + 365 * DAY

DECIMALS = 6
MOST_QUANTITY = 1_000_000_000
"""Quantities are 1 to this, in the smallest unit: 0.000001 to 1,000."""

REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-south-1", "ap-east-1", "sa-east-1", "af-south-1")
ENDPOINTS = 1_000
USERS = 50_000
LATE_EVERY = 100
LATEST = 3 * DAY
FRESH = 10_000
"""Events that arrive at once while questions are being asked."""
BATCHES = 3
"""How many times they do."""

_SEED = 20_250_101


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Columns of equal length in order of (time, sequence); the sequence, from 1, is the order of arrival."""

    ts: NDArray[np.int64]
    seq: NDArray[np.int64]
    quantity: NDArray[np.int64]
    customer: NDArray[np.int32]
    region: NDArray[np.uint8]
    endpoint: NDArray[np.int16]
    user: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ts)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, where: Any) -> Events:
        """The events that a slice or an array of positions names, in its order."""
        return Events(**{name: column[where] for name, column in self.columns().items()})

    def by_arrival(self) -> Events:
        """The same events in the order in which they came."""
        return self.take(np.argsort(self.seq))


def customers_of(size: int) -> int:
    """How many customers a year of this many events has."""
    return 100_000 if size > 50_000_000 else 10_000


def year(size: int) -> Events:
    """The year with so many events."""
    random = np.random.default_rng((_SEED, size))
    ts = np.sort(random.integers(YEAR_START, YEAR_END, size))
    arrival = ts.copy()
    arrival[::LATE_EVERY] += random.integers(0, LATEST, len(arrival[::LATE_EVERY]))
    seq = np.empty(size, np.int64)
    seq[np.argsort(arrival, kind="stable")] = np.arange(1, size + 1)
    return _filled(random, ts, seq, customers_of(size))


def fresh(size: int) -> Iterator[Events]:
    """The batches that arrive after a year of so many events."""
    return (_batch(size + number * FRESH, customers_of(size)) for number in range(BATCHES))


def _batch(before: int, customers: int) -> Events:
    """The next events after `before` others: nine in ten of the year's last hour, one of any time."""
    random = np.random.default_rng((_SEED, before))
    start = np.where(np.arange(FRESH) % 10, YEAR_END - HOUR, YEAR_START)
    ts = random.integers(start, YEAR_END)
    order = np.argsort(ts, kind="stable")
    seq = before + 1 + order
    return _filled(random, ts[order], seq, customers)


def joined(one: Events, other: Events) -> Events:
    """The events of both."""
    both = {name: np.concatenate([column, getattr(other, name)]) for name, column in one.columns().items()}
    return Events(**both).take(np.lexsort((both["seq"], both["ts"])))


def _filled(random: np.random.Generator, ts: NDArray[np.int64], seq: NDArray[np.int64], customers: int) -> Events:
    size = len(ts)
    shares = np.cumsum(1 / np.arange(1, customers + 1))
    return Events(
        ts=ts,
        seq=seq,
        quantity=random.integers(1, MOST_QUANTITY + 1, size),
        customer=np.searchsorted(shares, random.random(size) * shares[-1], side="right").astype(np.int32),
        region=random.integers(0, len(REGIONS), size, np.uint8),
        endpoint=random.integers(0, ENDPOINTS, size, np.int16),
        user=random.integers(0, USERS, size, np.int32),
    )
