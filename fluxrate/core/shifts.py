"""Windows moved back: the equal window before one, or the same dates a year earlier, and which bucket stands for which.

Moved by calendar buckets, so that a clock which changes in between moves no edge: a window of 30 days has the 30 days
before it, one of two months the two months before. An edge within a bucket keeps its place there as the local clock
and the calendar count it; a day that the earlier month lacks is its last, and one that the clock skipped is the day
before. Windows of whole days move by days also when they are cut into hours, and a bucket's partner is then the hour
of the same name: one that the other day lacks has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from fluxrate.core.calendar import CLOCK, MONTHS, Window, buckets, mean_length
from fluxrate.core.zones import DAY, clock_at, day_of, day_start, first_at, segments, skipped_days

COMPARISONS = ("previous", "year")
"""The window before of the same length, or the same dates a year earlier."""

WEEKS_OF_A_YEAR = 52

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = len("2025-01-31")
_CLOCK_TIME = len("2025-01-31T10:00:00")

Shift = Callable[[int, bool], int]
"""A day (since 1970-01-01) to the earlier one; True means the end of a window that lies where the day starts."""


def earlier(window: Window, compare: str, group: str, until: int | None = None) -> Window:
    """The window that this one is compared with (one of COMPARISONS), when cut into buckets of the group.

    With `until` it ends where that instant within the window comes to lie: a window that is still running is compared
    with as much as has passed.
    """
    part = window if until is None else Window(window.start, min(until, window.end), window.zone)
    if compare == "year":
        return _moved(part, lambda edge, ends: _by_days(window.zone, edge, ends, _year_shift(window, group)))
    return _previous(window, part, group)


def partners(window: Window, past: Window, compare: str, group: str) -> list[int | None]:
    """For each bucket of the window the position of the one in the `earlier` window that stands for it, if any does."""
    now, then = buckets(window, group).labels, buckets(past, group).labels
    if group == "day" and compare == "year":
        shift = _year_shift(window, group)
    elif group in CLOCK and (compare == "year" or _whole_days(window)):
        shift = _year_shift(window, group) if compare == "year" else _days_between(window, past)
    else:
        return [place if place < len(then) else None for place in range(len(now))]
    places = {name: place for place, name in enumerate(_named(then, lambda day, _: day))}
    return [places.get(name) for name in _named(now, shift)]


def _previous(window: Window, part: Window, group: str) -> Window:
    """The part moved back by as few buckets as let the window end no later than it starts."""
    unit = "day" if group in CLOCK and _whole_days(window) else group

    def back(edge: int, ends: bool, count: int) -> int:
        if unit in CLOCK:
            return _by_clock(window.zone, edge, count, CLOCK[unit])
        return _by_days(window.zone, edge, ends, _shift(window.zone, unit, count))

    # From below: no run of buckets is shorter than so many mean ones by a whole bucket.
    count = max(1, (window.end - window.start) // mean_length(unit) - 1)
    while back(window.end, True, count) > window.start:
        count += 1
    return _moved(part, lambda edge, ends: back(edge, ends, count))


def _moved(window: Window, move: Callable[[int, bool], int]) -> Window:
    start, end = move(window.start, False), move(window.end, True)
    if start >= end:
        # The earlier bucket lacks this part of it, or the clock went back inside the window.
        start = end - (window.end - window.start)
    return Window(start, end, window.zone)


def _by_clock(zone: str, instant: int, count: int, unit: int) -> int:
    """The same place within the hour or minute that lies so many before; each stretch of one offset has its own."""
    within = clock_at(zone, instant) % unit
    for start, end, offset in reversed(segments(zone, instant - (count + 2) * unit, instant + 1)):
        place, first = (end - 1 + offset) // unit, (start + offset) // unit
        if count <= place - first:
            return min(max((place - count) * unit + within - offset, start), end)
        count -= place - first + 1
    raise AssertionError("no hour or minute is longer than its name says")


def _by_days(zone: str, instant: int, ends: bool, shift: Shift) -> int:
    """The same local time on the earlier day; where a day starts, its start."""
    day = day_of(zone, instant)
    if instant == day_start(zone, day):
        return day_start(zone, shift(day, ends))
    time = max(0, clock_at(zone, instant) - day * DAY)
    return first_at(zone, shift(day, False) * DAY + time)


def _shift(zone: str, unit: str, count: int) -> Shift:
    """So many days, weeks, months, quarters or years back."""
    if unit == "day":
        return lambda day, _: _days_back(zone, day, count)
    if unit == "week":
        return lambda day, ends: _shown(zone, day - 7 * count, ends)
    return lambda day, ends: _shown(zone, _months_back(day, MONTHS[unit] * count, ends), ends)


def _year_shift(window: Window, group: str) -> Shift:
    """The date a year earlier; by week the same day of the week."""
    if group == "week":
        return _shift(window.zone, group, WEEKS_OF_A_YEAR)
    return _shift(window.zone, "year", 1)


def _days_between(window: Window, past: Window) -> Shift:
    days = day_of(window.zone, window.start) - day_of(window.zone, past.start)
    return lambda day, _: day - days


def _days_back(zone: str, day: int, count: int) -> int:
    """So many days back, of those that the clock showed."""
    target = day - count
    while (further := day - count - len(skipped_days(zone, target, day))) != target:
        target = further
    return target


def _months_back(day: int, months: int, ends: bool) -> int:
    """The same day of an earlier month, or its last (its end, for the end of a window) where that is shorter."""
    here = date.fromordinal(day + _EPOCH_DAY)
    month = here.year * 12 + here.month - 1 - months
    first, following = (date(m // 12, m % 12 + 1, 1).toordinal() - _EPOCH_DAY for m in (month, month + 1))
    return min(first + here.day - 1, following if ends else following - 1)


def _shown(zone: str, day: int, ends: bool) -> int:
    return day if ends else day - len(skipped_days(zone, day, day + 1))


def _whole_days(window: Window) -> bool:
    """Whether days of the zone make up the window."""
    return all(edge == day_start(window.zone, day_of(window.zone, edge)) for edge in (window.start, window.end))


def _named(labels: Sequence[str], shift: Shift) -> list[str]:
    """Each label as its date, moved, and its time on the clock; one that comes again is told from the one before."""
    dates = {label[:_DATE] for label in labels}
    moved = {text: _iso(shift(_day(text), False)) for text in dates}
    names = [moved[label[:_DATE]] + label[_DATE:_CLOCK_TIME] for label in labels]
    if len(set(names)) == len(names):
        return names
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        names[place] = f"{name} {seen[name]}" if seen[name] else name
        seen[name] += 1
    return names


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


def _iso(day: int) -> str:
    return date.fromordinal(day + _EPOCH_DAY).isoformat()
