"""What pages and panels draw of a meter: groupings that suit a window, and its figures beside those of the equal window
before, of a window that is still running only as much as has passed, so that a morning is not compared with a day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fluxrate.core import shifts
from fluxrate.core.answers import Usage
from fluxrate.core.calendar import Window
from fluxrate.core.engine import Engine
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.zones import DAY, HOUR, day_of, day_start

SIZES = {
    "minute": HOUR // 60,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
    "month": 30 * DAY,
    "quarter": 91 * DAY,
    "year": 365 * DAY,
}
"""Groupings with their usual length."""
MOST_POINTS = 800

MOST_BARS = 100

_SUITS = (("minute", 3 * HOUR), ("hour", 2 * DAY), ("day", 92 * DAY), ("week", 400 * DAY))


@dataclass(frozen=True, slots=True)
class Comparison:
    """One meter's figures in the window, and in the equal window before.

    `places` has for each bucket of the usage the position of the one before that stands for it, None where none does.
    """

    usage: Usage
    before: Usage
    places: tuple[int | None, ...] = ()

    @property
    def meter(self) -> Meter:
        """The meter that both are about."""
        return self.usage.meter


def fitting(window: Window) -> str:
    """The grouping with a readable number of points: minutes to 3 hours, hours to 2 days, days to 92, weeks to 400
    days, months beyond.
    """
    return next((name for name, longest in _SUITS if window.end - window.start <= longest), "month")


def offered(window: Window) -> tuple[str, ...]:
    """Every grouping with more than one point, and not more than a chart can show."""
    length = window.end - window.start
    names = tuple(name for name, size in SIZES.items() if size < length <= size * MOST_POINTS)
    return names or (fitting(window),)


def chosen(window: Window, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """The grouping to show, which is the one asked for where it suits the window, and those to choose from."""
    groups = offered(window)
    group = asked if asked in groups else fitting(window)
    return group, groups if group in groups else (*groups, group)


def for_bars(window: Window, group: str) -> str:
    """The grouping, or the next coarser one with few enough buckets to be bars."""
    coarser = list(SIZES)[list(SIZES).index(group) :]
    return next((name for name in coarser if window.end - window.start <= SIZES[name] * MOST_BARS), coarser[-1])


def before(window: Window, now: int) -> Window:
    """The equal window before, cut where `now` cuts this one: whole days move by days, all else by minutes."""
    edges = (window.start, window.end)
    whole = all(edge == day_start(window.zone, day_of(window.zone, edge)) for edge in edges)
    return shifts.earlier(window, "previous", "day" if whole else "minute", until=max(now, window.start + 1))


def compare(engine: Engine, meter: Meter, query: Query, now: int) -> Comparison:
    """The meter's figures, bucket beside bucket where the query has a grouping."""
    past = before(query.window, now)
    found = _beside(engine, meter, query, past, query.group_by)
    if query.group_by is None:
        return found
    return replace(found, places=tuple(shifts.partners(query.window, past, "previous", query.group_by)))


def glance(engine: Engine, meter: Meter, query: Query, now: int) -> Comparison:
    """The same for a small line: what was before is one figure."""
    return _beside(engine, meter, query, before(query.window, now), None)


def _beside(engine: Engine, meter: Meter, query: Query, past: Window, group: str | None) -> Comparison:
    usage = engine.usage(meter, replace(query, fill="zero"))
    then = replace(query, window=past, group_by=group, fill="zero", as_of=usage.as_of)
    return Comparison(usage, engine.usage(meter, then))
