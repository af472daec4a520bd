"""The rows that a question is about, and how they are cut into cells: by time, or by the codes of a key and time.

A selection has at most one stretch of the base and one of the newcomers beside it, which indexes answer, and frames
that are scanned: what filters left over. A layout is the same rows with bounds: cell c of every part is one bucket of
the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.cut import NO_ROWS, Added, Beside, Cut, Union
from fluxrate.core.columns.frame import Frame, merge_cells
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.newcomers import Newcomers
from fluxrate.core.columns.stretch import Stretch, lane_places
from fluxrate.core.columns.types import Codes, Ints

Scanned = tuple[tuple[Frame, Ints], ...]
Cutting = Callable[[Stretch], Cut]

_EVER = 1 << 62
_WORTH_COUNTING = 32
"""Rows for each customer from which counting those of every customer by index is cheaper than looking at all rows."""
_WORTH_SEARCHING = 64
"""Rows for each customer from which searching in everybody's lane is cheaper than counting the rows one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows cut into the same cells: cuts of the base and of its newcomers, which indexes answer, and frames with their
    bounds.
    """

    cut: Cut | None
    scanned: Scanned
    fresh: Beside | None = None

    @property
    def parts(self) -> list[tuple[Cut | Frame, Ints]]:
        """Each part with its bounds; what they come to can be combined."""
        return [*((cut, cut.bounds) for cut in self._cuts), *self.scanned]

    @property
    def _cuts(self) -> list[Cut]:
        cuts = (self.cut, None if self.fresh is None else self.fresh.cut)
        return [cut for cut in cuts if cut is not None]

    def whole(self) -> tuple[Cut | Frame | Union, Ints]:
        """All rows as one part with its bounds."""
        parts = self.parts
        if len(parts) == 1:
            return parts[0]
        if self.cut is None:
            return self._beside()
        alone = None if self.scanned else self.fresh
        union = Union(self.cut, *self._beside()) if alone is None else Union(self.cut, alone, alone.bounds)
        return union, union.bounds

    def _beside(self) -> tuple[Frame, Ints]:
        """Everything but what is of the base, scanned."""
        newcomers = [] if self.fresh is None else [(self.fresh.cut.frame, self.fresh.bounds)]
        return merge_cells([*newcomers, *self.scanned])

    def some(self, cells: Ints) -> Layout | None:
        """Only these cells, which rise; None where frames would have to be cut again."""
        if self.scanned:
            return None
        fresh = None if self.fresh is None else Beside(self.fresh.cut.some(cells), self.fresh.known)
        return Layout(None if self.cut is None else self.cut.some(cells), (), fresh)

    def counts(self) -> Ints:
        """Rows per cell."""
        bounds = [bounds for _, bounds in self.parts]
        found = bounds[0][1:] - bounds[0][:-1]
        for more in bounds[1:]:
            found = found + (more[1:] - more[:-1])
        return found

    def customers(self) -> Ints:
        """Distinct customers per cell."""
        cut, fresh = self.cut, self.fresh
        if not self.scanned:
            if cut is not None:
                return cut.distinct_of(CUSTOMER, fresh)
            if fresh is not None:
                return fresh.cut.distinct_of(CUSTOMER, None)
        frame, bounds = self._beside()
        if cut is None:
            return kernels.distinct(frame.customer, bounds)
        return cut.distinct_of(CUSTOMER, Added(frame.customer, bounds))


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A stretch of the newcomers of the base that a selection is of: by time, or by the same key."""

    known: Newcomers
    rows: Arrangement
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """`rows` from place `first` to `last` without the places `removed`, all of `frames`, each in order of time, and
    `fresh` ones, if there are any. `counted` is the key whose distinct values a metric may count.
    """

    rows: Arrangement
    first: int
    last: int
    removed: Ints = field(default_factory=lambda: NO_ROWS)
    frames: tuple[Frame, ...] = ()
    counted: Key | None = None
    fresh: Fresh | None = None

    def __len__(self) -> int:
        newcomers = self._newcomers
        return len(self.base) + sum(map(len, self.frames)) + (0 if newcomers is None else len(newcomers))

    @property
    def base(self) -> Stretch:
        """The rows of the base."""
        return Stretch(self.rows, self.first, self.last, self.removed, self.counted)

    @property
    def _newcomers(self) -> Stretch | None:
        fresh = self.fresh
        return None if fresh is None else Stretch(fresh.rows, fresh.first, fresh.last, NO_ROWS, self.counted)

    def _layout(self, scanned: Scanned, cut: Cutting, cut_fresh: Cutting) -> Layout:
        """Both stretches cut alike; a base that has no row is left out if there is anything else."""
        fresh, newcomers = self.fresh, self._newcomers
        beside = None if fresh is None or newcomers is None else Beside(cut_fresh(newcomers), fresh.known)
        if self.last == self.first and (scanned or beside is not None):
            return Layout(None, scanned, beside)
        return Layout(cut(self.base), scanned, beside)

    def _layout_by(self, scanned: Scanned, index: Index, cut: Callable[[Stretch, Index], Cut]) -> Layout:
        """As `_layout`, each stretch cut with its own index."""
        fresh = index if self.fresh is None else self.fresh.known.index
        return self._layout(scanned, lambda rows: cut(rows, index), lambda rows: cut(rows, fresh))

    def customers(self) -> int:
        """Distinct customers of all rows."""
        if self.rows.key == CUSTOMER or len(self.removed) or self.frames:
            return int(self.together().customers()[0])
        found = self.rows.order(CUSTOMER).distinct_between(self.first, self.last)
        fresh = self.fresh
        if fresh is None:
            return found
        return found + fresh.known.bringing_to(CUSTOMER, fresh.rows, (fresh.first, fresh.last), (self.first, self.last))

    def by_time(self, edges: Ints) -> Layout:
        """Cut at edges of time."""
        scanned = tuple((frame, frame.bounds(edges)) for frame in self.frames if len(frame))

        def cut(rows: Stretch) -> Cut:
            return rows.by_time(edges)

        return self._layout(scanned, cut, cut)

    def together(self) -> Layout:
        """All rows as one cell; nothing is searched for."""
        scanned = tuple((frame, np.array((0, len(frame)))) for frame in self.frames if len(frame))
        return self._layout(scanned, Stretch.cut, Stretch.cut)

    def by(self, key: Key, index: Index, edges: Ints, codes: Codes) -> Layout:
        """Cut by these codes of a key, which rise, and at edges of time, which cover the selection's window.

        Cells stand code by code.
        """
        some = self._in_time()
        scanned = tuple(_in_lanes(frame, key, codes, edges) for frame in some.frames if len(frame))
        return some._layout_by(scanned, index, lambda rows, own: rows.by(key, own, edges, codes))

    def windows(self, key: Key, index: Index, codes: Codes, starts: Ints, ends: Ints) -> Layout:
        """Cut into a cell for each code's own `[start, end)`; they rise by (code, start), and none overlaps another."""
        some = self._in_time()
        scanned = tuple(_in_windows(frame, key, codes, starts, ends) for frame in some.frames if len(frame))
        return some._layout_by(scanned, index, lambda rows, own: rows.windows(key, own, codes, starts, ends))

    def codes(self, key: Key, index: Index) -> Codes:
        """The codes of a key that have a row, rising, among them perhaps some whose rows are all left out."""
        some = self._in_time()
        found = [some.base.codes(key, index), *(np.unique(frame.column(key)) for frame in some.frames)]
        if some.fresh is not None and some._newcomers is not None:
            found.append(some._newcomers.codes(key, some.fresh.known.index))
        return found[0] if len(found) == 1 else np.unique(np.concatenate(found))

    def by_every(self, key: Key, index: Index, edges: Ints) -> tuple[Codes, Layout]:
        """All codes of a key that have a row, rising, and the rows cut by them and at edges of time: as `codes` and
        then `by`, which search for the same places twice.
        """
        some = self._in_time()
        fresh, newcomers, rows = some.fresh, some._newcomers, index.by(key)
        if some.frames or some.first == some.last or rows.lanes is None:
            codes = some.codes(key, index)
            return codes, some.by(key, index, edges, codes)
        if fresh is None or newcomers is None:
            known, starts = rows.lanes.runs
            places = lane_places(rows, starts[:-1], starts[1:], some.base.covered(edges))
            filled = places[:, -1] > places[:, 0]
            return known[filled], Layout(some.base.lanes(key, rows, places[filled]), ())
        known, own, beside = fresh.known.lanes(key)
        theirs = fresh.known.index.by(key)
        places = lane_places(rows, *own, some.base.covered(edges))
        more = lane_places(theirs, *beside, newcomers.covered(edges))
        filled = (places[:, -1] > places[:, 0]) | (more[:, -1] > more[:, 0])
        cut = newcomers.lanes(key, theirs, more[filled])
        return known[filled], Layout(some.base.lanes(key, rows, places[filled]), (), Beside(cut, fresh.known))

    def _in_time(self) -> Selection:
        """The same rows with indexed parts in order of time, if any: one lane is not cut into lanes again."""
        return self if self.rows.lanes is None else self.scanned()

    def scanned(self) -> Selection:
        """The same rows with nothing left to the indexes."""
        newcomers = self._newcomers
        frames = (self.base.cut().frame, *(() if newcomers is None else (newcomers.cut().frame,)), *self.frames)
        filled = tuple(frame for frame in frames if len(frame))
        return replace(self, first=0, last=0, removed=NO_ROWS, frames=filled, fresh=None)

    def customers_without(self, key: Key, index: Index, codes: Codes) -> int:
        """How many customers the rows have that have none of the codes."""
        some = self._in_time()
        rows = len(some)
        if rows < len(index.lanes(CUSTOMER).runs[0]) * _WORTH_COUNTING:
            return int(np.count_nonzero(np.bincount(some._customers_lacking(key, codes))))
        ever = np.array((-_EVER, _EVER))
        told = some.by(key, index, ever, codes)
        if 2 * int(np.add.reduce(told.counts())) > rows:
            rest = some.by(key, index, ever, np.setdiff1d(some.codes(key, index), codes, assume_unique=True))
            return int(np.count_nonzero(np.bincount(_customers(rest))))
        # A customer has rows beside the told ones if they have more than those: nothing else has to be looked at.
        every = some._rows_of_customers(index)
        mine = np.bincount(_customers(told), minlength=len(every))
        return int(np.count_nonzero(every > mine))

    def _rows_of_customers(self, index: Index) -> Ints:
        """How many rows each customer has, by code."""
        (customers, starts), column = index.lanes(CUSTOMER).runs, self.rows.frame.customer
        window = slice(self.first, self.last)
        inside, outside = column[window], (column[: self.first], column[self.last :])
        most = len(customers) * _WORTH_SEARCHING
        if min(len(inside), len(column) - len(inside)) > most:
            codes, layout = self.by_every(CUSTOMER, index, np.array((-_EVER, _EVER)))
            return _by_code(codes, layout.counts())
        removed = self.removed[slice(*np.searchsorted(self.removed, (self.first, self.last)))]
        counts = [np.bincount(frame.customer) for frame in self._beside_base]
        if len(inside) <= most:
            counts.append(np.bincount(inside))
        else:
            counts.append(_by_code(customers, np.diff(starts)))
            counts += [-np.bincount(rows) for rows in outside]
        counts.append(-np.bincount(column[removed]))
        found = np.zeros(max(map(len, counts)), np.int64)
        for some in counts:
            found[: len(some)] += some
        return found

    @property
    def _beside_base(self) -> tuple[Frame, ...]:
        """The rows that are not of the base, of a selection in order of time."""
        fresh = self.fresh
        return self.frames if fresh is None else (fresh.rows.frame.slice(fresh.first, fresh.last), *self.frames)

    def _customers_lacking(self, key: Key, codes: Codes) -> Codes:
        """The customer of each row that has none of the codes."""
        found = [frame.customer[kernels.lacks(frame.column(key), codes)] for frame in self._beside_base]
        window = slice(self.first, self.last)
        keep = kernels.lacks(self.rows.frame.column(key)[window], codes)
        keep[self.removed[(self.removed >= self.first) & (self.removed < self.last)] - self.first] = False
        return np.concatenate((*found, self.rows.frame.customer[window][keep]))

    def without(self, key: Key, codes: Codes) -> Selection:
        """The rows that have none of the codes, scanned."""
        some = self.scanned()
        left = [frame.take(np.flatnonzero(kernels.lacks(frame.column(key), codes))) for frame in some.frames]
        return replace(some, frames=tuple(frame for frame in left if len(frame)))


def _by_code(codes: Codes, counts: Ints) -> Ints:
    """Counts of rising codes as one array in which a code is the place."""
    found = np.zeros(int(codes[-1]) + 1 if len(codes) else 0, np.int64)
    found[codes] = counts
    return found


def _customers(layout: Layout) -> Codes:
    return np.concatenate([rows.customer for rows, _ in layout.parts])


def span(selection: Selection) -> tuple[int, int] | None:
    """Time of the first and of the last row; None when there is none."""
    found = [(int(frame.ts[0]), int(frame.ts[-1])) for frame in selection.frames if len(frame)]
    for rows in (selection.base, selection._newcomers):
        if rows is not None:
            found += rows.span()
    return (min(a for a, _ in found), max(b for _, b in found)) if found else None


def _in_lanes(frame: Frame, key: Key, codes: Codes, edges: Ints) -> tuple[Frame, Ints]:
    """The rows that have one of the codes by (code, time), and where the codes and the edges cut them."""
    order, known, runs = kernels.groups(frame.column(key))
    low, high = kernels.runs_of(known, runs, codes)
    rows = frame.take(order[kernels.ranges(low, high)])
    ends = np.cumsum(high - low)
    count = len(edges)
    searches = np.repeat(ends - (high - low), count), np.repeat(ends, count), np.tile(edges, len(codes))
    places = kernels.bisect(rows.ts, *searches).reshape(len(codes), count)
    return rows, np.append(places[:, :-1].ravel(), len(rows))


def _in_windows(frame: Frame, key: Key, codes: Codes, starts: Ints, ends: Ints) -> tuple[Frame, Ints]:
    """The rows of each code's window one after another, and where the windows cut them."""
    order, known, runs = kernels.groups(frame.column(key))
    low, high = kernels.runs_of(known, runs, codes)
    ts = frame.ts[order]
    begin, end = (kernels.bisect(ts, low, high, edges) for edges in (starts, ends))
    bounds = np.append(0, np.cumsum(end - begin))
    return frame.take(order[kernels.ranges(begin, end)]), bounds
