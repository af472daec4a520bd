"""Time zones as plain numbers: which names exist, and the stretches of constant offset inside a span of time.

Everything is an integer in UTC microseconds. The rules come from the bundled tzdata package alone. Promises
that a day starts at the first instant whose local date is that day or a later one: this settles midnights
that a clock skips (Santiago) or shows twice (Havana), and whole days that never were (Apia, 2011-12-30).
Refuses unknown names with Malformed.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from fluxrate.core.errors import Malformed
from fluxrate.core.text import show

# zoneinfo prefers the system's zone files: two machines with different ones would bill different days.
zoneinfo.reset_tzpath(to=[])
ZoneInfo.clear_cache()

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Segment = tuple[int, int, int]
"""`(start, end, offset)`: from start up to end the local clock is UTC plus offset, all in microseconds."""

# A list, not a try of the file: the loader takes "../x" and "America" for paths. "Factory" is a placeholder.
_NAMES = frozenset(zoneinfo.available_timezones()) - {"Factory"}
_UTC_NAMES = frozenset({"UTC", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu"})

# No two changes of any zone since 1900 lie closer than six days, so probes this far apart see each of them.
_PROBE = 2 * 86_400


def check_zone(name: str) -> str:
    """The name itself if it is an IANA time zone or an alias of one; else Malformed, field `timezone`."""
    if name not in _NAMES:
        raise Malformed(
            f"timezone is an IANA name such as Europe/Berlin or UTC, but {show(name)} came.", field="timezone"
        )
    return name


def is_utc(zone: str) -> bool:
    """Whether the zone is UTC itself under one of its names."""
    return zone in _UTC_NAMES


def segments(zone: str, start: int, end: int) -> list[Segment]:
    """The stretches of constant offset that make up `[start, end)`, gapless, no two neighbours alike."""
    if is_utc(zone):
        return [(start, end, 0)]
    points: list[tuple[int, int]] = []
    for year in range(_year(start), _year(end) + 1):
        known = _offsets(zone, year)
        # Only the entry at the start of the year can repeat the offset before it.
        points += known[1:] if points and points[-1][1] == known[0][1] else known
    points.append((end, 0))
    cut = ((max(a, start), min(b, end), offset) for (a, offset), (b, _) in pairwise(points))
    return [segment for segment in cut if segment[0] < segment[1]]


def day_start(zone: str, day: int) -> int:
    """The first instant whose local date is `day` (days since 1970-01-01) or later."""
    return first_at(zone, day * DAY)


def first_at(zone: str, clock: int) -> int:
    """The first instant whose local clock shows `clock` (microseconds since its 1970-01-01T00:00) or later."""
    for start, end, offset in segments(zone, clock - 2 * DAY, clock + 3 * DAY):
        first = max(start, clock - offset)
        if first < end:
            return first
    raise AssertionError("a local time lies within two days of the same time in UTC")


def day_of(zone: str, instant: int) -> int:
    """The day that holds the instant (since 1970-01-01): the latest local date the clock has shown."""
    return max((end - 1 + offset) // DAY for _, end, offset in segments(zone, instant - 2 * DAY, instant + 1))


def clock_at(zone: str, instant: int) -> int:
    """What the local clock shows at the instant, in microseconds since its 1970-01-01T00:00."""
    return instant + segments(zone, instant, instant + 1)[0][2]


def skipped_days(zone: str, first: int, last: int) -> list[int]:
    """The days from `first` up to `last` that the local clock never showed, such as 2011-12-30 in Apia."""
    if first >= last:
        return []
    stretches = segments(zone, (first - 2) * DAY, (last + 2) * DAY)
    jumps = (((b - 1 + before) // DAY + 1, (b + after) // DAY) for (_, b, before), (_, _, after) in pairwise(stretches))
    return [day for a, b in jumps for day in range(a, b) if first <= day < last]


def micros(moment: datetime) -> int:
    """An aware datetime as UTC microseconds, exactly."""
    return (moment - EPOCH) // MICROSECOND


def _year(instant: int) -> int:
    return (EPOCH + timedelta(microseconds=instant)).year


@lru_cache(maxsize=8192)
def _offsets(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """`(instant, offset from then on)` at the start of the UTC year and at every change inside it."""
    tz = ZoneInfo(zone)
    start, end = (micros(datetime(y, 1, 1, tzinfo=UTC)) // SECOND for y in (year, year + 1))
    at, offset = start, _offset(tz, start)
    found = [(at, offset)]
    for probe in (*range(start + _PROBE, end, _PROBE), end - 1):
        while _offset(tz, probe) != offset:
            at = _change(tz, at, probe)
            offset = _offset(tz, at)
            found.append((at, offset))
        at = probe
    return tuple((second * SECOND, seconds * SECOND) for second, seconds in found)


def _change(tz: ZoneInfo, before: int, after: int) -> int:
    """The first second whose offset is not that of `before`; zone files know whole seconds only."""
    offset = _offset(tz, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(tz, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(tz: ZoneInfo, second: int) -> int:
    return (datetime.fromtimestamp(second, tz).utcoffset() or timedelta(0)) // timedelta(seconds=1)
