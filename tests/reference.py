"""The slow reference: usage figures by walking a list of events, one at a time, with Decimal, Fraction and zoneinfo.

It shares no code with the columns and knows no bucket edges: an event's bucket is found by turning its instant into
local time and rounding that down. Obviously right matters here, speed does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
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
    """One event; `property` is the text a distinct count tells apart, None where there is none."""

    ts: int
    seq: int
    quantity: Decimal
    customer: str
    property: str | None = None
    meter: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What usage should be; `buckets` has the filled ones only, by label: (usage, event count, first ts, last ts)."""

    total: Number | None
    event_count: int
    unique_customers: int
    buckets: dict[str, tuple[Number | None, int, int, int]]


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
