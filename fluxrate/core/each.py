"""Figures of many customers at once, each over a window of its own: what bills by subscription asks for.

Thousands of windows are one question to the index instead of thousands. Cells of one question must not overlap, so
windows of one customer that do are told apart into a few questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.keys import CUSTOMER
from fluxrate.core.columns.types import Ints
from fluxrate.core.figures import figures
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from fluxrate.core.selecting import Chosen


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Customers' keys, and for each the half-open range of time that is asked about, in UTC microseconds."""

    customers: Ints
    starts: Ints
    ends: Ints

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def hull(self) -> tuple[int, int]:
        """The range of time that holds every window; an empty one if there is none."""
        if not len(self):
            return 0, 0
        return int(self.starts.min()), int(max(self.starts.max(), self.ends.max()))


def figures_of(chosen: Chosen, metric: Metric, decimals: int, windows: Windows) -> list[Number | None]:
    """The metric over each window, in the order they were asked; `chosen` holds all of them."""
    found: list[Number | None] = [None] * len(windows)
    for layer in _layers(windows):
        columns = (windows.customers[layer].astype(np.int32), windows.starts[layer], windows.ends[layer])
        layout = chosen.selection.windows(CUSTOMER, chosen.index, *columns)
        for place, value in zip(layer.tolist(), figures(metric, layout, decimals).values(), strict=True):
            found[place] = value
    return found


def _layers(windows: Windows) -> Iterator[Ints]:
    """The places of the windows by customer and time, told apart so that none overlaps another of its layer."""
    left: Ints = np.lexsort((windows.ends, windows.starts, windows.customers))
    while len(left):
        customers, starts, ends = windows.customers[left], windows.starts[left], windows.ends[left]
        same = customers[1:] == customers[:-1]
        if not (same & (starts[1:] < ends[:-1])).any():
            # In order of their starts, the neighbours would overlap if any two did.
            yield left
            return
        firsts = np.flatnonzero(np.append(True, ~same))
        kept = _one_after_another(firsts, np.diff(np.append(firsts, len(left))), starts, ends)
        yield left[kept]
        left = left[~kept]


def _one_after_another(firsts: Ints, counts: Ints, starts: Ints, ends: Ints) -> NDArray[np.bool_]:
    """As a mask, of each customer's windows (so many from a first one on) the first, and each that begins when the one
    before it that was taken is over: all customers at once.
    """
    kept = np.zeros(len(starts), np.bool_)
    order = np.argsort(-counts, kind="stable")
    firsts, counts = firsts[order], counts[order]
    over = starts[firsts]
    # How many customers have a window of this number; few have many.
    most = np.searchsorted(-counts, -np.arange(1, int(counts[0]) + 1), "right").tolist()
    for number, customers in enumerate(most):
        places = firsts[:customers] + number
        free = starts[places] >= over[:customers]
        kept[places] = free
        over[:customers] = np.where(free, ends[places], over[:customers])
    return kept
