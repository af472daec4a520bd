"""The figure beside a list of events: the metric over all that match, as one cell.

A list leaves out nothing that was voided unless asked to, a figure does; else both are of the same rows, so what was
found for the list is not looked for again. What only some questions need is left to `selecting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from fluxrate.core import filters, groups
from fluxrate.core.columns import kernels
from fluxrate.core.columns.loose import Loose
from fluxrate.core.columns.paging import At, Picked
from fluxrate.core.columns.selection import Selection
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.together import Part, Together
from fluxrate.core.columns.types import Ints
from fluxrate.core.columns.within import Within
from fluxrate.core.figures import Figures, figures
from fluxrate.core.filters import Scope
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from fluxrate.core.selecting import Choice, choose, lanes_in_window


def figure(state: State, scope: Scope, metric: Metric, base: Picked) -> Number | None:
    """The metric over the meter's events that match; `base` is what the list picked of the meter's base."""
    found = _figures(Choice(state, scope, ()), metric, base)
    if found is None:
        window = np.array((scope.query.window.start, scope.query.window.end), np.int64)
        return groups.total_of(choose(state, scope, metric).selection, window, metric, scope.meter.decimals)
    return found.values()[0] if metric.combine is None else found.with_total()[1]


def _figures(choice: Choice, metric: Metric, base: Picked) -> Figures | None:
    """As one cell, or as one for each lane; None where `selecting` knows a better way, or no other."""
    removed, lanes, looks = choice.removed(), choice.lanes, filters.looks_at_rows(choice.scope.query)
    if removed is None:
        return None
    several = len(lanes) == 1 and len(lanes[0][1]) > 1 and not looks
    if several and metric.combine is not None:
        return _of_lanes(choice, metric, removed)
    parts: list[Part]
    frame, window = choice.index.frame, (choice.first, choice.last)
    if looks and not lanes:
        parts = [Within(frame, choice.index.sizes, window, filters.bounds(choice.scope), removed)]
    elif several:
        parts = [
            Loose(frame, kernels.without(lane, removed)) for lane in lanes_in_window(choice.index, lanes[0], *window)
        ]
    elif isinstance(base, At) and not choice.scope.meter.filters:
        positions = kernels.without(base.positions, choice.dead)
        parts = [Loose(frame, positions, base.quantity if len(positions) == len(base.positions) else None)]
    else:
        return None
    return _of_parts([*parts, *choice.frames], choice, metric)


def _of_parts(parts: Sequence[Part], choice: Choice, metric: Metric) -> Figures | None:
    counts, decimals = np.array([sum(map(len, parts))], np.int64), choice.scope.meter.decimals
    if metric.combine is not None:
        partials = [metric.partial(part, np.array((0, len(part)), np.int64)) for part in parts]
        return Figures(metric, decimals, reduce(metric.combine, partials), counts)
    counted = choice.counted() if metric.needs_property else None
    if counted is None and metric.needs_property:
        return None
    rows = Together(parts, counted)
    return Figures(metric, decimals, metric.partial(rows, rows.bounds), counts)


def _of_lanes(choice: Choice, metric: Metric, removed: Ints) -> Figures:
    """Each lane is a cell that indexes answer."""
    (key, codes), window = choice.lanes[0], choice.scope.query.window
    rows = Selection(choice.index.time, choice.first, choice.last, removed, choice.frames)
    edges, known = np.array((window.start, window.end), np.int64), np.array(sorted(codes), np.int32)
    return figures(metric, rows.by(key, choice.index, edges, known), choice.scope.meter.decimals)
