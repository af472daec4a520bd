"""The built-in panels of the dashboard: one meter's figures, its trend and its top customers, every meter at a glance,
and how the events come in.

Each panel asks the engine itself and gives plain values to its template. Changes are measured against the equal
window before; of a window that is still running only as much counts as has passed, so that a morning is not compared
with a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fluxrate.core import shifts
from fluxrate.core.answers import Rank, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.zones import DAY, HOUR, day_of, day_start
from fluxrate.plugin import Panel, PanelContext, Plugin

GROUPS = (("hour", HOUR, 2), ("day", DAY, 92), ("week", 7 * DAY, 400), ("month", 30 * DAY, 1 << 40))
"""Groupings of a chart with their usual length, each with the longest window in days that it suits best."""
MOST_POINTS = 800
TOP = 10
MOST_METERS = 50
MOST_SILENT = 5
"""Silent meters that are named."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row of the ranking, with the customer's line over the window and usage in the equal window before."""

    rank: Rank
    compared: Comparison


@dataclass(frozen=True, slots=True)
class Silent:
    """A meter that has events before the window and none in it: the instant of the latest, and when its day began."""

    meter: Meter
    last: int
    day: int


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


def headline(context: PanelContext) -> Mapping[str, Any] | None:
    """The figures of the selected meter and how they changed."""
    if context.meter is None:
        return None
    return {"compared": _compare(context, context.meter, None)}


def trend(context: PanelContext) -> Mapping[str, Any] | None:
    """The selected meter over time, beside the equal window before."""
    if context.meter is None:
        return None
    groups = offered(context.query.window)
    group = context.query.group_by if context.query.group_by in groups else None
    group = group or fitting(context.query.window)
    compared = _compare(context, context.meter, group)
    engine, now = context.services.engine, context.services.clock()
    empty = not compared.usage.event_count
    zone, as_of = context.query.window.zone, context.query.as_of
    return {
        "compared": compared,
        "group": group,
        "groups": groups if group in groups else (*groups, group),
        "last_event": engine.stats(context.meter, zone, now, as_of).last_event if empty else None,
    }


def customers(context: PanelContext) -> Mapping[str, Any] | None:
    """The customers of the selected meter with the most usage."""
    if context.meter is None:
        return None
    query = replace(context.query, group_by=None)
    ranking = context.services.engine.ranking(context.meter, query, TOP)
    group = fitting(context.query.window)
    rows = []
    for rank in ranking.rows:
        # One question a customer: an index finds the rows of one, those of several are gathered and sorted.
        mine = replace(context, query=replace(context.query, customers=(rank.customer.id,)))
        rows.append(Ranked(rank, _compare(mine, context.meter, group, aligned=False)))
    return {"ranking": ranking, "rows": rows, "group": group}


def meters(context: PanelContext) -> Mapping[str, Any] | None:
    """Every meter with its line, its total and its change."""
    if not context.meters:
        return None
    group = fitting(context.query.window)
    shown = context.meters[:MOST_METERS]
    return {
        "rows": [_compare(context, meter, group, aligned=False) for meter in shown],
        "group": group,
        "left_out": len(context.meters) - len(shown),
        "selected": context.meter,
    }


def intake(context: PanelContext) -> Mapping[str, Any] | None:
    """How events come in: what this process made of those sent to it, and what of the window looks odd."""
    if not context.meters:
        return None
    parts, window = context.services, context.query.window
    taken = parts.vitals.intake.read()
    sent = taken.accepted + taken.duplicates + sum(taken.rejected.values())
    found = silent(context)
    return {
        "taken": taken,
        "sent": sent,
        "duplicate_rate": _part(taken.duplicates, sent),
        "conflict_rate": _part(taken.conflicts, sent),
        "started": parts.vitals.started,
        "late": late(context),
        "new_customers": parts.store.customers.count(window.start, window.end),
        "silent": found[:MOST_SILENT],
        "more_silent": len(found[MOST_SILENT:]),
    }


def late(context: PanelContext) -> int:
    """How many events arrived within the window and happened before it: each changes a figure of the time before.

    Voided ones count as well: the two counts are of all rows, so that a void in between is no event the less.
    """
    parts, window = context.services, context.query.window
    newest = parts.engine.as_of() if context.query.as_of is None else context.query.as_of
    if window.start <= 0:
        return 0
    first, last = (min(newest, parts.store.events.seq_at(edge)) for edge in (window.start, window.end))
    past = Query(Window(0, window.start, window.zone))
    meters = parts.catalog.meters()
    then, since = (parts.engine.log(meters, replace(past, as_of=seq), page_size=1).total for seq in (first, last))
    return since - then


def silent(context: PanelContext) -> list[Silent]:
    """The meters with events before the window and none in it, the one that stopped last first."""
    engine, query, found = context.services.engine, replace(context.query, group_by=None), []
    window = query.window
    past = replace(query, window=Window(min(0, window.start - 1), window.start, window.zone))
    for meter in context.meters:
        # The figure is found by an index, the log asks the store: only for meters whose figure counts nothing, which
        # may have events that their own filters leave out.
        if engine.usage(meter, query).event_count or engine.log((meter,), query, page_size=1).total:
            continue
        for row in engine.log((meter,), past, page_size=1).rows:
            last = row.event.timestamp
            found.append(Silent(meter, last, day_start(window.zone, day_of(window.zone, last))))
    return sorted(found, key=lambda one: -one.last)


def _compare(context: PanelContext, meter: Meter, group: str | None, *, aligned: bool = True) -> Comparison:
    engine, window = context.services.engine, context.query.window
    query: Query = replace(context.query, group_by=group, fill="zero")
    past = before(window, context.services.clock())
    if group is None or not aligned:
        return Comparison(engine.usage(meter, query), engine.usage(meter, replace(query, window=past, group_by=None)))
    now, then = engine.usage(meter, query), engine.usage(meter, replace(query, window=past))
    return Comparison(now, then, tuple(shifts.partners(window, past, "previous", group)))


def _part(count: int, whole: int) -> Decimal | None:
    return Decimal(count) / Decimal(whole) if whole else None


def _local(instant: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))


def _days_earlier(instant: int, days: int, zone: str) -> int:
    """The same local time some days before: by the calendar, since a day is not always 24 hours."""
    return (_local(instant, zone) - timedelta(days=days) - _EPOCH) // timedelta(microseconds=1)


def _meters_height(context: PanelContext) -> int:
    return 36 + 53 * min(len(context.meters), MOST_METERS)


_RANKING_HEIGHT = 36 + 37 * TOP + 21

plugin = Plugin(
    "panels",
    panels=(
        Panel("headline", "Figures", "panels/headline.html", headline, place="main", rank=5, height=75),
        Panel("trend", "Trend", "panels/trend.html", trend, place="main", rank=10, height=360),
        Panel("top_customers", "Top customers", "panels/customers.html", customers, rank=20, height=_RANKING_HEIGHT),
        Panel("all_meters", "Meters", "panels/meters.html", meters, rank=30, height=_meters_height),
        Panel("intake", "Metering health", "panels/intake.html", intake, rank=40, height=355),
    ),
)
