"""Windows: the range of time a question covers, read from the two dates of a query and told back as a period.

Promises half-open ranges that are never empty. Refuses with Malformed what is no date, and a start not before
the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from fluxrate.core.errors import Malformed
from fluxrate.core.instants import parse_day, parse_instant, rfc3339
from fluxrate.core.zones import EPOCH, SECOND, check_zone, day_start, micros

_DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open range `[start, end)` in UTC microseconds, and the zone whose calendar and clock apply."""

    start: int
    end: int
    zone: str

    @property
    def period_start(self) -> str:
        """The start as RFC 3339 with whole seconds."""
        return rfc3339(self.start // SECOND * SECOND, self.zone)

    @property
    def period_end(self) -> str:
        """The last second inside the window as RFC 3339."""
        return rfc3339((self.end - 1) // SECOND * SECOND, self.zone)


def parse_window(start_date: str | None, end_date: str | None, zone: str, now: int) -> Window:
    """The window of two texts: a date is that whole local day, a datetime an instant, in `zone` without
    offset.

    Absent or empty, the end is `now` and the start lies 30 days of the local calendar before the end. Raises
    Malformed, naming the parameter, for what cannot be read and for a start that is not before the end.
    """
    check_zone(zone)
    end = _end(end_date, zone) if end_date else now
    start = parse_instant(start_date, zone, "start_date") if start_date else _days_before(end, zone)
    if start >= end:
        raise Malformed(
            f"start_date is before the end of the window, but it starts {rfc3339(start, zone)}"
            f" and ends {rfc3339(end, zone)}{'' if end_date else ' (now)'}.",
            field="start_date",
        )
    return Window(start, end, zone)


def _end(text: str, zone: str) -> int:
    day = parse_day(text, "end_date")
    return parse_instant(text, zone, "end_date") if day is None else day_start(zone, day + 1)


def _days_before(end: int, zone: str) -> int:
    """The same local time 30 days earlier: a default window of whole days stays one across a change."""
    local = (EPOCH + timedelta(microseconds=end)).astimezone(ZoneInfo(zone))
    return micros(local - timedelta(days=_DEFAULT_DAYS))
