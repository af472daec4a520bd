"""Windows moved back the slow way: dates and hours are looked up in lists made by walking along the clock."""

from __future__ import annotations

from datetime import date
from functools import cache
from itertools import count, groupby

from fluxrate.core.calendar import Window, buckets
from tests.core.clocks import local, us

QUARTER = 15 * 60 * 1_000_000
HOUR = 4 * QUARTER
DAY = 24 * HOUR

Place = tuple[int, ...]
"""Where in its week, month, quarter or year a day is."""


@cache
def starts(zone: str, year: int) -> dict[date, int]:
    """Every date that the clock showed in the year, and when it showed it first: found in steps of a quarter hour."""
    found: dict[date, int] = {}
    at, end = us(f"{year - 1}-12-31T00:00:00Z"), us(f"{year + 1}-01-02T00:00:00Z")
    before = local(at, zone).date()
    while at < end:
        if local(at + HOUR, zone).date() != before:
            first = next(t for t in range(at, at + HOUR + 1, QUARTER) if local(t, zone).date() != before)
            before = local(first, zone).date()
            if before.year == year:
                found[before] = first
        at += HOUR
    return found


def shown(zone: str, around: date, years: int) -> dict[date, int]:
    """The dates of the years up to the one after, in their order."""
    wanted = range(around.year - years, around.year + 2)
    return {day: start for year in wanted for day, start in starts(zone, year).items()}


def name(day: date, group: str) -> tuple[int, ...]:
    """Which bucket of the group holds the day."""
    match group:
        case "day":
            return (day.toordinal(),)
        case "week":
            return day.isocalendar()[:2]
        case "month":
            return (day.year, day.month)
        case "quarter":
            return (day.year, (day.month - 1) // 3)
        case _:
            return (day.year,)


def place(day: date, group: str) -> Place:
    match group:
        case "day":
            return ()
        case "week":
            return (day.weekday(),)
        case "quarter":
            return ((day.month - 1) % 3, day.day)
        case "month":
            return (day.day,)
        case _:
            return (day.month, day.day)


def by_days(zone: str, instant: int, group: str, back: int, *, ends: bool, years: int = 3) -> int:
    """The instant as many buckets back: the same place on the same day, looked up."""
    day = local(instant, zone).date()
    days = shown(zone, day, years)
    order = [key for key, _ in groupby(days, lambda one: name(one, group))]
    wanted = order[order.index(name(day, group)) - back]
    inside = [one for one in days if name(one, group) == wanted]
    # The same day, or the last before where there is none.
    target = [one for one in inside if place(one, group) <= place(day, group)][-1]
    after = days[next(one for one in days if one > target)]
    if instant == days[day]:
        return after if ends and place(target, group) != place(day, group) else days[target]
    time = local(instant, zone).replace(tzinfo=None).time()
    here = range(days[target], after, QUARTER)
    return next((at for at in here if local(at, zone).replace(tzinfo=None).time() >= time), after)


def by_clock(zone: str, instant: int, unit: int, back: int) -> int:
    """The instant as many hours or minutes back, counted one after the other."""

    def hour(at: int) -> tuple[object, ...]:
        clock = local(at, zone)
        floor = clock.replace(minute=0) if unit == HOUR else clock
        return (floor.replace(tzinfo=None), clock.utcoffset())

    step = min(unit, QUARTER)
    within = local(instant, zone).minute if unit == HOUR else 0
    at = instant
    for _ in range(back):
        here = hour(at)
        while hour(at) == here:
            at -= step
    # The last instant of that bucket is found: now its beginning, and the same minute of it.
    here, last = hour(at), at
    while hour(at - step) == here:
        at -= step
    return next((t for t in range(at, last + 1, step) if local(t, zone).minute >= within or unit != HOUR), last + step)


def whole_days(window: Window) -> bool:
    edges = (window.start, window.end)
    return all(edge in shown(window.zone, local(edge, window.zone).date(), 1).values() for edge in edges)


def expected(window: Window, compare: str, group: str) -> tuple[int, int]:
    """The earlier window by the slow way."""
    zone = window.zone
    unit = {"minute": 60 * 1_000_000, "hour": HOUR}.get(group)

    def moved(edge: int, ends: bool, back: int) -> int:
        if compare == "year":
            if group == "week":
                return by_days(zone, edge, "week", 52, ends=ends)
            return by_days(zone, edge, "year", 1, ends=ends)
        if unit and not whole_days(window):
            return by_clock(zone, edge, unit, back)
        return by_days(zone, edge, "day" if unit else group, back, ends=ends, years=12 if group == "year" else 4)

    fits = compare == "year"
    back = next(n for n in count(1) if fits or moved(window.end, True, n) <= window.start)
    start, end = moved(window.start, False, back), moved(window.end, True, back)
    return (start if start < end else end - (window.end - window.start), end)


def expected_partners(window: Window, past: Window, compare: str, group: str) -> list[int | None]:
    """Each label in turn takes the first that is left of those with the name it should have."""
    now, then = buckets(window, group).labels, buckets(past, group).labels
    hours = group in ("minute", "hour")
    if not (compare == "year" and (hours or group == "day")) and not (hours and whole_days(window)):
        return [place if place < len(then) else None for place in range(len(now))]
    apart = date.fromisoformat(now[0][:10]) - date.fromisoformat(then[0][:10])
    left = {place: (date.fromisoformat(label[:10]), label[11:19]) for place, label in enumerate(then)}
    found: list[int | None] = []
    for label in now:
        day = date.fromisoformat(label[:10])
        wanted = (a_year_earlier(day, window.zone) if compare == "year" else day - apart, label[11:19])
        taken = next((place for place, name in left.items() if name == wanted), None)
        found.append(taken)
        left.pop(-1 if taken is None else taken, None)
    return found


def a_year_earlier(day: date, zone: str) -> date:
    """The same date, or the last before that the clock showed."""
    return [one for one in starts(zone, day.year - 1) if (one.month, one.day) <= (day.month, day.day)][-1]
