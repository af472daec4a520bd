"""Rows as metrics read them, answered from the indexes of an arrangement: `Cut` for cells of it with a few rows left
out, `Union` for a cut together with the rows that came since.

The rows of the cells stand one after another, and `bounds` cuts them where the cells end. Asked with these bounds, the
indexes answer; columns are made only when a metric asks for them, or asks with other bounds.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.frame import Frame, Some, merge_cells
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.newcomers import Newcomers
from fluxrate.core.columns.types import Codes, Ints

NO_ROWS: Ints = np.empty(0, np.int64)


class Added(NamedTuple):
    """Codes of further rows, and their bounds for the same cells."""

    codes: Codes
    bounds: Ints

    def one_by_one(self, key: Key, base: Cut) -> tuple[Ints, Codes]:
        """The cell and the code of every row."""
        return _cells(self.bounds), self.codes[self.bounds[0] : self.bounds[-1]]


class Columns:
    """The columns of `frame`, which a subclass makes when first asked, and figures of them: scanned for, unless a
    subclass has an index.
    """

    @property
    def frame(self) -> Frame:
        """The rows themselves."""
        raise NotImplementedError

    @property
    def ts(self) -> Ints:
        """Event time."""
        return self.frame.ts

    @property
    def seq(self) -> Ints:
        """Ingest sequence."""
        return self.frame.seq

    @property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit."""
        return self.frame.quantity

    @property
    def customer(self) -> Codes:
        """Customer code."""
        return self.frame.customer

    @property
    def property(self) -> Codes:
        """Codes of the counted property; -1 where an event has none."""
        return self.frame.property

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as limbs."""
        return self.frame.sums(bounds)

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity per bucket; `kernels.LEAST` where there is no row."""
        return self.frame.maxima(bounds)

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity per bucket; `kernels.MOST` where there is no row."""
        return self.frame.minima(bounds)

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row per bucket; -1 where there is none."""
        return self.frame.lasts(bounds)


class Cut(Columns):
    """The rows of an arrangement in the cells `[start, end)` of places, which rise and do not overlap, without those at
    the places `removed`, which rise too. `counted` is the key whose distinct values a metric may count. `edges` are
    given where cells lie side by side, from each edge to the next; in rows of them where the cells of each row do.
    """

    def __init__(
        self,
        rows: Arrangement,
        starts: Ints,
        ends: Ints,
        removed: Ints,
        counted: Key | None,
        edges: Ints | None = None,
    ) -> None:
        self.rows = rows
        self.starts = starts
        self.ends = ends
        self.counted = counted
        self.removed = self._cell = NO_ROWS
        self._edges = edges
        if edges is not None and edges.ndim == 1 and not len(removed):
            self.bounds: Ints = edges - edges[0]
            return
        lengths = ends - starts
        if len(removed):
            cell = np.searchsorted(starts, removed, side="right") - 1
            inside = cell >= 0
            inside[inside] = removed[inside] < ends[cell[inside]]
            self.removed, self._cell = removed[inside], cell[inside]
            lengths = lengths - np.bincount(self._cell, minlength=len(starts))
        self.bounds = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(lengths, out=self.bounds[1:])

    def __len__(self) -> int:
        return int(self.bounds[-1])

    def some(self, cells: Ints) -> Cut:
        """Only these cells, which rise."""
        return Cut(self.rows, self.starts[cells], self.ends[cells], self.removed, self.counted)

    def _own(self, bounds: Ints) -> bool:
        return bounds is self.bounds or np.array_equal(bounds, self.bounds)

    @cached_property
    def _some(self) -> Some:
        where = self.rows.where(self.starts, self.ends)
        if len(self.removed):
            keep = np.ones(int(np.add.reduce(self.ends - self.starts)), np.bool_)
            before = np.cumsum(self.ends - self.starts) - (self.ends - self.starts)
            keep[self.removed - self.starts[self._cell] + before[self._cell]] = False
            left = np.flatnonzero(keep)
            where = left + where.start if isinstance(where, slice) else where[left]
        return self.rows.frame.at(where)

    @cached_property
    def _frame(self) -> Frame:
        taken = self.rows.frame.take(self._some.where)
        return taken if self.counted is None else taken.with_property(taken.column(self.counted))

    @property
    def frame(self) -> Frame:
        """The rows themselves; views where nothing is left out of an arrangement by time."""
        return self._frame

    # Most metrics read one column, again and again: it is made alone, and once.
    @cached_property
    def _quantity(self) -> Ints:
        return self._some.quantity

    @cached_property
    def _customer(self) -> Codes:
        return self._some.customer

    @property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit."""
        return self._quantity

    @property
    def customer(self) -> Codes:
        """Customer code."""
        return self._customer

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as limbs."""
        if not self._own(bounds):
            return self.frame.sums(bounds)
        edges = self._edges
        high, low = self.rows.sums(self.starts, self.ends) if edges is None else self.rows.sums_between(edges)
        if len(self.removed):
            lost = self.rows.frame.quantity[self.rows.positions(self.removed)]
            cells = np.searchsorted(self._cell, np.arange(len(self.starts) + 1))
            lost_high, lost_low = kernels.sums(lost, cells)
            return high - lost_high, low - lost_low
        return high, low

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity per bucket; `kernels.LEAST` where there is no row."""
        if not self._own(bounds):
            return self.frame.maxima(bounds)
        return self._back(np.maximum, self.rows.maxima(*self._around_removed))

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity per bucket; `kernels.MOST` where there is no row."""
        if not self._own(bounds):
            return self.frame.minima(bounds)
        return self._back(np.minimum, self.rows.minima(*self._around_removed))

    @property
    def _around_removed(self) -> tuple[Ints, Ints]:
        """The cells, each broken at the rows that are left out."""
        if not len(self.removed):
            return self.starts, self.ends
        # Pieces do not overlap: sorted apart, the k-th start belongs to the k-th end.
        starts = np.sort(np.concatenate((self.starts, self.removed + 1)))
        return starts, np.sort(np.concatenate((self.ends, self.removed)))

    def _back(self, ufunc: np.ufunc, pieces: Ints) -> Ints:
        """What the pieces of each cell come to."""
        if not len(self.removed):
            return pieces
        first = np.arange(len(self.starts)) + np.searchsorted(self._cell, np.arange(len(self.starts)))
        found: Ints = ufunc.reduceat(pieces, first)
        return found

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row per bucket; -1 where there is none."""
        if not self._own(bounds):
            return self.frame.lasts(bounds)
        filled = bounds[1:] > bounds[:-1]
        places = self.ends[filled] - 1
        if len(self.removed):
            # The last row that is left has so many left ones before it.
            rank = places - np.searchsorted(self.removed, places, side="right")
            places = rank + np.searchsorted(self.removed - np.arange(len(self.removed)), rank, side="right")
        positions = self.rows.positions(places)
        out = np.full((3, len(filled)), -1, np.int64)
        frame = self.rows.frame
        for row, column in zip(out, (frame.ts, frame.seq, frame.quantity), strict=True):
            row[filled] = column[positions]
        return out[0], out[1], out[2]

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        if self.counted is None or not self._own(bounds):
            return self.frame.distinct(bounds)
        return self.distinct_of(self.counted, None)

    def distinct_of(self, key: Key, added: Added | Beside | None) -> Ints:
        """Distinct codes of a key per cell, of these rows and of added ones."""
        if key == CUSTOMER == self.rows.key:
            # In the lanes of customers a cell has one customer or none.
            more = 0 if added is None else np.diff(added.bounds)
            return (np.diff(self.bounds) + more > 0).astype(np.int64)
        order = self.rows.order(key)
        filled = self.ends > self.starts
        if filled.all():
            found = order.distinct(self.starts, self.ends)
        else:
            found = np.zeros(len(self.starts), np.int64)
            found[filled] = order.distinct(self.starts[filled], self.ends[filled])
        if isinstance(added, Beside):
            found = found + added.bringing(key, self)
        if not len(self.removed) and (added is None or isinstance(added, Beside)):
            return found
        cell, codes, change = self._changes(key, added)
        if not len(cell):
            return found
        # A cell and the rank of a code in one integer: numpy sorts rows of two several times more slowly.
        known, ranks = np.unique(codes, return_inverse=True)
        pairs, inverse = np.unique(cell * len(known) + ranks, return_inverse=True)
        net = np.zeros(len(pairs), np.int64)
        np.add.at(net, inverse, change)
        cell, codes = pairs // len(known), known[pairs % len(known)]
        before = order.places(codes, self.ends[cell]) - order.places(codes, self.starts[cell])
        np.add.at(found, cell, (before + net > 0).astype(np.int64) - (before > 0))
        return found

    def _changes(self, key: Key, added: Added | Beside | None) -> tuple[Ints, Ints, Ints]:
        """Rows left out (-1) and added (1): the cell and the code of each that has one."""
        cell, codes = self._cell, self.removed_codes(key).astype(np.int64)
        change = np.full(len(codes), -1, np.int64)
        if added is not None:
            own, more = added.one_by_one(key, self)
            cell, codes = np.concatenate((cell, own)), np.concatenate((codes, more))
            change = np.concatenate((change, np.ones(len(more), np.int64)))
        known = codes >= 0
        return cell[known], codes[known], change[known]

    def removed_codes(self, key: Key) -> Codes:
        """The codes of a key that the rows left out have."""
        return self.rows.frame.column(key)[self.rows.positions(self.removed)]

    def codes(self, key: Key) -> Codes:
        """The codes of a key that the rows have, one cell after another."""
        return self._some.column(key)


class Beside(NamedTuple):
    """A cut of the newcomers of a base, none of which is left out, into the cells of a cut of that base."""

    cut: Cut
    known: Newcomers

    @property
    def bounds(self) -> Ints:
        """Where the rows are cut."""
        return self.cut.bounds

    def one_by_one(self, key: Key, base: Cut) -> tuple[Ints, Codes]:
        """The cell and the code of every row that `bringing` does not count."""
        codes = self.cut.codes(key)
        again = ~kernels.lacks(codes, base.removed_codes(key))
        return _cells(self.bounds)[again], codes[again]

    def bringing(self, key: Key, base: Cut) -> Ints:
        """How many codes these rows bring that no row of the base's cell has, but for codes of which a row is left out
        there.
        """
        counted = kernels.lacks(self.cut.codes(key), base.removed_codes(key)) if len(base.removed) else None
        own = self.cut.starts, self.cut.ends
        return self.known.bringing(key, self.cut.rows, own, (base.starts, base.ends), counted)


def _cells(bounds: Ints) -> Ints:
    return np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))


class Union(Columns):
    """A cut and further rows, both cut into the same cells, as one set of rows: for metrics that cannot combine parts.

    Distinct counts come from the indexes; columns are merged when a metric asks for them.
    """

    def __init__(self, cut: Cut, added: Frame | Beside, added_bounds: Ints) -> None:
        self._cut = cut
        self._added = added
        self._added_bounds = added_bounds
        self.bounds: Ints = cut.bounds + added_bounds - added_bounds[0]

    @cached_property
    def _frame(self) -> Frame:
        added = self._added.cut.frame if isinstance(self._added, Beside) else self._added
        return merge_cells([(self._cut.frame, self._cut.bounds), (added, self._added_bounds)])[0]

    @property
    def frame(self) -> Frame:
        """The rows themselves."""
        return self._frame

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        counted, added = self._cut.counted, self._added
        if counted is None or not np.array_equal(bounds, self.bounds):
            return self.frame.distinct(bounds)
        if not isinstance(added, Beside):
            return self._cut.distinct_of(counted, Added(added.property, self._added_bounds))
        return self._cut.distinct_of(counted, added)
