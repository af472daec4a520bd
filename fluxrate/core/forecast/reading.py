"""From the engine to a forecast of one meter: its history in calendar buckets, what lies ahead, and how sure that is.

History are whole buckets only: the one that is running is not over, and in that of the first event usage began, so both
are left out. What comes out is rounded half-even to the meter's decimals and never negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import dropwhile, pairwise

import numpy as np

from fluxrate.core import calendar
from fluxrate.core.amounts import to_number
from fluxrate.core.answers import Bucket
from fluxrate.core.calendar import Window
from fluxrate.core.engine import Engine
from fluxrate.core.errors import Malformed, RuleBroken
from fluxrate.core.forecast.backtest import Outlook, outlook
from fluxrate.core.metric import Metric
from fluxrate.core.model import Meter, Number
from fluxrate.core.query import Query
from fluxrate.core.zones import DAY

MASE_PLACES = 4


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a grouping is forecast: how many buckets its season has and of what, the steps ahead unless said and at
    most, and the buckets of history that are read at most.
    """

    season: int
    of: str
    usual: int
    most: int
    history: int


GROUPINGS = {
    "day": Grouping(7, "weekday", 30, 366, 731),
    "week": Grouping(52, "week of the year", 12, 104, 261),
    "month": Grouping(12, "month of the year", 6, 36, 121),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One bucket ahead with its interval, which is None where too little of the past could be tested."""

    start: int
    end: int
    label: str
    usage: Number
    lower: Number | None
    upper: Number | None


@dataclass(frozen=True, slots=True)
class Tried:
    """A method of the backtest and its error; None where history never varied."""

    method: str
    mase: Number | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What lies ahead of a meter, made from `history`.

    `season` is the number of buckets of the method's season, None where it has none. `origins` and `tested_horizon` say
    how much was tested: 0 if history was too short for any test, and then `mase` and `mae` are None. The total is that
    of all steps, for metrics that add up.
    """

    meter: Meter
    group: str
    zone: str
    history: tuple[Bucket, ...]
    steps: tuple[Step, ...]
    method: str
    season: int | None
    mase: Number | None
    mae: Number | None
    origins: int
    tested_horizon: int
    tried: tuple[Tried, ...]
    total: Number | None
    total_lower: Number | None
    total_upper: Number | None
    as_of: int

    @property
    def window(self) -> Window:
        """The time that the forecast is about."""
        return Window(self.steps[0].start, self.steps[-1].end, self.zone)

    @property
    def history_window(self) -> Window:
        """The time that it is made from."""
        return Window(self.history[0].start, self.history[-1].end, self.zone)


def forecast(
    engine: Engine, meter: Meter, metric: Metric, query: Query, now: int, horizon: int | None = None
) -> Forecast:
    """So many buckets of the query's grouping (days unless said) from the one that runs at the window's end, or now if
    that is earlier. The window's start is not asked.

    Raises Malformed for a grouping or horizon that cannot be forecast, RuleBroken where history has no whole bucket or
    one without a value, and what `Engine.usage` raises.
    """
    group = query.group_by or "day"
    grouping = _grouping(group)
    count = _horizon(horizon, group, grouping)
    end = calendar.bucket_start(min(query.window.end, now), group, query.window.zone)
    start = max(0, end - grouping.history * calendar.mean_length(group))
    history: tuple[Bucket, ...] = ()
    as_of = engine.as_of() if query.as_of is None else query.as_of
    if start < end:
        window = Window(start, end, query.window.zone)
        asked = Query(window, group, customers=query.customers, meta=query.meta, as_of=as_of)
        history = _whole(engine.usage(meter, asked, metric).buckets)
    _check(history, meter, metric, group)
    values = np.array([float(bucket.usage or 0) for bucket in history], np.float64)
    found = outlook(values, grouping.season, count)
    return _answer(found, meter, metric, replace(query, group_by=group, as_of=as_of), history, end)


def _grouping(group: str) -> Grouping:
    if group not in GROUPINGS:
        calendar.mean_length(group)
        raise Malformed(f"A forecast's group_by is one of {', '.join(GROUPINGS)}, but {group} came.", field="group_by")
    return GROUPINGS[group]


def _horizon(asked: int | None, group: str, grouping: Grouping) -> int:
    count = grouping.usual if asked is None else asked
    if not 1 <= count <= grouping.most:
        raise Malformed(
            f"horizon is a whole number from 1 to {grouping.most} by {group}, but {count} came.", field="horizon"
        )
    return count


def _whole(buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    """From the first bucket with events on, without it if others follow: usage began somewhere within."""
    found = tuple(dropwhile(lambda bucket: not bucket.event_count, buckets))
    return found[1:] or found


def _check(history: Sequence[Bucket], meter: Meter, metric: Metric, group: str) -> None:
    if not history:
        raise RuleBroken(
            f"A forecast is made from the {group}s that are over, but none of them has an event on this meter that "
            "passes the filters."
        )
    empty = sum(bucket.usage is None for bucket in history)
    if empty:
        raise RuleBroken(
            f"The {metric.name} of a {group} without events is unknown, and {empty:,} of the {len(history):,} {group}s "
            "of history have none; ask for a coarser group_by, or for a meter that sums or counts."
        )


def _answer(
    found: Outlook, meter: Meter, metric: Metric, query: Query, history: tuple[Bucket, ...], end: int
) -> Forecast:
    group, zone = query.group_by or "day", query.window.zone
    decimals = 0 if metric.counts_things else meter.decimals
    best = next((one for one in found.tested if one.method is found.method), None)
    steps = _steps(found, _ahead(end, len(found.points), group, zone), decimals)
    total = sum(_scaled(point, decimals) for point in found.points.tolist()) if metric.additive else None
    lower, upper = (None, None) if total is None else _around(total / 10**decimals, found.total_radius, decimals)
    return Forecast(
        meter=meter,
        group=group,
        zone=zone,
        history=history,
        steps=steps,
        method=found.method.name,
        season=GROUPINGS[group].season if found.method.seasonal else None,
        mase=None if best is None else _mase(best.mase),
        mae=None if best is None else _number(best.mae, decimals),
        origins=found.origins,
        tested_horizon=found.horizon,
        tried=tuple(Tried(one.method.name, _mase(one.mase)) for one in found.tested),
        total=None if total is None else to_number(total, decimals),
        total_lower=lower,
        total_upper=upper,
        as_of=query.as_of or 0,
    )


def _ahead(end: int, count: int, group: str, zone: str) -> list[tuple[int, int, str]]:
    """The next calendar buckets."""
    # Long enough for the longest of them; what is more is cut off.
    reach = end + (count + 1) * calendar.mean_length(group) + 4 * DAY
    found = calendar.buckets(Window(end, reach, zone), group)
    edges = found.edges[: count + 1].tolist()
    return [(*ends, label) for ends, label in zip(pairwise(edges), found.labels[:count], strict=True)]


def _steps(found: Outlook, ahead: list[tuple[int, int, str]], decimals: int) -> tuple[Step, ...]:
    points = zip(ahead, found.points.tolist(), found.radii, strict=True)
    return tuple(
        Step(*bucket, _number(point, decimals), *_around(point, radius, decimals)) for bucket, point, radius in points
    )


def _around(point: float, radius: float | None, decimals: int) -> tuple[Number | None, Number | None]:
    if radius is None:
        return None, None
    return _number(max(point - radius, 0.0), decimals), _number(point + radius, decimals)


def _number(value: float, decimals: int) -> Number:
    return to_number(_scaled(value, decimals), decimals)


def _scaled(value: float, decimals: int) -> int:
    return round(Fraction(value) * Fraction(10) ** decimals)


def _mase(value: float | None) -> Number | None:
    return None if value is None else _number(value, MASE_PLACES)
