"""The seven aggregations every meter can have, as metrics: SUM, COUNT, MAX, MIN, AVG, LAST, UNIQUE_COUNT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluxrate.core import amounts
from fluxrate.core.columns import kernels
from fluxrate.core.metric import Ints, Metric, Partial, Rows
from fluxrate.core.model import Number
from fluxrate.plugin import Plugin

AVERAGE_PLACES = 6
"""An average has this many decimal places more than its meter, rounded half-even: a quotient need not end."""

_NONE = -1
"""Stands for "no event" in a partial; quantities and sequences are never negative."""


def _sum(rows: Rows, bounds: Ints) -> Partial:
    return rows.sums(bounds)


def _add(one: Partial, other: Partial) -> Partial:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _whole(high: int, low: int) -> int:
    return (high << kernels.LIMB) + low


def _sum_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    high, low = (limb.tolist() for limb in partial)
    return [amounts.to_number(_whole(h, l), decimals) for h, l in zip(high, low, strict=True)]  # noqa: E741


def _average_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    high, low = (limb.tolist() for limb in partial)
    places = decimals + AVERAGE_PLACES
    return [
        amounts.divide(_whole(h, l), count, decimals, places) if count else None
        for h, l, count in zip(high, low, counts, strict=True)  # noqa: E741
    ]


def _count(rows: Rows, bounds: Ints) -> Partial:
    return (kernels.counts(bounds),)


def _count_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    return list(partial[0].tolist())


def _max(rows: Rows, bounds: Ints) -> Partial:
    return (rows.maxima(bounds, _NONE),)


def _larger(one: Partial, other: Partial) -> Partial:
    return (np.maximum(one[0], other[0]),)


_BEYOND = np.iinfo(np.int64).max


def _min(rows: Rows, bounds: Ints) -> Partial:
    return (rows.minima(bounds, int(_BEYOND)),)


def _smaller(one: Partial, other: Partial) -> Partial:
    return (np.minimum(one[0], other[0]),)


def _last(rows: Rows, bounds: Ints) -> Partial:
    return tuple(kernels.lasts(column, bounds, _NONE) for column in (rows.ts, rows.seq, rows.quantity))


def _later(one: Partial, other: Partial) -> Partial:
    # An empty bucket has sequence -1. Its time says nothing: an event before 1970 cannot be stored, so -1 is before
    # all.
    newer = (other[0] > one[0]) | ((other[0] == one[0]) & (other[1] > one[1]))
    return tuple(np.where(newer, b, a) for a, b in zip(one, other, strict=True))


def _value_figures(partial: Partial, counts: Sequence[int], decimals: int) -> list[Number | None]:
    values = partial[-1].tolist()
    return [amounts.to_number(value, decimals) if count else None for value, count in zip(values, counts, strict=True)]


def _unique(rows: Rows, bounds: Ints) -> Partial:
    return (rows.distinct(bounds),)


METRICS = (
    Metric("SUM", "Sum", _sum, _sum_figures, _add, empty=0, additive=True, positive_quantity=True),
    Metric("COUNT", "Count", _count, _count_figures, _add, empty=0, additive=True, counts_things=True),
    Metric("MAX", "Maximum", _max, _value_figures, _larger, empty=None),
    Metric("MIN", "Minimum", _min, _value_figures, _smaller, empty=None),
    Metric("AVG", "Average", _sum, _average_figures, _add, empty=None),
    Metric("LAST", "Latest", _last, _value_figures, _later, empty=None),
    Metric(
        "UNIQUE_COUNT",
        "Distinct values",
        _unique,
        _count_figures,
        None,
        empty=0,
        counts_things=True,
        needs_property=True,
    ),
)

plugin = Plugin(name="metrics", metrics=METRICS)
