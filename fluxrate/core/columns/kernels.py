"""Grouped arithmetic on sorted columns: every kernel takes values and bounds, and gives one result per bucket.

`bounds` are positions of length B + 1, never falling; bucket b is `values[bounds[b]:bounds[b + 1]]` and may be
empty. All results are exact: sums come in two limbs, because int64 wraps without a word and float64 forgets past 2^53.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.keys import halves
from fluxrate.core.columns.types import MISSING, Codes, Ints

LIMB = 32
"""Bits of the low limb of a sum: a sum is `(high << LIMB) + low`, each limb an int64 far from its edge."""

LOW = (1 << LIMB) - 1
_HALF_CODE = (1 << 16) - 1
_FEW_SEARCHES = 128
_TOGETHER = 16_384
"""Ranges whose ends are looked at in one step: bounds the memory of a question about very many."""
MOST = (1 << 63) - 1
"""The largest quantity there can be: what the minimum of nothing is."""

LEAST = -1
"""Less than any quantity: what the maximum of nothing is."""


def counts(bounds: Ints) -> Ints:
    """Rows per bucket."""
    return np.diff(bounds)


def sums(values: Ints, bounds: Ints) -> tuple[Ints, Ints]:
    """Exact sum per bucket as (high, low) limbs."""
    window = values[bounds[0] : bounds[-1]] if len(values) else values
    if int(window.max(initial=0)) * len(window) <= MOST:
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


def count_true(mask: NDArray[np.bool_], bounds: Ints) -> Ints:
    """How many are true per bucket: bits are counted by words, and bounds look at one word each."""
    words = np.zeros(len(mask) // 64 + 1, np.uint64)
    packed = np.packbits(mask, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    before = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.bitwise_count(words), out=before[1:], dtype=np.int64)
    at, bit = bounds >> 6, (bounds & 63).astype(np.uint64)
    inside = np.bitwise_count(words[at] & ((np.uint64(1) << bit) - np.uint64(1)))
    found: Ints = np.diff(before[at] + inside)
    return found


def _previous(codes: Codes) -> Ints:
    """For each row the position of the row before it with the same code, -1 where it is the first."""
    by_code = order(codes)
    ordered = codes[by_code]
    previous = np.full(len(codes), -1, np.int64)
    repeats = np.flatnonzero(ordered[1:] == ordered[:-1])
    previous[by_code[repeats + 1]] = by_code[repeats]
    return previous


def order(codes: Codes) -> Ints:
    """The stable order by code: by radix, 16 bits at a time, several times faster than the comparison sort."""
    if codes.dtype == np.int64:
        first, second = halves(codes)
        by_second = order(second)
        return by_second[order(first[by_second])]
    if not len(codes) or int(codes.min()) < MISSING:
        return np.argsort(codes, kind="stable")
    # The missing code, -1, becomes 0 and stays the first.
    shifted = codes.astype(np.uint32) + np.uint32(1)
    by_low = np.argsort((shifted & np.uint32(_HALF_CODE)).astype(np.uint16), kind="stable")
    if int(shifted.max()) <= _HALF_CODE:
        return by_low
    high = (shifted >> np.uint32(16)).astype(np.uint16)
    found: Ints = by_low[np.argsort(high[by_low], kind="stable")]
    return found


def runs_of(known: Codes, starts: Ints, codes: Codes) -> tuple[Ints, Ints]:
    """Where each code's rows begin and end, given the codes there are and where they start (one more for the end); an
    empty range where a code would stand that has none.
    """
    ranks = np.searchsorted(known, codes)
    has = np.zeros(len(codes), np.bool_)
    inside = ranks < len(known)
    has[inside] = known[ranks[inside]] == codes[inside]
    low = starts[ranks]
    return low, np.where(has, starts[np.minimum(ranks + 1, len(known))], low)


def lacks(column: Codes, codes: Codes) -> NDArray[np.bool_]:
    """Which rows have none of the codes, by a table where codes are small: several times faster than a search."""
    if column.dtype != np.int32 or not len(codes) or not len(column):
        return ~np.isin(column, codes)
    # The last place of the table stands for the missing code, -1.
    table = np.ones(max(int(column.max()), int(codes.max())) + 2, np.bool_)
    table[codes] = False
    return table[column]


def without(positions: NDArray[Any], left_out: Ints) -> NDArray[Any]:
    """Rising positions but those that are left out, which rise, too: several times faster than a test of each one."""
    if not len(left_out) or not len(positions):
        return positions
    places = np.searchsorted(positions, left_out.astype(positions.dtype))
    places = np.minimum(places, len(positions) - 1)
    return np.delete(positions, places[positions[places] == left_out])


def merged(one: Ints, other: Ints) -> Ints:
    """Two rising arrays that have nothing in common as one; `np.union1d` hashes them, a second for each million."""
    if not len(one) or not len(other):
        return one if len(one) else other
    return np.sort(np.concatenate((one, other)), kind="stable")


def ranges(starts: Ints, ends: Ints) -> Ints:
    """All places of the ranges one after another."""
    lengths = ends - starts
    shift = starts - np.cumsum(lengths) + lengths
    return np.repeat(shift, lengths) + np.arange(int(lengths.sum()))


def groups(codes: Codes) -> tuple[Ints, Codes, Ints]:
    """Rows grouped by code: the stable order that does it, the codes in order, and the bounds of their groups."""
    by_code = order(codes)
    ordered = codes[by_code]
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts = np.concatenate(([0], changes)) if len(ordered) else changes
    return by_code, ordered[starts], np.append(starts, len(ordered)).astype(np.int64)


def bisect(values: NDArray[Any], low: Ints, high: Ints, targets: Ints) -> Ints:
    """For each search the first place in `[low, high)` whose value is not below its target, `high` if there is none.

    Values rise within each range. All searches go on together, one vectorised step for each halving; a few are done
    before numpy has begun.
    """
    if len(targets) <= _FEW_SEARCHES:
        view, each = values.data, zip(targets.tolist(), low.tolist(), high.tolist(), strict=True)
        return np.array([bisect_left(view, target, begin, max(begin, end)) for target, begin, end in each], np.int64)
    low, high = low.copy(), high.copy()
    targets = targets.astype(values.dtype, copy=False)
    # Windows often begin before everything or end after it: such searches are over at once.
    open_ = np.flatnonzero(low < high)
    early = open_[values[low[open_]] >= targets[open_]]
    high[early] = low[early]
    late = open_[values[high[open_] - 1] < targets[open_]]
    late = late[low[late] < high[late]]
    low[late] = high[late]
    while (open_ := np.flatnonzero(low < high)).size:
        middle = (low[open_] + high[open_]) >> 1
        below = values[middle] < targets[open_]
        low[open_] = np.where(below, middle + 1, low[open_])
        high[open_] = np.where(below, high[open_], middle)
    return low


def extremes(
    ufunc: np.ufunc,
    quantities: Callable[[Ints], Ints],
    blocks: Ints,
    cells: tuple[Ints, Ints],
    identity: int,
    block: int,
) -> Ints:
    """The ufunc over each cell of places `[start, end)`, `identity` where it is empty: whole blocks from `blocks`, the
    two ragged ends of a cell looked at.

    `quantities` gives the values at places, `blocks` the ufunc over every whole block of so many places.
    """
    starts, ends = cells
    head, tail = -(-starts // block), ends // block
    inner = np.minimum(head * block, ends)
    left = _ends(ufunc, quantities, starts, inner, identity, block)
    right = _ends(ufunc, quantities, np.maximum(tail * block, inner), ends, identity, block)
    found: Ints = ufunc(left, right)
    filled = np.flatnonzero(tail > head)
    if filled.size:
        pairs = np.column_stack((head[filled], tail[filled])).ravel()
        padded = np.append(blocks, identity)
        found[filled] = ufunc(found[filled], ufunc.reduceat(padded, pairs)[::2])
    return found


def _ends(
    ufunc: np.ufunc, quantities: Callable[[Ints], Ints], starts: Ints, ends: Ints, identity: int, block: int
) -> Ints:
    """The ufunc over ranges of less than a block."""
    out = np.full(len(starts), identity, np.int64)
    every = np.flatnonzero(ends > starts)
    for some in np.split(every, range(_TOGETHER, len(every), _TOGETHER)):
        if some.size:
            # What lies beyond a range's end looks at its first place again, which changes no extreme.
            places = starts[some, None] + np.arange(int((ends - starts)[some].max()))
            places = np.where(places < ends[some, None], places, starts[some, None])
            out[some] = ufunc.reduce(quantities(places), axis=1)
    return out


def reduce_buckets(ufunc: np.ufunc, values: Ints, bounds: Ints, empty: int) -> Ints:
    """The ufunc over each bucket, `empty` where there is no row."""
    # reduceat gives an empty bucket its neighbour's first value and refuses a start at the very end: it is asked about
    # filled buckets only, which lie one after another.
    filled = bounds[1:] > bounds[:-1]
    out: NDArray[Any] = np.full(len(filled), empty, np.int64)
    if filled.any():
        out[filled] = ufunc.reduceat(values[: bounds[-1]], bounds[:-1][filled])
    return out
