"""The built-in panels of the dashboard: one meter's figures, its trend and its top customers, every meter at a glance,
and how the events come in.

Each panel asks the engine itself and gives plain values to its template. Changes are measured against the equal
window before; of a window that is still running only as much counts as has passed, so that a morning is not compared
with a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fluxrate.core import trends
from fluxrate.core.answers import Rank
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.trends import Comparison
from fluxrate.core.zones import day_of, day_start
from fluxrate.plugin import Panel, PanelContext, Plugin

TOP = 10
MOST_METERS = 50
MOST_SILENT = 5
"""Silent meters that are named."""


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


def headline(context: PanelContext) -> Mapping[str, Any] | None:
    """The figures of the selected meter and how they changed."""
    if context.meter is None:
        return None
    query = replace(context.query, group_by=None)
    return {"compared": trends.compare(context.services.engine, context.meter, query, context.services.clock())}


def trend(context: PanelContext) -> Mapping[str, Any] | None:
    """The selected meter over time, beside the equal window before."""
    if context.meter is None:
        return None
    engine, now = context.services.engine, context.services.clock()
    group, groups = trends.chosen(context.query.window, context.query.group_by)
    compared = trends.compare(engine, context.meter, replace(context.query, group_by=group), now)
    empty = not compared.usage.event_count
    zone, as_of = context.query.window.zone, context.query.as_of
    return {
        "compared": compared,
        "group": group,
        "groups": groups,
        "last_event": engine.stats(context.meter, zone, now, as_of).last_event if empty else None,
    }


def customers(context: PanelContext) -> Mapping[str, Any] | None:
    """The customers of the selected meter with the most usage."""
    if context.meter is None:
        return None
    query = replace(context.query, group_by=None)
    ranking = context.services.engine.ranking(context.meter, query, TOP)
    group, engine, now = trends.fitting(context.query.window), context.services.engine, context.services.clock()
    rows = []
    for rank in ranking.rows:
        # One question a customer: an index finds the rows of one, those of several are gathered and sorted.
        mine = replace(query, group_by=group, customers=(rank.customer.id,))
        rows.append(Ranked(rank, trends.glance(engine, context.meter, mine, now)))
    return {"ranking": ranking, "rows": rows, "group": group}


def meters(context: PanelContext) -> Mapping[str, Any] | None:
    """Every meter with its line, its total and its change."""
    if not context.meters:
        return None
    group, engine, now = trends.fitting(context.query.window), context.services.engine, context.services.clock()
    shown, query = context.meters[:MOST_METERS], replace(context.query, group_by=group)
    return {
        "rows": [trends.glance(engine, meter, query, now) for meter in shown],
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


def _part(count: int, whole: int) -> Decimal | None:
    return Decimal(count) / Decimal(whole) if whole else None


def _meters_height(context: PanelContext) -> int:
    return 27 + 53 * min(len(context.meters), MOST_METERS)


_RANKING_HEIGHT = 36 + 37 * TOP + 21

plugin = Plugin(
    "panels",
    panels=(
        Panel("headline", "Figures", "panels/headline.html", headline, place="main", rank=5, height=75),
        Panel("trend", "Trend", "panels/trend.html", trend, place="main", rank=10, height=360),
        Panel("top_customers", "Top customers", "panels/customers.html", customers, rank=20, height=_RANKING_HEIGHT),
        Panel("all_meters", "Meters", "panels/meters.html", meters, rank=30, height=_meters_height),
        Panel("intake", "Metering health", "panels/intake.html", intake, rank=40, height=344),
    ),
)
