"""Grouped arithmetic on sorted columns: every kernel takes values and bounds, and gives one result per bucket.

`bounds` are positions of length B + 1, never falling; bucket b is `values[bounds[b]:bounds[b + 1]]` and may be
empty. All results are exact: sums come in two limbs, because int64 wraps without a word and float64 forgets past 2^53.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.types import Codes, Ints

LIMB = 32
"""Bits of the low limb of a sum: a sum is `(high << LIMB) + low`, each limb an int64 far from its edge."""

LOW = (1 << LIMB) - 1
INT64 = (1 << 63) - 1


def counts(bounds: Ints) -> Ints:
    """Rows per bucket."""
    return np.diff(bounds)


def sums(values: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """Exact sum per bucket as (high, low) limbs."""
    window = values[bounds[0] : bounds[-1]] if len(values) else values
    if int(window.max(initial=0)) * len(window) <= INT64:
        whole = reduce_buckets(np.add, values, bounds, 0)
        return whole >> LIMB, whole & LOW
    return reduce_buckets(np.add, values >> LIMB, bounds, 0), reduce_buckets(np.add, values & LOW, bounds, 0)


def maxima(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Largest value per bucket, `empty` where there is none."""
    return reduce_buckets(np.maximum, values, bounds, empty)


def minima(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Smallest value per bucket, `empty` where there is none."""
    return reduce_buckets(np.minimum, values, bounds, empty)


def lasts(values: Ints, bounds: Ints, empty: int) -> Ints:
    """Value of the last row per bucket, `empty` where there is none."""
    filled = bounds[1:] > bounds[:-1]
    out = np.full(len(filled), empty, np.int64)
    out[filled] = values[bounds[1:][filled] - 1]
    return out


def distinct(codes: Codes, bounds: Ints) -> Ints:
    """Distinct codes per bucket; negative codes do not count.

    A row counts when the row before it with the same code lies in an earlier bucket, so the cost does not grow with the
    number of buckets or codes.
    """
    first, last = int(bounds[0]), int(bounds[-1])
    codes = codes[first:last]
    if len(bounds) == 2:
        return np.array([np.count_nonzero(np.bincount(codes[codes >= 0]))], np.int64)
    starts = np.repeat(bounds[:-1] - first, np.diff(bounds))
    new = (_previous(codes) < starts) & (codes >= 0)
    return reduce_buckets(np.add, new.astype(np.int64), bounds - first, 0)


def _previous(codes: Codes) -> Ints:
    """For each row the position of the row before it with the same code, -1 where it is the first."""
    by_code = order(codes)
    ordered = codes[by_code]
    previous = np.full(len(codes), -1, np.int64)
    repeats = np.flatnonzero(ordered[1:] == ordered[:-1])
    previous[by_code[repeats + 1]] = by_code[repeats]
    return previous


def order(codes: Codes) -> Ints:
    """The stable order by code. Codes of 16 bits are sorted by radix, several times faster than the comparison sort."""
    if len(codes) and int(codes.min()) >= -1 and int(codes.max()) < (1 << 16) - 1:
        return np.argsort((codes + 1).astype(np.uint16), kind="stable")
    return np.argsort(codes, kind="stable")


def groups(codes: Codes) -> tuple[Ints, Codes, Ints]:
    """Rows grouped by code: the stable order that does it, the codes in order, and the bounds of their groups."""
    by_code = order(codes)
    ordered = codes[by_code]
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate(([0], changes)) if len(ordered) else changes
    return by_code, ordered[starts], np.append(starts, len(ordered)).astype(np.int64)


def reduce_buckets(ufunc: np.ufunc, values: Ints, bounds: Ints, empty: int) -> Ints:
    """The ufunc over each bucket, `empty` where there is no row."""
    # reduceat gives an empty bucket its neighbour's first value and refuses a start at the very end: it is asked about
    # filled buckets only, which lie one after another.
    filled = bounds[1:] > bounds[:-1]
    out: NDArray[Any] = np.full(len(filled), empty, np.int64)
    if filled.any():
        out[filled] = ufunc.reduceat(values[: bounds[-1]], bounds[:-1][filled])
    return out
