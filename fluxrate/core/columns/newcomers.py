"""Rows that came since an index was built, held against it: how many of them bring a code that a window lacks.

For each row it is kept where the rows of its code stand next to it in time: the one before it among these rows, and the
two around it in the base. A row brings its code into a window if none of the three lies there, which is three
comparisons and no search, however many codes there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.base import Base
from fluxrate.core.columns.frame import EMPTY, Frame
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.orders import FAR, Order
from fluxrate.core.columns.types import Codes, Ints

Places = NDArray[np.int32]


class Neighbours(NamedTuple):
    """For each row the positions of its code's rows in the base: the last one before it, -1 without any, and the first
    one from its time on, FAR without any.
    """

    before: Places
    after: Places


class Newcomers:
    """The rows beside one base. They must not change; what is known of them is made when first asked for, and goes over
    to the next rows of the same base.
    """

    def __init__(self, held: Base, rows: Frame = EMPTY) -> None:
        self._held = held
        self._rows = rows
        self._neighbours: dict[Key, Neighbours] = {}
        self._orders: dict[Key, Order] = {}

    def are(self, held: Base, rows: Frame) -> bool:
        """Whether these are those rows beside that base."""
        return self._held is held and self._rows is rows

    @cached_property
    def newest(self) -> int:
        """The sequence of the row that arrived last, 0 when there is none."""
        return int(self._rows.seq.max(initial=0))

    @property
    def nbytes(self) -> int:
        """Bytes of what has been made so far beside the rows."""
        known = sum(column.nbytes for pair in list(self._neighbours.values()) for column in pair)
        return known + sum(order.nbytes for order in list(self._orders.values()))

    def with_more(self, added: Frame, rows: Frame, order: Ints) -> Newcomers:
        """These and `added` rows as `rows`, which `order` puts in place: what is known of the former is kept."""
        return self._rearranged(rows, order, added)

    def kept(self, rows: Frame, positions: Ints) -> Newcomers:
        """Only the rows at these positions, as `rows`."""
        return self._rearranged(rows, positions, EMPTY)

    def _rearranged(self, rows: Frame, order: Ints, added: Frame) -> Newcomers:
        fresh = Newcomers(self._held, rows)
        for key, known in list(self._neighbours.items()):
            more = self._found(key, added) if len(added) else ()
            columns = zip(known, more, strict=True) if more else ((column,) for column in known)
            fresh._neighbours[key] = Neighbours(*(np.concatenate(parts)[order] for parts in columns))
        return fresh

    def neighbours(self, key: Key) -> Neighbours:
        """Where the rows of each row's code lie in the base."""
        found = self._neighbours.get(key)
        if found is None:
            found = self._neighbours.setdefault(key, self._found(key, self._rows))
        return found

    def _found(self, key: Key, rows: Frame) -> Neighbours:
        index = self._held.index
        order = index.time.order(key)
        codes = rows.column(key)
        low, high = kernels.runs_of(*order.runs, codes)
        places = kernels.bisect(order.positions, low, high, np.searchsorted(index.frame.ts, rows.ts))
        before, after = np.full((2, len(rows)), -1, np.int32)
        after[:] = FAR
        has, follows = places > low, places < high
        before[has] = order.positions[places[has] - 1]
        after[follows] = order.positions[places[follows]]
        return Neighbours(before, after)

    def previous(self, key: Key) -> Places:
        """For each row the position of its code's row before it among these rows: -1 for a first one, FAR for a missing
        code, which is brought nowhere.
        """
        found = self._orders.get(key)
        if found is None:
            found = self._orders.setdefault(key, Order(self._rows.column(key)))
        return found.previous


class Fresh(NamedTuple):
    """A stretch of newcomers, from a position on: what a window of time leaves of them."""

    rows: Newcomers
    first: int

    def bringing(self, key: Key, bounds: Ints, starts: Ints, ends: Ints, counted: NDArray[np.bool_] | None) -> Ints:
        """How many codes the rows of each cell bring that the base's rows `[start, end)` of the cell do not have.

        `bounds` cut the stretch into the cells, which rise in time as the cells of the base do. `counted` says of the
        rows between the first and the last bound which are looked at at all.
        """
        own = bounds + self.first
        some = slice(int(own[0]), int(own[-1]))
        previous = self.rows.previous(key)[some]
        before, after = (column[some] for column in self.rows.neighbours(key))
        limits = _limits((own[:-1], starts, ends), np.diff(bounds))
        new = (previous < limits[0]) & (before < limits[1]) & (after >= limits[2])
        if counted is not None:
            new &= counted
        if len(starts) == 1:
            return np.array([np.count_nonzero(new)], np.int64)
        return kernels.count_true(new, bounds - bounds[0])


def _limits(of_cells: Sequence[Ints], lengths: Ints) -> list[Codes | np.int32]:
    """The limits of each row's cell; of a single cell they are the same for all."""
    if len(lengths) == 1:
        return [np.int32(column[0]) for column in of_cells]
    return [np.repeat(column.astype(np.int32), lengths) for column in of_cells]
