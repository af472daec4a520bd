"""The seven aggregations every meter can have, as metrics: SUM, COUNT, MAX, MIN, AVG, LAST, UNIQUE_COUNT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluxrate.core import amounts
from fluxrate.core.columns import kernels
from fluxrate.core.metric import Ints, Metric, Partial, Rows
from fluxrate.core.model import Number
from fluxrate.plugin import Plugin

_SAFE = 1 << 29
"""High limbs below this leave a sum far from the edge of int64."""

_FEW = 40
"""Sums up to which Python adds their limbs in the time that numpy takes to begin."""

AVERAGE_PLACES = 6
"""An average has this many decimal places more than its meter, rounded half-even: a quotient need not end."""


def _sum(rows: Rows, bounds: Ints) -> Partial:
    return rows.sums(bounds)


def _add(one: Partial, other: Partial) -> Partial:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _added(partial: Partial) -> Partial:
    return tuple(np.add.reduce(array, keepdims=True) for array in partial)


def _largest_of(values: Ints) -> int:
    # Half the time of `values.max()`, which is Python around the same.
    return int(np.maximum.reduce(values))


def _smallest_of(values: Ints) -> int:
    return int(np.minimum.reduce(values))


def _fit(high: Ints, low: Ints) -> bool:
    """Whether int64 surely holds every sum."""
    return _largest_of(high) < _SAFE and max(_largest_of(low), -_smallest_of(low)) < kernels.MOST >> 1


def _wholes(partial: Partial) -> list[int]:
    high, low = partial
    if len(high) > _FEW and _fit(high, low):
        return ((high << kernels.LIMB) + low).tolist()
    return [(h << kernels.LIMB) + l for h, l in zip(high.tolist(), low.tolist(), strict=True)]  # noqa: E741


def _sum_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    return [*amounts.to_numbers(_wholes(partial), decimals)]


def _average_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    places = decimals + AVERAGE_PLACES
    return [
        amounts.divide(whole, count, decimals, places) if count else None
        for whole, count in zip(_wholes(partial), counts, strict=True)
    ]


def _count(rows: Rows, bounds: Ints) -> Partial:
    return (kernels.counts(bounds),)


def _count_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    return list(partial[0].tolist())


def _max(rows: Rows, bounds: Ints) -> Partial:
    return (rows.maxima(bounds),)


def _larger(one: Partial, other: Partial) -> Partial:
    return (np.maximum(one[0], other[0]),)


def _min(rows: Rows, bounds: Ints) -> Partial:
    return (rows.minima(bounds),)


def _smaller(one: Partial, other: Partial) -> Partial:
    return (np.minimum(one[0], other[0]),)


def _largest(partial: Partial) -> Partial:
    return (np.maximum.reduce(partial[0], keepdims=True),)


def _smallest(partial: Partial) -> Partial:
    return (np.minimum.reduce(partial[0], keepdims=True),)


def _last(rows: Rows, bounds: Ints) -> Partial:
    return rows.lasts(bounds)


def _later(one: Partial, other: Partial) -> Partial:
    # An empty bucket has sequence -1. Its time says nothing: an event before 1970 cannot be stored, so -1 is before
    # all.
    newer = (other[0] > one[0]) | ((other[0] == one[0]) & (other[1] > one[1]))
    return tuple(np.where(newer, b, a) for a, b in zip(one, other, strict=True))


def _value_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    numbers = amounts.to_numbers(partial[-1].tolist(), decimals)
    return [number if count else None for number, count in zip(numbers, counts, strict=True)]


def _by_sum(partial: Partial) -> Partial:
    # The low limbs of parts were added, and those of rows left out were taken away.
    high, low = partial
    return high + (low >> kernels.LIMB), low & kernels.LOW


def _by_value(partial: Partial) -> Partial:
    return (partial[-1],)


def _unique(rows: Rows, bounds: Ints) -> Partial:
    return (rows.distinct(bounds),)


METRICS = (
    Metric(
        "SUM",
        "Sum",
        _sum,
        _sum_figures,
        _add,
        empty=0,
        additive=True,
        positive_quantity=True,
        gather=_added,
        rank_by=_by_sum,
    ),
    Metric(
        "COUNT",
        "Count",
        _count,
        _count_figures,
        _add,
        empty=0,
        additive=True,
        counts_things=True,
        gather=_added,
        rank_by=_by_value,
    ),
    Metric("MAX", "Maximum", _max, _value_figures, _larger, empty=None, gather=_largest, rank_by=_by_value),
    Metric("MIN", "Minimum", _min, _value_figures, _smaller, empty=None, gather=_smallest, rank_by=_by_value),
    Metric("AVG", "Average", _sum, _average_figures, _add, empty=None, gather=_added),
    Metric("LAST", "Latest", _last, _value_figures, _later, empty=None, rank_by=_by_value),
    Metric(
        "UNIQUE_COUNT",
        "Distinct values",
        _unique,
        _count_figures,
        None,
        empty=0,
        counts_things=True,
        needs_property=True,
        rank_by=_by_value,
    ),
)

plugin = Plugin(name="metrics", metrics=METRICS)
