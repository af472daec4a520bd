"""The figure beside a list of events: the metric over all that match, as one cell.

A list leaves out nothing that was voided unless asked to, a figure does; else both are of the same rows, so what was
found for the list is not looked for again. What only some questions need is left to `selecting`.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from fluxrate.core import filters, groups
from fluxrate.core.columns import kernels
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.loose import Loose
from fluxrate.core.columns.paging import At, Picked
from fluxrate.core.columns.selection import Selection
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.types import Ints
from fluxrate.core.columns.within import Within
from fluxrate.core.figures import Figures, figures
from fluxrate.core.filters import Scope
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from fluxrate.core.selecting import Choice, choose


def figure(state: State, scope: Scope, metric: Metric, base: Picked) -> Number | None:
    """The metric over the meter's events that match; `base` is what the list picked of the meter's base."""
    found = None if metric.needs_property else _figures(Choice(state, scope, ()), metric, base)
    if found is None:
        window = np.array((scope.query.window.start, scope.query.window.end), np.int64)
        return groups.total_of(choose(state, scope, metric).selection, window, metric, scope.meter.decimals)
    return found.with_total()[1]


def _figures(choice: Choice, metric: Metric, base: Picked) -> Figures | None:
    """As one cell; None where `selecting` knows a better way, or no other."""
    removed, lanes, combine = choice.removed(), choice.lanes, metric.combine
    if removed is None or combine is None:
        return None
    rows: Within | Loose
    frame, window = choice.index.frame, (choice.first, choice.last)
    if filters.looks_at_rows(choice.scope.query) and not lanes:
        rows = Within(frame, choice.index.sizes, window, filters.bounds(choice.scope), removed)
    elif isinstance(base, At) and not choice.scope.meter.filters:
        rows = Loose(frame, kernels.without(base.positions, choice.dead))
    elif len(lanes) == 1 and len(lanes[0][1]) > 1 and not filters.looks_at_rows(choice.scope.query):
        return _of_lanes(choice, metric, removed)
    else:
        return None
    parts: list[tuple[Within | Loose | Frame, Ints]] = [(rows, rows.bounds)]
    parts += [(frame, np.array((0, len(frame)), np.int64)) for frame in choice.frames]
    partial = reduce(combine, [metric.partial(*part) for part in parts])
    counts = np.array([sum(len(part) for part, _ in parts)], np.int64)
    return Figures(metric, choice.scope.meter.decimals, partial, counts)


def _of_lanes(choice: Choice, metric: Metric, removed: Ints) -> Figures:
    """Each lane is a cell that indexes answer."""
    (key, codes), window = choice.lanes[0], choice.scope.query.window
    rows = Selection(choice.index.time, choice.first, choice.last, removed, tuple(choice.frames))
    edges, known = np.array((window.start, window.end), np.int64), np.array(sorted(codes), np.int32)
    return figures(metric, rows.by(key, choice.index, edges, known), choice.scope.meter.decimals)
