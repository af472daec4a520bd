"""Rows of a frame at any positions, as metrics read them: each column of them is made when it is read, and once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.cut import Columns
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.types import Codes, Ints


class Loose(Columns):
    """The rows at `positions`, which rise."""

    def __init__(self, frame: Frame, positions: NDArray[np.signedinteger], quantity: Ints | None = None) -> None:
        """`quantity` are those of the rows, where they were read already."""
        self._whole, self._positions = frame, positions
        if quantity is not None:
            self._quantity = quantity

    def __len__(self) -> int:
        return len(self._positions)

    @cached_property
    def _frame(self) -> Frame:
        return self._whole.take(self._positions)

    @property
    def frame(self) -> Frame:
        """The rows themselves."""
        return self._frame

    @cached_property
    def _quantity(self) -> Ints:
        found: Ints = self._whole.quantity[self._positions]
        return found

    @property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit."""
        return self._quantity

    def codes(self, key: Key) -> Iterator[Codes]:
        """The codes of a key, in pieces."""
        yield self._whole.at(self._positions).column(key)

    @property
    def bounds(self) -> Ints:
        """All rows as one bucket."""
        return np.array((0, len(self)), np.int64)

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as limbs."""
        return kernels.sums(self.quantity, bounds)

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity per bucket; `kernels.LEAST` where there is no row."""
        return kernels.maxima(self.quantity, bounds, kernels.LEAST)

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity per bucket; `kernels.MOST` where there is no row."""
        return kernels.minima(self.quantity, bounds, kernels.MOST)

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row per bucket; -1 where there is none."""
        filled = bounds[1:] > bounds[:-1]
        last = self._positions[bounds[1:][filled] - 1]
        out = np.full((3, len(filled)), -1, np.int64)
        for row, column in zip(out, (self._whole.ts, self._whole.seq, self._whole.quantity), strict=True):
            row[filled] = column[last]
        return out[0], out[1], out[2]

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        return self.frame.distinct(bounds)
