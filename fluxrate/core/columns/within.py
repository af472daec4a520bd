"""The rows of a window whose quantity lies between two bounds, found by the order of sizes: a page of events picks from
them, and metrics read them as one cell.

Only blocks that the window cuts, or in which rows are left out, are scanned.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.cut import Columns
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.sizes import Sizes
from fluxrate.core.columns.types import Codes, Ints


class Within(Columns):
    """The rows between the two positions of `window` whose quantity is from the one to the other of `bounds`, without
    those `left_out`, which rise. Columns are made only when a metric asks for them.
    """

    def __init__(self, frame: Frame, sizes: Sizes, window: tuple[int, int], bounds: tuple[int, int], left_out: Ints):
        self._whole, self._sizes, self._block = frame, sizes, sizes.block
        self._first, self._last = window
        self._least, self._most = max(bounds[0], 0), min(bounds[1], kernels.MOST)
        self._left_out = left_out[slice(*np.searchsorted(left_out, window))]
        self._blocks = np.arange(
            self._first // self._block, -(-self._last // self._block) if self._last > self._first else 0
        )
        self._listed: dict[int, Ints] = {}
        scanned = np.isin(self._blocks, self._scanned_blocks())
        inner = self._blocks[~scanned]
        self._inner = inner, sizes.below(inner, self._least), sizes.below(inner, self._most + 1)
        self._inner[2][:] = np.maximum(self._inner[1], self._inner[2])
        counts = np.zeros(len(self._blocks), np.int64)
        counts[~scanned] = self._inner[2] - self._inner[1]
        counts[scanned] = [len(self._scan(block)) for block in self._blocks[scanned].tolist()]
        self._scanned = self._blocks[scanned].tolist()
        self._counts: Ints = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))

    def __len__(self) -> int:
        return int(self._counts[-1])

    def _scanned_blocks(self) -> Ints:
        """The blocks that the window cuts, or in which a row is left out."""
        cut = [
            edge // self._block for edge in (self._first, self._last) if edge % self._block and edge != len(self._whole)
        ]
        return np.concatenate((np.array(cut, np.int64), self._left_out // self._block))

    def _scan(self, block: int) -> Ints:
        start, stop = max(block * self._block, self._first), min((block + 1) * self._block, self._last)
        values = self._sizes.quantity[start:stop]
        mask = (values >= self._least) & (values <= self._most)
        mask[self._left_out[slice(*np.searchsorted(self._left_out, (start, stop)))] - start] = False
        found = self._listed[block] = np.flatnonzero(mask) + start
        return found

    def _of_block(self, place: int) -> Ints:
        """Positions of the rows of the place-th block of the window, rising; kept, because a page asks again."""
        block = int(self._blocks[place])
        if block not in self._listed:
            blocks, firsts, lasts = self._inner
            at = int(np.searchsorted(blocks, block))
            self._listed[block] = self._sizes.positions(block, int(firsts[at]), int(lasts[at]))
        return self._listed[block]

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""
        if not len(self._blocks) or position <= self._first:
            return 0
        if position >= self._last:
            return len(self)
        place = position // self._block - int(self._blocks[0])
        return int(self._counts[place]) + int(np.searchsorted(self._of_block(place), position))

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""
        low, high = max(first, self._first), min(last, self._last)
        if low >= high:
            return np.empty(0, np.int64)
        start = int(self._blocks[0])
        places = np.arange(low // self._block - start, -(-high // self._block) - start)
        filled = places[self._counts[places + 1] > self._counts[places]]
        found = np.concatenate([np.empty(0, np.int64), *(self._of_block(place) for place in filled.tolist())])
        return found[slice(*np.searchsorted(found, (low, high)))]

    @cached_property
    def _frame(self) -> Frame:
        return self._whole.take(self.between(self._first, self._last))

    @property
    def frame(self) -> Frame:
        """The rows themselves."""
        return self._frame

    def codes(self, key: Key) -> Iterator[Codes]:
        """The codes of a key, in pieces and in no order."""
        column = self._whole.column(key)
        for block, first, last in zip(*(part.tolist() for part in self._inner), strict=True):
            if last > first:
                yield self._sizes.of_block(column, block, first, last)
        for block in self._scanned:
            yield column[self._listed[block]]

    @property
    def bounds(self) -> Ints:
        """All rows as one bucket."""
        return np.array((0, len(self)), np.int64)

    def _is_whole(self, bounds: Ints) -> bool:
        return len(bounds) == 2 and int(bounds[0]) == 0 and int(bounds[1]) == len(self)

    @cached_property
    def _quantities_scanned(self) -> Ints:
        listed = [self._listed[block] for block in self._scanned]
        found: Ints = self._sizes.quantity[np.concatenate([np.empty(0, np.int64), *listed])]
        return found

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as limbs."""
        if not self._is_whole(bounds):
            return self.frame.sums(bounds)
        scanned = self._quantities_scanned
        high, low = int((scanned >> kernels.LIMB).sum()), int((scanned & kernels.LOW).sum())
        whole = self._sizes.total(*self._inner) + (high << kernels.LIMB) + low
        return np.array([whole >> kernels.LIMB]), np.array([whole & kernels.LOW])

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity per bucket; `kernels.LEAST` where there is no row."""
        if not self._is_whole(bounds):
            return self.frame.maxima(bounds)
        blocks, firsts, lasts = self._inner
        filled = lasts > firsts
        found = np.concatenate((self._sizes.at(blocks[filled], lasts[filled] - 1), self._quantities_scanned))
        return np.array([found.max(initial=kernels.LEAST)])

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity per bucket; `kernels.MOST` where there is no row."""
        if not self._is_whole(bounds):
            return self.frame.minima(bounds)
        blocks, firsts, lasts = self._inner
        filled = lasts > firsts
        found = np.concatenate((self._sizes.at(blocks[filled], firsts[filled]), self._quantities_scanned))
        return np.array([found.min(initial=kernels.MOST)])

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row per bucket; -1 where there is none."""
        if not self._is_whole(bounds):
            return self.frame.lasts(bounds)
        filled = np.flatnonzero(np.diff(self._counts))
        if not len(filled):
            return (np.array([-1]),) * 3
        last = self._of_block(int(filled[-1]))[-1:]
        return self._whole.ts[last], self._whole.seq[last], self._whole.quantity[last]

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        return self.frame.distinct(bounds)
