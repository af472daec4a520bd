"""The calendar: the buckets that a zone's clock cuts a window into, and the door to windows, instants and
zones.

Bucket i ends exactly where i + 1 starts, the first and the last are cut to the window, and a label names its
calendar bucket even when the window or a change of offset cuts that short:
- an hour (or minute) is one of the local clock: the repeated hour of autumn is two buckets, the skipped hour
  of spring is none, and a bucket never spans a change of offset;
- a day starts at the first instant with its local date or a later one, so a day that the clock skips has no
  bucket, and one that it falls back into after midnight does not start again;
- weeks (from Monday), months, quarters and years are made of whole days.
Refuses more than MAX_BUCKETS with Malformed, before building many more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.errors import Malformed
from fluxrate.core.instants import parse_instant, rfc3339
from fluxrate.core.text import show
from fluxrate.core.whole_days import shared
from fluxrate.core.windows import Window, parse_window
from fluxrate.core.zones import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    check_zone,
    day_of,
    day_start,
    is_utc,
    segments,
)

__all__ = [
    "CLOCK",
    "GROUPS",
    "MAX_BUCKETS",
    "MONTHS",
    "Buckets",
    "Window",
    "bucket_start",
    "buckets",
    "check_zone",
    "mean_length",
    "parse_instant",
    "parse_window",
    "rfc3339",
]

GROUPS = ("minute", "hour", "day", "week", "month", "quarter", "year")
MAX_BUCKETS = 50_000
_SMALL = 10_000
"""Up to so many, buckets are kept for the next window on the same days: a year by hour, a week by minute."""

CLOCK = {"minute": MINUTE, "hour": HOUR}
"""The groups whose buckets are stretches of the clock, with their length."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}
"""The groups whose buckets are made of months, with how many."""
# Mean lengths (a Gregorian year has 365.2425 days): enough to refuse a hopeless question before any work.
_MEAN = {
    **CLOCK,
    "day": DAY,
    "week": 7 * DAY,
    "month": 2_629_746 * SECOND,
    "quarter": 7_889_238 * SECOND,
    "year": 31_556_952 * SECOND,
}

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Bucket i is `[edges[i], edges[i + 1])` under `labels[i]`; the edges start and end with the window."""

    edges: Ints
    labels: tuple[str, ...]


def _is_small(window: Window, group: str) -> bool:
    return (window.end - window.start) // mean_length(group) <= _SMALL


@shared(_is_small)
def buckets(window: Window, group: str) -> Buckets:
    """The window cut into calendar buckets of one of GROUPS; more than MAX_BUCKETS are Malformed."""
    count = (window.end - window.start) // mean_length(group)
    if count > MAX_BUCKETS + MAX_BUCKETS // 50:
        raise _too_many(window, group, f"about {count:,}")
    unit = CLOCK.get(group)
    edges, labels = _clock_buckets(window, unit) if unit else _day_buckets(window, group)
    if len(labels) > MAX_BUCKETS:
        raise _too_many(window, group, f"{len(labels):,}")
    edges.flags.writeable = False
    return Buckets(edges, tuple(labels))


def bucket_start(instant: int, group: str, zone: str) -> int:
    """Where the uncut calendar bucket that holds the instant starts: midnight of "today", Monday of "this
    week".
    """
    mean_length(group)
    unit = CLOCK.get(group)
    if unit:
        start, _, offset = segments(zone, instant - HOUR, instant + 1)[-1]
        return max(start, (instant + offset) // unit * unit - offset)
    day = np.array([day_of(zone, instant)], np.int64)
    return day_start(zone, int(_first_days(_periods(day, group), group)[0]))


def mean_length(group: str) -> int:
    """How long a bucket of one of GROUPS is on average; anything else is Malformed."""
    try:
        return _MEAN[group]
    except KeyError:
        raise Malformed(f"group_by is one of {', '.join(GROUPS)}, but {show(group)} came.", field="group_by") from None


def _clock_buckets(window: Window, unit: int) -> tuple[Ints, list[str]]:
    edges: list[Ints] = []
    labels: list[str] = []
    for start, end, offset in segments(window.zone, window.start, window.end):
        local = np.arange((start + offset) // unit * unit, end + offset, unit, dtype=np.int64)
        suffix = "Z" if is_utc(window.zone) else rfc3339(start, window.zone)[-_offset_width(offset) :]
        labels += [text + suffix for text in np.datetime_as_string((local // SECOND).view("M8[s]")).tolist()]
        local -= offset
        local[0] = start
        edges.append(local)
    return np.concatenate([*edges, _one(window.end)]), labels


def _offset_width(offset: int) -> int:
    """How many characters an offset takes at the end of a time: +01:00, or -00:44:30 in old Monrovia."""
    return 9 if offset % MINUTE else 6


def _day_buckets(window: Window, group: str) -> tuple[Ints, list[str]]:
    starts, days = _day_edges(window)
    periods = _periods(days, group)
    change = np.flatnonzero(periods[1:] != periods[:-1]) + 1
    inner = starts[change]
    # Changes up to the window's start belong to the days before it; the last of them began the first bucket.
    before = int(np.searchsorted(inner, window.start, "right"))
    first = change[before - 1] if before else 0
    inside = change[before:]
    names = _first_days(np.concatenate([periods[first : first + 1], periods[inside]]), group)
    edges = np.concatenate([_one(window.start), starts[inside], _one(window.end)])
    return edges, np.datetime_as_string(names.view("M8[D]")).tolist()


def _day_edges(window: Window) -> tuple[Ints, Ints]:
    """Where each local day starts, and its date in days since 1970-01-01, from before the window on.

    Only a local date later than every earlier one starts a day. The three days of run-up make that true at
    the window's start too, even inside an hour that falls back over midnight; the first entries themselves
    mean nothing.
    """
    local: list[Ints] = []
    utc: list[Ints] = []
    for start, end, offset in segments(window.zone, window.start - 3 * DAY, window.end):
        here = np.arange((start + offset) // DAY * DAY, end + offset, DAY, dtype=np.int64)
        here[0] = start + offset
        local.append(here)
        utc.append(here - offset)
    days = np.concatenate(local) // DAY
    latest = np.maximum.accumulate(days)
    new = np.flatnonzero(days[1:] > latest[:-1]) + 1
    kept = np.concatenate([[0], new])
    return np.concatenate(utc)[kept], days[kept]


def _periods(days: Ints, group: str) -> Ints:
    """The number of the calendar period that holds each day; 1970-01-01 was a Thursday of week 0."""
    if group == "day":
        return days
    if group == "week":
        return (days + 3) // 7
    return days.view("M8[D]").astype("M8[M]").view(np.int64) // MONTHS[group]


def _first_days(periods: Ints, group: str) -> Ints:
    """The first day of each period, the inverse of `_periods`."""
    if group == "day":
        return periods
    if group == "week":
        return periods * 7 - 3
    return (periods * MONTHS[group]).view("M8[M]").astype("M8[D]").view(np.int64)


def _one(value: int) -> Ints:
    return np.array([value], np.int64)


def _too_many(window: Window, group: str, count: str) -> Malformed:
    span = window.end - window.start
    coarser = next((g for g in GROUPS if span // _MEAN[g] < MAX_BUCKETS), "year")
    return Malformed(
        f"One answer holds at most {MAX_BUCKETS:,} buckets, but this window has {count} of a {group} each;"
        f" ask for a shorter window or for group_by={coarser}.",
        field="group_by",
    )
