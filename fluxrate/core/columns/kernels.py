"""Grouped arithmetic on sorted columns: every kernel takes values and bounds, and gives one result per bucket.

`bounds` are positions of length B + 1, never falling; bucket b is `values[bounds[b]:bounds[b + 1]]` and may be empty. All
results are exact: sums come in two limbs, because int64 wraps without a word and float64 forgets past 2^53.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.frame import Codes, Ints

LIMB = 32
"""Bits of the low limb of a sum: a sum is `(high << LIMB) + low`, each limb an int64 far from its edge."""

_LOW = (1 << LIMB) - 1
_INT64 = (1 << 63) - 1
_TABLE_CELLS = 32_000_000


def counts(bounds: Ints) -> Ints:
    """Rows per bucket."""
    return np.diff(bounds)


def sums(values: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """Exact sum per bucket as (high, low) limbs."""
    window = values[bounds[0] : bounds[-1]] if len(values) else values
    if int(window.max(initial=0)) * len(window) <= _INT64:
        whole = _reduce(np.add, values, bounds, 0)
        return whole >> LIMB, whole & _LOW
    return _reduce(np.add, values >> LIMB, bounds, 0), _reduce(np.add, values & _LOW, bounds, 0)


def maxima(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Largest value per bucket, `empty` where there is none."""
    return _reduce(np.maximum, values, bounds, empty)


def minima(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Smallest value per bucket, `empty` where there is none."""
    return _reduce(np.minimum, values, bounds, empty)


def lasts(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Value of the last row per bucket, `empty` where there is none."""
    filled = bounds[1:] > bounds[:-1]
    out = np.full(len(filled), empty, np.int64)
    out[filled] = values[bounds[1:][filled] - 1]
    return out


def distinct(codes: Codes, bounds: Ints) -> Ints:
    """Distinct codes per bucket; negative codes do not count.

    A table of buckets by codes is filled in one pass where it stays small; else the pairs are sorted.
    """
    buckets = len(bounds) - 1
    codes = codes[bounds[0] : bounds[-1]] if len(codes) else codes
    known = codes >= 0
    owner = np.repeat(np.arange(buckets, dtype=np.int64), np.diff(bounds))
    if not known.all():
        codes, owner = codes[known], owner[known]
    if not len(codes):
        return np.zeros(buckets, np.int64)
    width = int(codes.max()) + 1
    if buckets * width <= max(_TABLE_CELLS, 8 * len(codes)):
        table = np.zeros(buckets * width, np.bool_)
        table[owner * width + codes] = True
        return np.count_nonzero(table.reshape(buckets, width), axis=1).astype(np.int64)
    pairs = np.unique(owner * width + codes)
    return np.bincount(pairs // width, minlength=buckets).astype(np.int64)


def groups(codes: Codes) -> tuple[Ints, Codes, Ints]:
    """Rows grouped by code: the stable order that does it, the codes in order, and the bounds of their groups.

    Codes of 16 bits are sorted by radix, several times faster than the comparison sort that 32 bits get.
    """
    narrow = codes.astype(np.int16) if len(codes) and int(codes.max()) < 1 << 15 else codes
    order = np.argsort(narrow, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else np.empty(0, int)
    return order, ordered[starts], np.append(starts, len(ordered)).astype(np.int64)


def _reduce(ufunc: np.ufunc, values: Ints, bounds: Ints, empty: int) -> Ints:
    # reduceat gives an empty bucket its neighbour's first value and refuses a start at the very end: it is asked about
    # filled buckets only, which lie one after another.
    filled = bounds[1:] > bounds[:-1]
    out: NDArray[Any] = np.full(len(filled), empty, np.int64)
    if filled.any():
        out[filled] = ufunc.reduceat(values[: bounds[-1]], bounds[:-1][filled])
    return out
