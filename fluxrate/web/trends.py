"""Which groupings suit a window, and the window that it is compared with, on the pages of one meter or customer."""

from __future__ import annotations

from fluxrate.core import shifts
from fluxrate.core.calendar import Window
from fluxrate.core.zones import DAY, HOUR

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

_SUITS = (("hour", 2), ("day", 92), ("week", 400))


def fitting(window: Window) -> str:
    """The grouping that gives a readable number of points: hours to 2 days, days to 92, weeks to 400, months beyond."""
    days = (window.end - window.start) / DAY
    return next((name for name, longest in _SUITS if days <= longest), "month")


def offered(window: Window) -> tuple[str, ...]:
    """Every grouping with more than one point, and not more than a chart can show."""
    length = window.end - window.start
    names = tuple(name for name, size in SIZES.items() if size < length <= size * MOST_POINTS)
    return names or (fitting(window),)


def before(window: Window, now: int) -> Window:
    """The equal window before; of one that is still running only as much as has passed, so that a morning is not
    compared with a day.
    """
    passed = Window(window.start, min(window.end, max(now, window.start + 1)), window.zone)
    return shifts.earlier(passed, "previous", "day" if window.end - window.start >= DAY else "hour")
