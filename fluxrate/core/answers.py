"""What the engine answers: plain frozen values, exact numbers, no numpy.

Every answer says which ingest sequence it covers (`as_of`), so that it can be asked again and come out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fluxrate.core.calendar import Window
from fluxrate.core.model import Customer, Event, Meter, Number


@dataclass(frozen=True, slots=True)
class Bucket:
    """One calendar bucket `[start, end)`, cut to the window; `label` is the calendar bucket's own start."""

    start: int
    end: int
    label: str
    usage: Number | None
    event_count: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One meter over one window: the metric over all its events, and per bucket (empty when no grouping was asked for).

    `total` is taken over the events of the whole window, never over the buckets; None where the metric of nothing is
    unknown.
    """

    meter: Meter
    metric: str
    window: Window
    total: Number | None
    event_count: int
    unique_customers: int
    buckets: tuple[Bucket, ...]
    as_of: int


@dataclass(frozen=True, slots=True)
class Rank:
    """One row of a ranking; `share` is a fraction of the whole (0 to 1) where shares make sense, else None."""

    rank: int
    customer: Customer
    usage: Number | None
    event_count: int
    share: Decimal | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """Customers by usage of one meter, largest first; `customers` is how many there are in all."""

    meter: Meter
    window: Window
    rows: tuple[Rank, ...]
    customers: int
    total: Number | None
    as_of: int


@dataclass(frozen=True, slots=True)
class Stats:
    """A meter's life in a few figures; `today`, `week` and `month` are the whole local day, week and month of now."""

    meter: Meter
    total_events: int
    unique_customers: int
    first_event: int | None
    last_event: int | None
    today: Number | None
    week: Number | None
    month: Number | None
    as_of: int


@dataclass(frozen=True, slots=True)
class LogRow:
    """One raw event with the meter and customer it belongs to."""

    event: Event
    meter: Meter
    customer: Customer


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of raw events, newest first unless asked otherwise, out of exactly `total` that match.

    `usage` is the metric over all that match when one meter is asked about, else None (units differ between meters).
    """

    rows: tuple[LogRow, ...]
    total: int
    page: int
    page_size: int
    usage: Number | None
    as_of: int

    @property
    def total_pages(self) -> int:
        """How many pages there are; none when nothing matches."""
        return -(-self.total // self.page_size)
