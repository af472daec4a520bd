"""What a bucket is called, under the axis and in full, and whether it is whole: buckets become the points of a chart.

A bucket that is still running is "so far"; one that the window cuts inside its calendar period is "part". What has not
begun yet is left out: a line at zero in the future would read as usage that stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time

from fluxrate.core.answers import Bucket
from fluxrate.core.calendar import Window, bucket_start
from fluxrate.web.charts import Point
from fluxrate.web.formats import at

TICKS = 8
STEPS = {
    "minute": (1, 5, 10, 15, 30, 60),
    "hour": (1, 2, 3, 4, 6, 12, 24),
    "day": (1, 2, 5, 7, 14, 28),
    "week": (1, 2, 4, 8, 13, 26),
    "month": (1, 2, 3, 6, 12),
}
"""How many buckets may lie between two ticks, so that they fall on round places of the clock or the calendar."""


def points(buckets: Sequence[Bucket], group: str, zone: str, now: int) -> tuple[Point, ...]:
    """The buckets that have begun by `now`, named in the zone's calendar; about eight of them carry a tick."""
    begun = [bucket for bucket in buckets if bucket.start < now]
    years = {at(bucket.start, zone).year for bucket in begun} | {at(now, zone).year}
    step = _step(len(begun), group)
    return tuple(
        _point(bucket, group, zone, now, len(years) > 1, _has_tick(i, bucket, group, zone, step))
        for i, bucket in enumerate(begun)
    )


def aligned(points: Sequence[Point], places: Sequence[int | None]) -> tuple[Point, ...]:
    """An earlier window's points in the places of the later one's buckets; a gap where none stands for a bucket."""
    gap = Point("", "", None, 0)
    return tuple(gap if place is None or place >= len(points) else points[place] for place in places)


def span(start: int, end: int, zone: str) -> str:
    """The window in words: "24 Oct – 22 Nov 2026" for whole days, with times where it has any."""
    first, last = at(start, zone), at(end, zone)
    if first.time() == time() == last.time():
        last = at(end - 1, zone)
        if first.date() == last.date():
            return _day(first, True)
        return f"{_day(first, first.year != last.year)} – {_day(last, True)}"
    return f"{_minute(first, first.year != last.year)} – {_minute(last, True)}"


def compared_with(window: Window, before: Window) -> str:
    """The window before in words; where it was cut because this one is still running, its days and how far the last
    of them counts: "27 Sep – 26 Oct 2026, to 22:39".
    """
    first, last = at(before.start, before.zone), at(before.end, before.zone)
    cut = before.end - before.start < window.end - window.start and last.time() != time()
    if not cut or first.time() != time():
        return span(before.start, before.end, before.zone)
    days = f"{_day(first, first.year != last.year)} – " if first.date() != last.date() else ""
    return f"{days}{_day(last, True)}, to {last:%H:%M}"


def ends(start: int, end: int, zone: str) -> tuple[str, str]:
    """The window as `start_date` and `end_date`: local days where both ends are midnights, else instants with their
    offset, since a local hour may come twice.
    """
    first, after = at(start, zone), at(end, zone)
    if first.time() == time() == after.time():
        return first.date().isoformat(), at(end - 1, zone).date().isoformat()
    return first.isoformat(), after.isoformat()


def _step(count: int, group: str) -> int:
    fewest = -(-count // TICKS)
    return next((step for step in STEPS.get(group, ()) if step >= fewest), fewest or 1)


def _has_tick(i: int, bucket: Bucket, group: str, zone: str, step: int) -> bool:
    local = at(bucket.start, zone)
    if group == "hour" and step <= 24:
        return local.hour % step == 0
    return i % step == 0


def _point(bucket: Bucket, group: str, zone: str, now: int, with_year: bool, tick: bool) -> Point:
    local = at(bucket.start, zone)
    state = "so far" if bucket.end > now else "part" if _is_cut(bucket, group, zone) else ""
    return Point(
        _tick(local, group) if tick else "",
        _period(local, group, with_year),
        bucket.usage,
        bucket.event_count,
        state,
        *ends(bucket.start, bucket.end, zone),
    )


def _is_cut(bucket: Bucket, group: str, zone: str) -> bool:
    return any(bucket_start(edge, group, zone) != edge for edge in (bucket.start, bucket.end))


def _tick(local: datetime, group: str) -> str:
    if group in ("minute", "hour"):
        return f"{local:%H:%M}" if local.hour or local.minute else f"{local.day} {local:%b}"
    if group in ("month", "quarter"):
        return f"{local:%b %Y}" if local.month == 1 else f"{local:%b}"
    return f"{local.year}" if group == "year" else f"{local.day} {local:%b}"


def _period(local: datetime, group: str, with_year: bool) -> str:
    if group in ("minute", "hour"):
        return _minute(local, with_year)
    if group == "week":
        return f"Week of {_day(local, with_year)}"
    if group == "month":
        return f"{local:%B %Y}"
    if group == "quarter":
        return f"Quarter of {local:%B %Y}"
    return f"{local.year}" if group == "year" else f"{local:%a} {_day(local, with_year)}"


def _day(local: datetime, with_year: bool) -> str:
    return f"{local.day} {local:%b}" + (f" {local.year}" if with_year else "")


def _minute(local: datetime, with_year: bool) -> str:
    return f"{_day(local, with_year)} {local:%H:%M}"
