"""A frame's quantities in order of size within blocks: how many are below a bound, which, and what they come to.

Each block of 65,536 rows keeps the order of its rows by quantity (two bytes a row) and running totals along it, every
few places and always in two limbs. A bound is searched for in all blocks at once. (One order of all rows was weighed:
it answers for the whole frame only, and a window is what is asked about.)
"""

from __future__ import annotations

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.types import Codes, Ints

BLOCK = 1 << 16
"""Rows of a block: as many as two bytes tell apart."""
STEP = 64
"""Places between two kept totals; those between are added up when asked."""

_BITS = 16
_PACKED = 1 << (62 - _BITS)
"""Below this a quantity and its place in the block fit one integer, and numpy sorts integers several times faster than
it gives their order.
"""


class Sizes:
    """The quantities of one frame, which must not change, by size within blocks."""

    def __init__(self, quantity: Ints, block: int = BLOCK, step: int = STEP) -> None:
        self.quantity = quantity
        self.block, self._step = block, step
        blocks = -(-len(quantity) // block)
        self._order = np.empty(len(quantity), np.uint16)
        self._high, self._low = (np.zeros((blocks, -(-block // step) + 1), np.int64) for _ in range(2))
        for number in range(blocks):
            self._add(number, quantity[number * block : (number + 1) * block])

    def _add(self, block: int, values: Ints) -> None:
        order = _order(values)
        self._order[block * self.block : block * self.block + len(values)] = order
        values = values[order]
        starts = np.arange(0, len(values), self._step)
        for kept, part in ((self._high, values >> kernels.LIMB), (self._low, values & kernels.LOW)):
            np.cumsum(np.add.reduceat(part, starts), out=kept[block, 1 : len(starts) + 1])

    @property
    def nbytes(self) -> int:
        """Bytes held beside the frame."""
        return self._order.nbytes + self._high.nbytes + self._low.nbytes

    def below(self, blocks: Ints, bound: int) -> Ints:
        """For each of these blocks how many of its quantities are below the bound."""
        lengths = np.minimum((blocks + 1) * self.block, len(self.quantity)) - blocks * self.block
        if bound > kernels.MOST:
            return lengths
        low, high = np.zeros(len(blocks), np.int64), lengths.copy()
        while (open_ := np.flatnonzero(low < high)).size:
            middle = (low[open_] + high[open_]) >> 1
            under = self.at(blocks[open_], middle) < bound
            low[open_] = np.where(under, middle + 1, low[open_])
            high[open_] = np.where(under, high[open_], middle)
        return low

    def at(self, blocks: Ints, ranks: Ints) -> Ints:
        """The quantity of each rank (from the smallest) of its block."""
        found: Ints = self.quantity[blocks * self.block + self._order[blocks * self.block + ranks]]
        return found

    def positions(self, block: int, first: int, last: int) -> Ints:
        """Positions in the frame of the rows between two ranks of a block, rising."""
        return (
            np.sort(self._order[block * self.block + first : block * self.block + last]).astype(np.int64)
            + block * self.block
        )

    def of_block(self, column: Codes, block: int, first: int, last: int) -> Codes:
        """Another column's values of the rows between two ranks of a block, by size."""
        start = block * self.block
        # Places are never beyond the block, and numpy takes them faster when it need not raise.
        return column[start : start + self.block].take(self._order[start + first : start + last], mode="clip")

    def total(self, blocks: Ints, firsts: Ints, lasts: Ints) -> int:
        """The exact sum of the quantities between two ranks of each block."""
        return self._total_before(blocks, lasts) - self._total_before(blocks, firsts)

    def _total_before(self, blocks: Ints, ranks: Ints) -> int:
        step = ranks // self._step
        between = (step * self._step)[:, None] + np.arange(self._step)
        inside = between < ranks[:, None]
        # A place beyond the rank looks at the first one again and counts as nothing.
        values = self.at(blocks[:, None], np.where(inside, between, 0)) * inside
        high = int(self._high[blocks, step].sum()) + int((values >> kernels.LIMB).sum())
        low = int(self._low[blocks, step].sum()) + int((values & kernels.LOW).sum())
        return (high << kernels.LIMB) + low


def _order(values: Ints) -> Ints:
    """The order of a block's values by size; which of equal ones is first does not matter."""
    if int(values.max(initial=0)) >= _PACKED:
        return np.argsort(values)
    packed = (values << _BITS) | np.arange(len(values))
    packed.sort()
    return packed & (BLOCK - 1)
