"""The built-in panels of the dashboard: the trend of one meter, its top customers, and every meter at a glance.

Each panel asks the engine itself and gives plain values to its template. Changes are measured against the equal
window before; of a window that is still running only as much counts as has passed, so that a morning is not compared
with a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fluxrate.core.answers import Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.zones import DAY, HOUR
from fluxrate.plugin import Panel, PanelContext, Plugin

GROUPS = (("hour", HOUR, 2), ("day", DAY, 92), ("week", 7 * DAY, 400), ("month", 30 * DAY, 1 << 40))
"""Groupings of a chart with their usual length, each with the longest window in days that it suits best."""
MOST_POINTS = 800
TOP = 10
MOST_METERS = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One meter's figures in the window, and in the equal window before."""

    usage: Usage
    before: Usage

    @property
    def meter(self) -> Meter:
        """The meter that both are about."""
        return self.usage.meter


def fitting(window: Window) -> str:
    """The grouping that gives a readable number of points: hours to 2 days, days to 92, weeks to 400, months beyond."""
    days = (window.end - window.start) / DAY
    return next(name for name, _, longest in GROUPS if days <= longest)


def offered(window: Window) -> tuple[str, ...]:
    """The groupings worth a choice: more than one point, and not more than a chart can show."""
    length = window.end - window.start
    names = tuple(name for name, size, _ in GROUPS if length > size and length // size <= MOST_POINTS)
    return names or (fitting(window),)


def before(window: Window, now: int) -> Window:
    """The equal window before, cut where `now` cuts this one."""
    end = min(window.end, max(now, window.start + 1))
    days = round((window.end - window.start) / DAY)
    if not days or any(_local(edge, window.zone).hour for edge in (window.start, window.end)):
        length = window.end - window.start
        return Window(window.start - length, end - length, window.zone)
    return Window(_days_earlier(window.start, days, window.zone), _days_earlier(end, days, window.zone), window.zone)


def trend(context: PanelContext) -> Mapping[str, Any] | None:
    """The selected meter over time, with its figures and how they changed."""
    if context.meter is None:
        return None
    groups = offered(context.query.window)
    group = context.query.group_by if context.query.group_by in groups else None
    group = group or fitting(context.query.window)
    compared = _compare(context, context.meter, group, before_by=group)
    engine, now = context.services.engine, context.services.clock()
    empty = not compared.usage.event_count
    return {
        "compared": compared,
        "group": group,
        "groups": groups if group in groups else (*groups, group),
        "meters": context.meters,
        "last_event": engine.stats(context.meter, context.query.window.zone, now).last_event if empty else None,
    }


def customers(context: PanelContext) -> Mapping[str, Any] | None:
    """The customers of the selected meter with the most usage."""
    if context.meter is None:
        return None
    query = replace(context.query, group_by=None)
    return {"ranking": context.services.engine.ranking(context.meter, query, TOP)}


def meters(context: PanelContext) -> Mapping[str, Any] | None:
    """Every meter with its line, its total and its change."""
    if not context.meters:
        return None
    group = fitting(context.query.window)
    shown = context.meters[:MOST_METERS]
    return {
        "rows": [_compare(context, meter, group) for meter in shown],
        "group": group,
        "left_out": len(context.meters) - len(shown),
        "selected": context.meter,
    }


def _compare(context: PanelContext, meter: Meter, group: str, before_by: str | None = None) -> Comparison:
    engine = context.services.engine
    query: Query = replace(context.query, group_by=group, fill="zero")
    earlier = before(query.window, context.services.clock())
    previous = replace(query, window=earlier, group_by=before_by)
    return Comparison(engine.usage(meter, query), engine.usage(meter, previous))


def _local(instant: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))


def _days_earlier(instant: int, days: int, zone: str) -> int:
    """The same local time some days before: by the calendar, since a day is not always 24 hours."""
    return (_local(instant, zone) - timedelta(days=days) - _EPOCH) // timedelta(microseconds=1)


plugin = Plugin(
    "panels",
    panels=(
        Panel("trend", "Trend", "panels/trend.html", trend, place="main", rank=10),
        Panel("top_customers", "Top customers", "panels/customers.html", customers, rank=20),
        Panel("all_meters", "Meters", "panels/meters.html", meters, rank=30),
    ),
)
