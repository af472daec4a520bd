"""From rows cut into cells to exact figures: how a metric is asked, and which of many groups are the largest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fluxrate.core.columns.selection import Layout
from fluxrate.core.columns.types import Ints
from fluxrate.core.errors import Malformed
from fluxrate.core.metric import Metric, Partial
from fluxrate.core.model import Number

MOST_PREFIXES = 1_000
"""Buckets up to which a metric that does not combine is taken over each beginning of the window anew."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The metric per cell of a layout, before it is finished."""

    metric: Metric
    decimals: int
    partial: Partial
    counts: Ints

    def values(self) -> list[Number | None]:
        """Exact figures."""
        return self.metric.finish(self.partial, self.counts.tolist(), self.decimals)

    def with_total(self) -> tuple[list[Number | None], Number | None]:
        """Exact figures, and that of all cells together, of a metric that combines its parts: finished at once."""
        combine = self.metric.combine
        if combine is None:
            raise TypeError(f"{self.metric.name} does not combine")
        gather = self.metric.gather
        whole = _by_halves(combine, self.partial) if gather is None else gather(self.partial)
        partial = tuple(np.concatenate(pair) for pair in zip(self.partial, whole, strict=True))
        counts = self.counts.tolist()
        *values, total = self.metric.finish(partial, [*counts, sum(counts)], self.decimals)
        return values, total

    def at(self, cells: Ints) -> Figures:
        """Those of some cells."""
        return Figures(self.metric, self.decimals, tuple(array[cells] for array in self.partial), self.counts[cells])

    def largest(self, limit: int) -> Ints:
        """The cells among which the `limit` largest are, ties with the last of them included; no empty ones."""
        filled = np.flatnonzero(self.counts)
        if self.metric.rank_by is None:
            return filled
        chosen, left = [], filled
        for key in self.metric.rank_by(self.partial):
            if len(left) <= limit:
                break
            values = key[left]
            least = np.partition(values, len(left) - limit)[len(left) - limit]
            above = values > least
            chosen.append(left[above])
            limit -= int(np.count_nonzero(above))
            left = left[values == least]
        return np.sort(np.concatenate((*chosen, left)))


def _by_halves(combine: Callable[[Partial, Partial], Partial], partial: Partial) -> Partial:
    while (size := len(partial[0])) > 1:
        half = size // 2
        both = combine(tuple(array[:half] for array in partial), tuple(array[half : 2 * half] for array in partial))
        rest = tuple(array[2 * half :] for array in partial)
        partial = tuple(np.concatenate(pair) for pair in zip(both, rest, strict=True)) if size % 2 else both
    return partial


def figures(metric: Metric, layout: Layout, decimals: int) -> Figures:
    """Ask the metric for every cell: of each part where it combines them, else of all rows at once."""
    if metric.combine is None:
        partial = metric.partial(*layout.whole())
    else:
        partial = reduce(metric.combine, [metric.partial(rows, bounds) for rows, bounds in layout.parts])
    return Figures(metric, decimals, partial, layout.counts())


def cumulative(found: Figures, layout: Layout) -> list[Number | None]:
    """For each cell the metric over all rows of it and of the cells before it.

    Raises Malformed when that would take very many passes over the rows.
    """
    counts = np.cumsum(found.counts)
    combine = found.metric.combine
    if combine is None:
        partial = _prefixes(found.metric, layout)
    else:
        # A running total by doubling: after step d each cell has the 2d cells up to it.
        partial, step = found.partial, 1
        while step < len(counts):
            ahead = combine(tuple(array[:-step] for array in partial), tuple(array[step:] for array in partial))
            partial = tuple(np.concatenate((array[:step], more)) for array, more in zip(partial, ahead, strict=True))
            step *= 2
    return found.metric.finish(partial, counts.tolist(), found.decimals)


def _prefixes(metric: Metric, layout: Layout) -> Partial:
    rows, bounds = layout.whole()
    ends: Sequence[int] = bounds[1:].tolist()
    if len(ends) > MOST_PREFIXES:
        raise Malformed(
            f"cumulative takes at most {MOST_PREFIXES:,} buckets for {metric.name}, whose figures do not add up,"
            f" but {len(ends):,} are asked for.",
            field="cumulative",
        )
    first = int(bounds[0])
    partials = [metric.partial(rows, np.array((first, end), np.int64)) for end in ends]
    return tuple(np.concatenate(arrays) for arrays in zip(*partials, strict=True))
