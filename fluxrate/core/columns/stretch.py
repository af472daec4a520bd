"""A stretch of an arrangement that indexes cut into cells: at edges of time, or by the codes of a key and time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.cut import NO_ROWS, Cut
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.types import Codes, Ints

_FEW_LANES = 32
_FEW_PLACES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The rows from place `first` to `last` of an arrangement, without those at the places `removed`, which rise.

    `counted` is the key whose distinct values a metric may count. To be cut by a key the arrangement is that by time,
    and `index` the one it is of.
    """

    rows: Arrangement
    first: int
    last: int
    removed: Ints = field(default_factory=lambda: NO_ROWS)
    counted: Key | None = None

    def __len__(self) -> int:
        return len(self.cut()) if len(self.removed) else self.last - self.first

    def cut(self) -> Cut:
        """All rows as one cell."""
        return self._cut(self.rows, np.array([self.first]), np.array([self.last]), self.removed)

    def _cut(self, rows: Arrangement, starts: Ints, ends: Ints, removed: Ints) -> Cut:
        return Cut(rows, starts, ends, removed, self.counted)

    def by_time(self, edges: Ints) -> Cut:
        """Cut at edges of time."""
        places = self.places(edges)
        return Cut(self.rows, places[:-1], places[1:], self.removed, self.counted, places)

    def places(self, edges: Ints) -> Ints:
        """Where the edges of time are, no further out than the stretch is."""
        places = np.searchsorted(self.rows.frame.ts, edges)
        if self.rows.lanes is not None:
            lane = self.rows.lanes.positions[self.first : self.last]
            places = np.searchsorted(lane, places.astype(np.int32)) + self.first
        return np.minimum(np.maximum(places, self.first), self.last)

    def covered(self, edges: Ints) -> Ints:
        """`places` of edges that no row of the stretch lies outside of: of two nothing has to be searched for."""
        return np.array((self.first, self.last)) if len(edges) == 2 else self.places(edges)

    def by(self, key: Key, index: Index, edges: Ints, codes: Codes) -> Cut:
        """Cut by these codes of a key, which rise, and at edges of time, which no row of the stretch lies outside of;
        cells stand code by code.
        """
        rows = index.by(key)
        if rows.lanes is None or not len(codes):
            return self.lanes(key, rows, np.zeros((len(codes), len(edges)), np.int64))
        low, high = kernels.runs_of(*rows.lanes.runs, codes)
        return self.lanes(key, rows, lane_places(rows, low, high, self.covered(edges)))

    def lanes(self, key: Key, rows: Arrangement, places: Ints) -> Cut:
        """Cut into the cells between the places of each lane of the arrangement by a key."""
        starts, ends = places[:, :-1].ravel(), places[:, 1:].ravel()
        return Cut(rows, starts, ends, self._removed(rows, key), self.counted, places)

    def windows(self, key: Key, index: Index, codes: Codes, starts: Ints, ends: Ints) -> Cut:
        """Cut into a cell for each code's own `[start, end)`; they rise by (code, start), and none overlaps another."""
        rows, lanes = index.by(key), index.lanes(key)
        low, high = kernels.runs_of(*lanes.runs, codes)
        begin, end = (kernels.bisect(lanes.positions, low, high, self.places(edges)) for edges in (starts, ends))
        return self._cut(rows, begin, end, self._removed(rows, key))

    def codes(self, key: Key, index: Index) -> Codes:
        """The codes that have a row, rising, among them perhaps some whose rows are all left out."""
        if self.first == self.last:
            return np.empty(0, np.int32)
        lanes = index.lanes(key)
        known, starts = lanes.runs
        begins, stops = (
            kernels.bisect(lanes.positions, starts[:-1], starts[1:], np.full(len(known), position))
            for position in (self.first, self.last)
        )
        return known[stops > begins]

    def span(self) -> list[tuple[int, int]]:
        """Time of the first and of the last row, if there is any."""
        left = np.setdiff1d(self._edge_places(), self.removed)
        if not len(left):
            return []
        first, last = self.rows.frame.ts[self.rows.positions(left[[0, -1]])].tolist()
        return [(first, last)]

    def _edge_places(self) -> Ints:
        """Enough places at both ends that some are left when all removed ones are taken away."""
        first, last, spare = self.first, self.last, len(self.removed) + 1
        head = np.arange(first, min(last, first + spare))
        return np.union1d(head, np.arange(max(first, last - spare), last))

    def _removed(self, rows: Arrangement, key: Key) -> Ints:
        """The places in an arrangement by a key of what is left out in order of time."""
        if not len(self.removed) or rows.lanes is None:
            return NO_ROWS
        return np.sort(rows.lanes.places(rows.frame.column(key)[self.removed], self.removed))


def lane_places(rows: Arrangement, low: Ints, high: Ints, positions: Ints) -> Ints:
    """The places where the positions cut each lane from `low` to `high`: a row for each lane."""
    count = len(positions)
    if rows.lanes is None or not len(low):
        return np.zeros((len(low), count), np.int64)
    if count == 2 and positions[0] <= 0 and positions[1] >= len(rows):
        return np.stack((low, high), axis=1)
    if len(low) > _FEW_LANES or len(low) * count <= _FEW_PLACES:
        searches = np.repeat(low, count), np.repeat(high, count), np.tile(positions, len(low))
        return kernels.bisect(rows.lanes.positions, *searches).reshape(len(low), count)
    narrow = positions.astype(np.int32)
    lanes = zip(low.tolist(), high.tolist(), strict=True)
    return np.array([np.searchsorted(rows.lanes.positions[a:b], narrow) + a for a, b in lanes])
