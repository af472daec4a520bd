"""What the engine answers: plain frozen values, exact numbers, no numpy.

Every answer says which ingest sequence it covers (`as_of`), so that it can be asked again and come out the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from fluxrate.core.calendar import Window
from fluxrate.core.model import Customer, Event, Meter, Number, Void


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """One calendar bucket `[start, end)`, cut to the window; `label` is the calendar bucket's own start."""

    start: int
    end: int
    label: str
    usage: Number | None
    event_count: int
    unique_customers: int | None = None
    """Distinct customers of the bucket, where they were asked for."""
    cumulative: Number | None = None
    """The metric over all events from the window's start to the bucket's end, where it was asked for."""


@dataclass(frozen=True, slots=True)
class Group:
    """One row of a breakdown, or with `key` None the events of all rows beyond the limit.

    `key` has a value for each dimension in the order they were asked for: under "customer" the external id, under a
    metadata key its text, None where events lack it.
    """

    key: tuple[tuple[str, str | None], ...] | None
    customer_id: str | None
    usage: Number | None
    event_count: int
    unique_customers: int
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """One meter over one window: the metric over all its events, and per bucket (empty when no grouping was asked for).

    `total` is taken over the events of the whole window, never over the buckets; None where the metric of nothing is
    unknown. `breakdown` is None unless it was asked for; its largest row comes first, the other row last.
    """

    meter: Meter
    metric: str
    window: Window
    total: Number | None
    event_count: int
    unique_customers: int
    buckets: tuple[Bucket, ...]
    as_of: int
    breakdown: tuple[Group, ...] | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same question about an earlier window, seen as of the same sequence.

    `change` is (now - before) / before to six places half-even; None where before is nothing or unknown. `buckets` has
    for each bucket of the usage the one that it is compared with, None where the earlier window lacks it.
    """

    window: Window
    total: Number | None
    event_count: int
    unique_customers: int
    change: Number | None
    buckets: tuple[Bucket | None, ...]


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


LOG_COLUMNS = (
    "id",
    "timestamp",
    "ingested_at",
    "meter_name",
    "customer_external_id",
    "customer_name",
    "quantity",
    "unit",
    "idempotency_key",
    "voided",
    "voided_at",
    "void_actor",
    "void_reason",
    "meta_data",
)
"""What a table of raw events has, in files of any kind."""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One raw event with the meter and customer it belongs to."""

    event: Event
    meter: Meter
    customer: Customer
    void: Void | None = None
    """What took the event out of the figures, if that was done by the answer's `as_of`."""


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
