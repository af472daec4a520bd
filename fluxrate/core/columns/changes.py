"""How rows that stand in order become others: some come in between, or some are left out. What was worked out of the
former rows goes over, so that nobody sorts or searches again for rows that were there before.

Within a code, and in any layout by codes, rows keep their order of time. So a change of the rows is one of every order
of them, too, only at other places.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.types import Codes, Ints

_NONE: Ints = np.empty(0, np.int64)


class Growth:
    """Rows that come in before the places `at` of `size` former ones; `at` never falls. `rows` are the positions of
    those that come in among all rows, in the order of this layout: those of the places, where none are given.
    """

    def __init__(self, at: Ints, size: int, rows: Ints | None = None) -> None:
        self._at, self._size = at, size
        self._places: Ints = at + np.arange(len(at))
        self.rows: Ints = self._places if rows is None else rows

    @cached_property
    def _kept(self) -> NDArray[np.bool_]:
        kept = np.ones(self._size + len(self._at), np.bool_)
        kept[self._places] = False
        return kept

    @cached_property
    def _moved(self) -> NDArray[np.int32]:
        """The place of each former row."""
        return np.flatnonzero(self._kept).astype(np.int32)

    def column(self, former: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
        """A column of the former rows, with the values of those that came in."""
        found = np.empty(len(self._kept), former.dtype)
        found[self._places] = more
        found[self._kept] = former
        return found

    def order(self, former: Order, codes: Codes) -> tuple[Order, Growth]:
        """The order of a column from that of the former rows, and how it has changed itself."""
        added = codes[self._places]
        by_code = kernels.order(added)
        # A row stands before those of its code that it comes in before.
        at = former.places(added[by_code], self._at[by_code])
        change = Growth(at, self._size, self.rows[by_code])
        found = Order(codes)
        found.positions = change.column(self._moved[former.positions], self._places[by_code]).astype(
            np.int32, copy=False
        )
        return found, change


class Loss:
    """Former rows of which only those that `kept` marks are left."""

    def __init__(self, kept: NDArray[np.bool_]) -> None:
        self.kept = kept
        self.rows = _NONE

    @cached_property
    def _moved(self) -> NDArray[np.int32]:
        """The place of each former row that is left."""
        return (np.cumsum(self.kept) - 1).astype(np.int32)

    def column(self, former: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
        """A column without the values of the rows that are gone; nothing comes in."""
        return former[self.kept]

    def order(self, former: Order, codes: Codes) -> tuple[Order, Loss]:
        """The order of a column from that of the former rows, and how it has changed itself."""
        change = Loss(self.kept[former.positions])
        found = Order(codes)
        found.positions = self._moved[former.positions[change.kept]]
        return found, change


Change = Growth | Loss
