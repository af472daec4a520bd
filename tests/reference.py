"""The slow reference: usage figures by walking a list of events, one at a time, with Decimal, Fraction and zoneinfo.

It shares no code with the columns and knows no bucket edges: an event's bucket is found by turning its instant into
local time and rounding that down. Obviously right matters here, speed does not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

Number = int | Decimal

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

AGGREGATIONS = ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT")
GROUPS = ("minute", "hour", "day", "week", "month", "quarter", "year")
EMPTY: dict[str, Number | None] = {
    "SUM": 0,
    "COUNT": 0,
    "UNIQUE_COUNT": 0,
    "MAX": None,
    "MIN": None,
    "AVG": None,
    "LAST": None,
}
AVERAGE_PLACES = 6
SHARE_PLACES = 6

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = 200
"""Digits to calculate with: more than any sum in a test has."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `property` is the text a distinct count tells apart, None where there is none.

    `meta` has the texts of its metadata by key, or by dotted path where they are nested; what is missing is not there.
    """

    ts: int
    seq: int
    quantity: Decimal
    customer: str
    property: str | None = None
    meter: str = ""
    meta: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What usage should be; `buckets` has the filled ones only, by label: (usage, event count, first ts, last ts)."""

    total: Number | None
    event_count: int
    unique_customers: int
    buckets: dict[str, tuple[Number | None, int, int, int]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one bucket should be; `cumulative` is the figure of all events from the window's start to its end."""

    usage: Number | None
    event_count: int
    unique_customers: int
    cumulative: Number | None


Key = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What one row of a breakdown should be; `key` is None for the rest beyond the limit.

    `buckets` has every bucket of the window by label, empty ones too; none when no grouping was asked for.
    """

    key: Key | None
    usage: Number | None
    event_count: int
    unique_customers: int
    buckets: dict[str, Bucket]


def usage(
    events: Iterable[Event], aggregation: str, decimals: int, start: int, end: int, group: str | None, zone: str
) -> Answer:
    """The figure of the events in `[start, end)`, and of those of each bucket."""
    mine = [event for event in events if start <= event.ts < end]
    buckets: dict[str, list[Event]] = defaultdict(list)
    for event in mine if group else ():
        buckets[label(event.ts, str(group), zone)].append(event)
    return Answer(
        total=figure(aggregation, mine, decimals),
        event_count=len(mine),
        unique_customers=unique_customers(mine),
        buckets={
            name: (
                figure(aggregation, rows, decimals),
                len(rows),
                min(event.ts for event in rows),
                max(event.ts for event in rows),
            )
            for name, rows in buckets.items()
        },
    )


def figure(aggregation: str, events: Sequence[Event], decimals: int) -> Number | None:
    """The aggregation over all these events."""
    if not events:
        return EMPTY[aggregation]
    quantities = [event.quantity for event in events]
    if aggregation == "SUM":
        return exact(_total(quantities))
    if aggregation == "COUNT":
        return len(events)
    if aggregation == "MAX":
        return exact(max(quantities))
    if aggregation == "MIN":
        return exact(min(quantities))
    if aggregation == "AVG":
        return rounded(Fraction(_total(quantities)) / len(events), decimals + AVERAGE_PLACES)
    if aggregation == "LAST":
        return exact(max(events, key=lambda event: (event.ts, event.seq)).quantity)
    if aggregation == "UNIQUE_COUNT":
        return len({event.property for event in events if event.property is not None})
    raise ValueError(aggregation)


def unique_customers(events: Iterable[Event]) -> int:
    """How many customers the events have."""
    return len({event.customer for event in events})


def ranking(
    events: Iterable[Event], aggregation: str, decimals: int, order: Sequence[str]
) -> list[tuple[str, Number | None, int]]:
    """(customer, usage, event count), largest usage first, equal ones as they stand in `order`."""
    by_customer: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_customer[event.customer].append(event)
    rows = [
        (customer, figure(aggregation, by_customer[customer], decimals), len(by_customer[customer]))
        for customer in order
        if customer in by_customer
    ]
    return sorted(rows, key=lambda row: (row[1] is None, -Fraction(row[1] or 0)))


def breakdown(
    events: Sequence[Event],
    dimensions: Sequence[str],
    limit: int,
    aggregation: str,
    decimals: int,
    start: int,
    end: int,
    group: str | None,
    zone: str,
    created: Sequence[str] | None = None,
) -> list[Group]:
    """The rows by the dimensions ("customer", "meta.KEY"): the `limit` largest, then one of the rest if there is any.

    Equal rows stand by their first dimension, then by their second: customers in the order they were `created` (that of
    their first event when not given), metadata by its text, missing last.
    """
    first_seen = created or list(dict.fromkeys(event.customer for event in sorted(events, key=lambda event: event.seq)))
    names = labels(start, end, group, zone) if group else []
    by_key: dict[Key, list[Event]] = defaultdict(list)
    for event in events:
        if start <= event.ts < end:
            by_key[key_of(event, dimensions)].append(event)

    def row(key: Key | None, mine: list[Event]) -> Group:
        buckets = series(mine, aggregation, decimals, names, group, zone)
        return Group(key, figure(aggregation, mine, decimals), len(mine), unique_customers(mine), buckets)

    def place(row: Group) -> tuple[object, ...]:
        ties = [
            first_seen.index(str(value)) if dimension == "customer" else (value is None, value or "")
            for dimension, (_, value) in zip(dimensions, row.key or (), strict=True)
        ]
        return (row.usage is None, -Fraction(row.usage or 0), *ties)

    rows = sorted((row(key, mine) for key, mine in by_key.items()), key=place)
    told = {found.key for found in rows[:limit]}
    rest = [event for key, mine in by_key.items() if key not in told for event in mine]
    return rows[:limit] + ([row(None, rest)] if rest else [])


def key_of(event: Event, dimensions: Sequence[str]) -> Key:
    """The row of a breakdown that an event belongs to."""
    return tuple(
        ("customer", event.customer)
        if dimension == "customer"
        else (dimension.removeprefix("meta."), event.meta.get(dimension.removeprefix("meta.")))
        for dimension in dimensions
    )


def series(
    events: Sequence[Event], aggregation: str, decimals: int, names: Sequence[str], group: str | None, zone: str
) -> dict[str, Bucket]:
    """The figures of the buckets of these labels, which follow each other in time; all events lie in one of them."""
    by_label: dict[str, list[Event]] = defaultdict(list)
    for event in events if group else ():
        by_label[label(event.ts, str(group), zone)].append(event)
    buckets: dict[str, Bucket] = {}
    so_far: list[Event] = []
    cumulative = figure(aggregation, so_far, decimals)
    for name in names:
        mine = by_label.pop(name, [])
        if mine:
            so_far += mine
            cumulative = figure(aggregation, so_far, decimals)
        buckets[name] = Bucket(figure(aggregation, mine, decimals), len(mine), unique_customers(mine), cumulative)
    assert not by_label, "an event lies in no bucket"
    return buckets


def texts(metadata: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Metadata as an event has it in `meta`: strings as they are, the rest as compact JSON; null is missing.

    What stands inside objects stands under dotted paths too; a key that is itself spelled like a path wins.
    """
    found: dict[str, str] = {}
    for key, value in metadata.items():
        if isinstance(value, dict):
            found |= texts(value, f"{path}{key}.")
    for key, value in metadata.items():
        if value is not None:
            compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            found[path + key] = value if isinstance(value, str) else compact
    return found


def newest_first(events: Iterable[Event]) -> list[Event]:
    """The event log's order."""
    return sorted(events, key=lambda event: (event.ts, event.seq), reverse=True)


@cache
def label(ts: int, group: str, zone: str) -> str:
    """The name of the bucket that holds the instant."""
    local = (_EPOCH + timedelta(microseconds=ts)).astimezone(ZoneInfo(zone))
    if group in ("minute", "hour"):
        # With a fixed offset, so that rounding down cannot carry the time into another one.
        fixed = local.replace(tzinfo=timezone(local.utcoffset() or timedelta(0)), second=0, microsecond=0)
        fixed = fixed.replace(minute=0) if group == "hour" else fixed
        return fixed.isoformat().removesuffix("+00:00") + "Z" if zone == "UTC" else fixed.isoformat()
    day = local.date()
    if group == "week":
        day -= timedelta(days=day.weekday())
    elif group == "month":
        day = day.replace(day=1)
    elif group == "quarter":
        day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    elif group == "year":
        day = day.replace(month=1, day=1)
    elif group != "day":
        raise ValueError(group)
    return day.isoformat()


def labels(start: int, end: int, group: str, zone: str) -> list[str]:
    """Every bucket of the window, found by walking along the clock in steps shorter than any bucket.

    No clock of the zones in these tests changes between two quarters of an hour, counted in UTC.
    """
    step = {"minute": MINUTE, "hour": 15 * MINUTE}.get(group, HOUR)
    walk = [start, *range(start // step * step + step, end, step), end - 1]
    return list(dict.fromkeys(label(instant, group, zone) for instant in walk))


def exact(value: Decimal) -> Number:
    """The value as an int where it is whole, else as a Decimal without zeros at its end."""
    with localcontext(prec=_EXACT):
        return int(value) if value == value.to_integral_value() else value.normalize()


def rounded(value: Fraction, places: int) -> Number:
    """The value to so many decimal places, half to even."""
    with localcontext(prec=_EXACT):
        return exact(Decimal(round(value * 10**places)).scaleb(-places))


def share(part: Number | None, whole: Number | None) -> Decimal | None:
    """A part of the whole as a fraction to six places, half to even; None of nothing."""
    if part is None or not whole:
        return None
    return Decimal(round(Fraction(part) / Fraction(whole) * 10**SHARE_PLACES)).scaleb(-SHARE_PLACES)


def micros(text: str) -> int:
    """An RFC 3339 time as UTC microseconds."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def same(found: object, expected: object) -> bool:
    """Whether two figures are the same value of the same type, written alike."""
    return (type(found), str(found)) == (type(expected), str(expected))


def _total(quantities: Iterable[Decimal]) -> Decimal:
    with localcontext(prec=_EXACT):
        return sum(quantities, Decimal(0))
