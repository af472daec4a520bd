"""The order of rows by a column of codes: what one code's rows are, and how many codes a window has, without a scan.

Rows stand in order of time, so within one code their positions rise, and a window is two binary searches. The number of
distinct codes of `[i, j)` is the number of its rows whose code's previous row lies before i: previous positions are
kept sorted within blocks, full blocks answer by binary search, and only the two ragged ends are scanned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.types import MISSING, Codes, Ints

BLOCK = 65_536
"""Rows of a block of sorted previous positions."""

_FAR = np.iinfo(np.int32).max
_WORTH_BLOCKS = 2 * BLOCK


class Order:
    """One column's order. The column must not change; parts are built on first use, twice at once does no harm."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    @cached_property
    def positions(self) -> NDArray[np.int32]:
        """Positions of the rows by (code, time)."""
        return kernels.order(self.codes).astype(np.int32)

    @cached_property
    def runs(self) -> tuple[Codes, Ints]:
        """The codes there are, rising, and where in `positions` each begins (one more for the end)."""
        ordered = self.codes[self.positions]
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        starts = np.concatenate(([0], changes)) if len(ordered) else changes
        return ordered[starts], np.append(starts, len(ordered)).astype(np.int64)

    @cached_property
    def previous(self) -> NDArray[np.int32]:
        """For each row the position of its code's row before it: -1 for a first one, beyond all for a missing code."""
        found = np.empty(len(self.codes), np.int32)
        codes, starts = self.runs
        found[self.positions[1:]] = self.positions[:-1]
        found[self.positions[starts[:-1]]] = -1
        if len(codes) and codes[0] == MISSING:
            found[self.positions[: starts[1]]] = _FAR
        return found

    @cached_property
    def _sorted_blocks(self) -> NDArray[np.int32]:
        blocks = len(self.codes) // BLOCK
        return np.sort(self.previous[: blocks * BLOCK].reshape(blocks, BLOCK), axis=1)

    def prepare(self) -> None:
        """Build everything, so that the first question does not wait."""
        _ = self.runs, self._sorted_blocks

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct codes per bucket of positions; missing ones do not count."""
        lengths = np.diff(bounds)
        if len(lengths) and lengths.mean() > _WORTH_BLOCKS:
            pairs = zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
            return np.array([self._distinct(first, last) for first, last in pairs], np.int64)
        first, last = int(bounds[0]), int(bounds[-1])
        starts = np.repeat(bounds[:-1].astype(np.int32), lengths)
        new = self.previous[first:last] < starts
        return kernels.reduce_buckets(np.add, new.astype(np.int64), bounds - first, 0)

    def _distinct(self, first: int, last: int) -> int:
        head, tail = -(-first // BLOCK), last // BLOCK
        if tail <= head:
            return int(np.count_nonzero(self.previous[first:last] < first))
        # An int of Python's would be searched as int64, and every block copied to that type.
        bound = np.int32(first)
        ragged = np.count_nonzero(self.previous[first : head * BLOCK] < first)
        ragged += np.count_nonzero(self.previous[tail * BLOCK : last] < first)
        return int(ragged) + sum(int(np.searchsorted(block, bound)) for block in self._sorted_blocks[head:tail])

    def rows_of(self, codes: Sequence[int], first: int, last: int) -> NDArray[np.int32]:
        """Positions in `[first, last)` of the rows that have one of the codes, in order of time."""
        known, starts = self.runs
        found = []
        for code in codes:
            place = int(np.searchsorted(known, code))
            if place < len(known) and known[place] == code:
                run = self.positions[starts[place] : starts[place + 1]]
                a, b = np.searchsorted(run, np.array((first, last), np.int32))
                found.append(run[a:b])
        if len(found) == 1:
            return found[0]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int32)

    def present(self, codes: Codes, first: int, last: int) -> int:
        """How many of these distinct codes have a row in `[first, last)`."""
        known = self.runs[0]
        ranks = np.searchsorted(known, codes)
        inside = ranks < len(known)
        ranks, codes = ranks[inside], codes[inside]
        ranks = ranks[known[ranks] == codes]
        return int(np.count_nonzero(self.places(last, ranks) > self.places(first, ranks)))

    def places(self, position: int, ranks: Ints | None = None) -> Ints:
        """For every code (or those at these ranks) where in `positions` its rows from `position` on begin.

        All runs are bisected together.
        """
        starts = self.runs[1]
        low, high = starts[:-1].copy(), starts[1:].copy()
        if ranks is not None:
            low, high = low[ranks], high[ranks]
        while (open_ := np.flatnonzero(low < high)).size:
            middle = (low[open_] + high[open_]) >> 1
            before = self.positions[middle] < position
            low[open_] = np.where(before, middle + 1, low[open_])
            high[open_] = np.where(before, high[open_], middle)
        return low
