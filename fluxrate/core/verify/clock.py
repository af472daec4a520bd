"""Which calendar bucket an event lies in, told from the event's own instant and a zone's clock.

No bucket edges and nothing of `core.calendar` or `core.zones`: the instant is turned into local time and that is
rounded down, so that a mistake in the edges does not repeat itself here.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXT = {"minute": "%Y-%m-%dT%H:%M:00", "hour": "%Y-%m-%dT%H:00:00"}
_BARE = len("2025-01-31T10:00:00")


def label(instant: int, group: str, zone: str) -> str:
    """The name of the bucket that holds the instant (UTC microseconds), as answers write it."""
    # Clocks change at whole seconds only.
    return _label(instant // SECOND, group, zone)


def day(instant: int, zone: str) -> date:
    """The local day that holds the instant: the latest date that the zone's clock had shown by then."""
    return _day(instant // SECOND, zone)


@lru_cache(maxsize=1 << 16)
def _day(second: int, zone: str) -> date:
    local = _local(second, zone)
    if not local.fold:
        return local.date()
    # The clock was put back and shows this time again: it may have begun the next day before that.
    back = (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
    minutes = range(-(back // timedelta(minutes=1)) * 60, 1, 60)
    return max(_local(second + seconds, zone).date() for seconds in minutes)


@lru_cache(maxsize=1 << 16)
def _label(second: int, group: str, zone: str) -> str:
    if group in _TEXT:
        local = _local(second, zone)
        offset = "Z" if zone == "UTC" else local.isoformat()[_BARE:]
        return local.strftime(_TEXT[group]) + offset
    return _first_of(_day(second, zone), group).isoformat()


def _first_of(found: date, group: str) -> date:
    if group == "day":
        return found
    if group == "week":
        return found - timedelta(days=found.weekday())
    if group == "month":
        return found.replace(day=1)
    if group == "quarter":
        return found.replace(month=(found.month - 1) // 3 * 3 + 1, day=1)
    if group == "year":
        return found.replace(month=1, day=1)
    raise ValueError(group)


def _local(second: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(seconds=second)).astimezone(ZoneInfo(zone))


def shown(instant: int) -> str:
    """The instant for a reader, in UTC to the microsecond."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat()
