"""The rows that a question is about, and how they are cut into cells: by time, or by the codes of a key and time.

A selection has at most one part that indexes answer, and frames that are scanned: the tail, or what filters left over.
A layout is the same rows with bounds: cell c of every part is one bucket of the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.cut import NO_ROWS, Added, Cut, Union
from fluxrate.core.columns.frame import Frame, merge_cells
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.newcomers import Fresh
from fluxrate.core.columns.types import Codes, Ints

_FEW_LANES = 32
_EVER = 1 << 62
_WORTH_COUNTING = 32
"""Rows for each customer from which counting those of every customer by index is cheaper than looking at all rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Rows cut into the same cells: a cut that indexes answer, and frames with their bounds. `fresh` is what is known
    of the one frame there is, if there is one.
    """

    cut: Cut | None
    scanned: tuple[tuple[Frame, Ints], ...]
    fresh: Fresh | None = None

    @property
    def parts(self) -> list[tuple[Cut | Frame, Ints]]:
        """Each part with its bounds; what they come to can be combined."""
        return [*([] if self.cut is None else [(self.cut, self.cut.bounds)]), *self.scanned]

    def whole(self) -> tuple[Cut | Frame | Union, Ints]:
        """All rows as one part with its bounds."""
        if self.cut is None:
            return merge_cells(self.scanned)
        if not self.scanned:
            return self.cut, self.cut.bounds
        union = Union(self.cut, *merge_cells(self.scanned), self.fresh)
        return union, union.bounds

    def counts(self) -> Ints:
        """Rows per cell."""
        if self.cut is not None and not self.scanned:
            return self.cut.bounds[1:] - self.cut.bounds[:-1]
        return sum(np.diff(bounds) for _, bounds in self.parts)  # type: ignore[return-value]

    def customers(self) -> Ints:
        """Distinct customers per cell."""
        if self.cut is None:
            frame, bounds = merge_cells(self.scanned)
            return kernels.distinct(frame.customer, bounds)
        if not self.scanned:
            return self.cut.distinct_of(CUSTOMER, None)
        frame, bounds = merge_cells(self.scanned)
        return self.cut.distinct_of(CUSTOMER, Added(frame.customer, bounds, self.fresh))


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """`rows` from place `first` to `last` without the places `removed`, and all of `frames`, each in order of time.

    `fresh` may be given where there is one frame, of newcomers of the base whose rows by time these are.
    """

    rows: Arrangement
    first: int
    last: int
    removed: Ints = field(default_factory=lambda: NO_ROWS)
    frames: tuple[Frame, ...] = ()
    counted: Key | None = None
    fresh: Fresh | None = None

    def __len__(self) -> int:
        return len(self.cut()) + sum(map(len, self.frames))

    def cut(self) -> Cut:
        """The indexed part as one cell."""
        return self._cut(self.rows, np.array([self.first]), np.array([self.last]), self.removed)

    def _cut(self, rows: Arrangement, starts: Ints, ends: Ints, removed: Ints) -> Cut:
        return Cut(rows, starts, ends, removed, self.counted)

    def customers(self) -> int:
        """Distinct customers of all rows."""
        if self.rows.key != CUSTOMER and not len(self.removed) and not self.frames:
            return self.rows.order(CUSTOMER).distinct_between(self.first, self.last)
        return int(self.together().customers()[0])

    def by_time(self, edges: Ints) -> Layout:
        """Cut at edges of time."""
        scanned = tuple((frame, frame.bounds(edges)) for frame in self.frames if len(frame))
        if self.last == self.first and scanned:
            return Layout(None, scanned)
        places = self._places(edges)
        cut = Cut(self.rows, places[:-1], places[1:], self.removed, self.counted, places)
        return Layout(cut, scanned, self.fresh)

    def together(self) -> Layout:
        """All rows as one cell; nothing is searched for."""
        scanned = tuple((frame, np.array((0, len(frame)))) for frame in self.frames if len(frame))
        if self.last == self.first and scanned:
            return Layout(None, scanned)
        return Layout(self.cut(), scanned, self.fresh)

    def _places(self, edges: Ints) -> Ints:
        places = np.searchsorted(self.rows.frame.ts, edges)
        if self.rows.lanes is not None:
            lane = self.rows.lanes.positions[self.first : self.last]
            places = np.searchsorted(lane, places.astype(np.int32)) + self.first
        return np.minimum(np.maximum(places, self.first), self.last)

    def by(self, key: Key, index: Index, edges: Ints, codes: Codes) -> Layout:
        """Cut by these codes of a key, which rise, and at edges of time, which cover the selection's window.

        Cells stand code by code.
        """
        some = self._in_time()
        scanned = tuple(_in_lanes(frame, key, codes, edges) for frame in some.frames if len(frame))
        if some.last == some.first and scanned:
            return Layout(None, scanned)
        return Layout(some._lanes(key, index, codes, edges), scanned)

    def windows(self, key: Key, index: Index, codes: Codes, starts: Ints, ends: Ints) -> Layout:
        """Cut into a cell for each code's own `[start, end)`; they rise by (code, start), and none overlaps another."""
        some = self._in_time()
        scanned = tuple(_in_windows(frame, key, codes, starts, ends) for frame in some.frames if len(frame))
        if some.last == some.first and scanned:
            return Layout(None, scanned)
        rows = index.by(key)
        lanes = rows.lanes or index.time.order(key)
        low, high = kernels.runs_of(*lanes.runs, codes)
        begin, end = (kernels.bisect(lanes.positions, low, high, some._places(edges)) for edges in (starts, ends))
        return Layout(self._cut(rows, begin, end, some._removed(rows, key)), scanned)

    def codes(self, key: Key, index: Index) -> Codes:
        """The codes of a key that have a row, rising, among them perhaps some whose rows are all left out."""
        some = self._in_time()
        found = some._codes(key, index)
        if some.frames:
            found = np.unique(np.concatenate([found, *(np.unique(frame.column(key)) for frame in some.frames)]))
        return found

    def by_every(self, key: Key, index: Index, edges: Ints) -> tuple[Codes, Layout]:
        """All codes of a key that have a row, rising, and the rows cut by them and at edges of time: as `codes` and
        then `by`, which search for the same places twice.
        """
        some = self._in_time()
        rows = index.by(key)
        if some.frames or rows.lanes is None or some.first == some.last:
            codes = some.codes(key, index)
            return codes, some.by(key, index, edges, codes)
        known = rows.lanes.runs[0]
        places = _lane_places(rows, known, some._places(edges)).reshape(len(known), len(edges))
        filled = places[:, -1] > places[:, 0]
        return known[filled], Layout(some._cut_lanes(key, rows, places[filled]), ())

    def _in_time(self) -> Selection:
        """The same rows with an indexed part in order of time, if any: one lane is not cut into lanes again."""
        return self if self.rows.lanes is None else self.scanned()

    def _codes(self, key: Key, index: Index) -> Codes:
        """The codes that have a row in the indexed part."""
        lanes = index.by(key).lanes
        if lanes is None or self.first == self.last:
            return np.empty(0, np.int32)
        known, starts = lanes.runs
        begins, stops = (
            kernels.bisect(lanes.positions, starts[:-1], starts[1:], np.full(len(known), position))
            for position in (self.first, self.last)
        )
        return known[stops > begins]

    def _lanes(self, key: Key, index: Index, codes: Codes, edges: Ints) -> Cut:
        rows = index.by(key)
        places = _lane_places(rows, codes, self._places(edges)).reshape(len(codes), len(edges))
        return self._cut_lanes(key, rows, places)

    def _cut_lanes(self, key: Key, rows: Arrangement, places: Ints) -> Cut:
        """The cells between the places of each code."""
        return self._cut(rows, places[:, :-1].ravel(), places[:, 1:].ravel(), self._removed(rows, key))

    def _removed(self, rows: Arrangement, key: Key) -> Ints:
        """The places in an arrangement by a key of what is left out in order of time."""
        if not len(self.removed) or rows.lanes is None:
            return NO_ROWS
        return np.sort(rows.lanes.places(rows.frame.column(key)[self.removed], self.removed))

    def scanned(self) -> Selection:
        """The same rows with nothing left to the indexes."""
        frames = (self.cut().frame, *self.frames)
        filled = tuple(frame for frame in frames if len(frame))
        return replace(self, first=0, last=0, removed=NO_ROWS, frames=filled, fresh=None)

    def customers_without(self, key: Key, index: Index, codes: Codes) -> int:
        """How many customers the rows have that have none of the codes."""
        some = self._in_time()
        rows = len(some)
        everyone = index.by(CUSTOMER).lanes
        if everyone is None or rows < len(everyone.runs[0]) * _WORTH_COUNTING:
            return int(np.count_nonzero(np.bincount(some._customers_lacking(key, codes))))
        ever = np.array((-_EVER, _EVER))
        told = some.by(key, index, ever, codes)
        if 2 * int(np.add.reduce(told.counts())) > rows:
            rest = some.by(key, index, ever, np.setdiff1d(some.codes(key, index), codes, assume_unique=True))
            return int(np.count_nonzero(np.bincount(_customers(rest))))
        # A customer has rows beside the told ones if they have more than those: nothing else has to be looked at.
        customers, by_customer = some.by_every(CUSTOMER, index, ever)
        every = by_customer.counts()
        mine = np.bincount(_customers(told), minlength=int(customers.max(initial=0)) + 1)
        return int(np.count_nonzero(every > mine[customers]))

    def _customers_lacking(self, key: Key, codes: Codes) -> Codes:
        """The customer of each row that has none of the codes."""
        found = [frame.customer[kernels.lacks(frame.column(key), codes)] for frame in self.frames]
        window = slice(self.first, self.last)
        keep = kernels.lacks(self.rows.frame.column(key)[window], codes)
        keep[self.removed[(self.removed >= self.first) & (self.removed < self.last)] - self.first] = False
        return np.concatenate((*found, self.rows.frame.customer[window][keep]))

    def without(self, key: Key, codes: Codes) -> Selection:
        """The rows that have none of the codes, scanned."""
        some = self.scanned()
        left = [frame.take(np.flatnonzero(kernels.lacks(frame.column(key), codes))) for frame in some.frames]
        return replace(some, frames=tuple(frame for frame in left if len(frame)))


def _customers(layout: Layout) -> Codes:
    return np.concatenate([rows.customer for rows, _ in layout.parts])


def span(selection: Selection) -> tuple[int, int] | None:
    """Time of the first and of the last row; None when there is none."""
    frames = [frame for frame in selection.frames if len(frame)]
    found = [(int(frame.ts[0]), int(frame.ts[-1])) for frame in frames]
    left = np.setdiff1d(_edge_places(selection), selection.removed)
    if len(left):
        ts = selection.rows.frame.ts[selection.rows.positions(left[[0, -1]])]
        found.append((int(ts[0]), int(ts[1])))
    return (min(a for a, _ in found), max(b for _, b in found)) if found else None


def _edge_places(selection: Selection) -> Ints:
    """Enough places at both ends that some are left when all removed ones are taken away."""
    first, last, spare = selection.first, selection.last, len(selection.removed) + 1
    head = np.arange(first, min(last, first + spare))
    return np.union1d(head, np.arange(max(first, last - spare), last))


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


def _lane_places(rows: Arrangement, codes: Codes, positions: Ints) -> Ints:
    """The places where the positions cut each code's lane, code by code."""
    if rows.lanes is None or not len(codes):
        return np.zeros(len(codes) * len(positions), np.int64)
    low, high = kernels.runs_of(*rows.lanes.runs, codes)
    count = len(positions)
    if len(codes) > _FEW_LANES:
        searches = np.repeat(low, count), np.repeat(high, count), np.tile(positions, len(codes))
        return kernels.bisect(rows.lanes.positions, *searches)
    narrow = positions.astype(np.int32)
    lanes = zip(low.tolist(), high.tolist(), strict=True)
    return np.concatenate([np.searchsorted(rows.lanes.positions[a:b], narrow) + a for a, b in lanes])
