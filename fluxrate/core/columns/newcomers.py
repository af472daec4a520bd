"""Rows that came since an index was built, held against it: how many of them bring a code that a cell of it lacks.

The rows have an index of their own, and for each row it is kept where the rows of its code stand next to it: the one
before it among these rows, and the two around it in the base. A row brings its code into a cell if none of the three
lies there, which is three comparisons and no search, however many codes there are. So it is by time, and so it is by
the codes of another key.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.changes import Change, Loss
from fluxrate.core.columns.frame import EMPTY, Frame, Some
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.orders import FAR
from fluxrate.core.columns.types import Codes, Ints

Places = NDArray[np.int32]
Mask = Callable[[Frame], NDArray[np.bool_]]
Cells = tuple[Ints, Ints]
"""Where cells of an arrangement start and where they end."""

_FEW_CELLS = 16
"""Cells up to which each is looked at on its own."""
_MOST_PASSING = 8
"""Masks for which the rows that pass are kept, as for those of a base."""


class Neighbours(NamedTuple):
    """For each row of an arrangement the places in that of the base of its code's rows: the last one before it, -1
    without any, and the first one from its time on, FAR without any.
    """

    before: Places
    after: Places


class Lanes(NamedTuple):
    """All codes of a key that the base or the newcomers have, rising, and for each where the lane of either starts and
    ends.
    """

    codes: Codes
    base: Cells
    fresh: Cells


class Held(Protocol):
    """What has the index of a base, or of some rows of it."""

    @property
    def index(self) -> Index:
        """The index, which may have to be made again."""

    @property
    def there(self) -> Index | None:
        """The index unless it has been let go; this is not asking for it."""


class Passing(NamedTuple):
    """The newcomers that a mask keeps, beside the rows of the base that it keeps."""

    mask: Mask
    kept: NDArray[np.bool_]
    known: Newcomers

    def changed(self, whole: Frame, change: Change) -> Passing:
        """What these have become by a change of all newcomers."""
        added, rows = whole.take(change.rows), self.known.index.frame
        passes = self.mask(added)
        own: Change
        if isinstance(change, Loss):
            left = change.kept[self.kept]
            rows, own = rows.take(np.flatnonzero(left)), Loss(left)
        else:
            rows, own = rows.with_more(added.take(np.flatnonzero(passes)))
        return Passing(self.mask, change.column(self.kept, passes), self.known.changed(rows, own))


class Newcomers:
    """The rows beside one base. They must not change; what is known of them is made when first asked for, and goes over
    to the next rows of the same base.
    """

    def __init__(self, held: Held, rows: Frame = EMPTY, index: Index | None = None) -> None:
        """`index` is that of the rows, where there is one."""
        self._held = held
        self.index = Index(rows, every_total=True) if index is None else index
        self._neighbours: dict[tuple[Key | None, Key], Neighbours] = {}
        self._lanes: dict[Key, Lanes] = {}
        self._passing: dict[Hashable, Passing] = {}

    def are(self, held: Held, rows: Frame) -> bool:
        """Whether these are those rows beside that base."""
        return self._held is held and self.index.frame is rows

    @property
    def newest(self) -> int:
        """The sequence of the row that arrived last, 0 when there is none."""
        return self.index.newest

    @property
    def nbytes(self) -> int:
        """Bytes of what has been made so far beside the rows."""
        known = sum(column.nbytes for pair in list(self._neighbours.values()) for column in pair)
        lanes = sum(cells.nbytes for one in list(self._lanes.values()) for pair in one[1:] for cells in pair)
        passing = sum(one.kept.nbytes + one.known.nbytes_with_rows for one in list(self._passing.values()))
        return known + lanes + passing + self.index.nbytes

    @property
    def nbytes_with_rows(self) -> int:
        """`nbytes`, and those of the rows."""
        return self.nbytes + self.index.frame.nbytes()

    def changed(self, rows: Frame, change: Change) -> Newcomers:
        """What these have become by a change: what is known of them is kept."""
        index, changes = self.index.changed(rows, change)
        found = Newcomers(self._held, rows, index)
        # Nobody asks here: what the base has let go of meanwhile stays so.
        base = self._held.there
        for (by, key), known in list(self._neighbours.items()):
            if by in changes and base is not None and base.knows(by, key):
                own = changes[by]
                more = self._found(by, key, rows.at(own.rows))
                found._neighbours[by, key] = Neighbours(
                    own.column(known.before, more.before), own.column(known.after, more.after)
                )
        found._passing = {name: one.changed(rows, change) for name, one in list(self._passing.items())}
        return found

    def passing(self, name: Hashable, base: Held, mask: Mask) -> Newcomers:
        """The rows that a mask keeps, beside `base`, which has those of the base that it keeps; a few are kept.

        The mask is asked again of the rows that come: it must not hold on to anything large.
        """
        found = self._passing.get(name)
        if found is None or found.known._held is not base:
            kept = mask(self.index.frame)
            found = Passing(mask, kept, Newcomers(base, self.index.frame.take(np.flatnonzero(kept))))
            others = [(one, known) for one, known in list(self._passing.items()) if one != name]
            self._passing = dict([*others[-_MOST_PASSING + 1 :], (name, found)])
        return found.known

    def forget(self) -> None:
        """Let go of everything that is made again when asked for."""
        self._neighbours, self._lanes, self._passing = {}, {}, {}
        self.index = Index(self.index.frame, every_total=True)

    def neighbours(self, rows: Arrangement, key: Key) -> Neighbours:
        """Where the rows of each row's code lie in the base, in the same arrangement by time or by a key."""
        found = self._neighbours.get((rows.key, key))
        if found is None:
            frame = rows.frame
            found = self._found(
                rows.key, key, frame.at(slice(0, len(frame)) if rows.lanes is None else rows.lanes.positions)
            )
            arranged = {None, rows.key, *self.index.arranged}
            kept = {pair: known for pair, known in list(self._neighbours.items()) if pair[0] in arranged}
            self._neighbours = {**kept, (rows.key, key): found}
        return found

    def _found(self, by: Key | None, key: Key, rows: Some) -> Neighbours:
        before, after = np.full((2, len(rows)), -1, np.int32)
        after[:] = FAR
        if len(rows):
            base = self._held.index.laid(by)
            at = np.searchsorted(base.frame.ts, rows.frame.ts[rows.where])
            if by is not None and base.lanes is not None:
                at = base.lanes.places(rows.column(by), at)
            order, codes = base.order(key), rows.column(key)
            low, high = kernels.runs_of(*order.runs, codes)
            places = kernels.bisect(order.positions, low, high, at)
            has, follows = places > low, places < high
            before[has] = order.positions[places[has] - 1]
            after[follows] = order.positions[places[follows]]
        return Neighbours(before, after)

    def lanes(self, key: Key) -> Lanes:
        """The codes of a key, of the base's rows and of these."""
        found = self._lanes.get(key)
        if found is None:
            base, fresh = self._held.index.lanes(key).runs, self.index.lanes(key).runs
            codes = base[0]
            low, high = kernels.runs_of(*base, fresh[0])
            if not (high > low).all():
                codes = np.union1d(codes, fresh[0])
            found = Lanes(codes, kernels.runs_of(*base, codes), kernels.runs_of(*fresh, codes))
            kept = {one: known for one, known in list(self._lanes.items()) if one in self.index.arranged}
            self._lanes = {**kept, key: found}
        return found

    def bringing_to(self, key: Key, rows: Arrangement, fresh: tuple[int, int], base: tuple[int, int]) -> int:
        """`bringing` of one cell, in plain numbers."""
        return _brought(self._known(key, rows), fresh, base)

    def _known(self, key: Key, rows: Arrangement) -> tuple[Places, Places, Places]:
        """For each row of an arrangement the three around it: one before it among these rows, and two in the base."""
        # A missing code has its row before far off, and is brought nowhere.
        return rows.order(key).previous, *self.neighbours(rows, key)

    def bringing(
        self, key: Key, rows: Arrangement, fresh: Cells, base: Cells, counted: NDArray[np.bool_] | None
    ) -> Ints:
        """How many codes the rows of each cell bring that the base's rows of the same cell do not have.

        `rows` is an arrangement of these rows, `fresh` are cells of it, and `base` are those of the base's arrangement
        by the same key. `counted` says of the rows in the cells, one after another, which are looked at at all.
        """
        (starts, ends), known = fresh, self._known(key, rows)
        if len(starts) <= _FEW_CELLS and counted is None:
            cells = zip(*(column.tolist() for column in (*fresh, *base)), strict=True)
            return np.array([_brought(known, cell[:2], cell[2:]) for cell in cells], np.int64)
        lengths = ends - starts
        side_by_side = len(starts) > 0 and np.array_equal(starts[1:], ends[:-1])
        where = slice(int(starts[0]), int(ends[-1])) if side_by_side else kernels.ranges(starts, ends)
        previous, before, after = (column[where] for column in known)
        first, start, end = (np.repeat(column.astype(np.int32), lengths) for column in (starts, *base))
        new = (previous < first) & (before < start) & (after >= end)
        if counted is not None:
            new &= counted
        bounds = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(lengths, out=bounds[1:])
        return kernels.count_true(new, bounds)


def _brought(known: tuple[Places, Places, Places], fresh: Sequence[int], base: Sequence[int]) -> int:
    """How many codes the rows from place to place bring that the base's rows from place to place do not have."""
    if fresh[0] >= fresh[1]:
        return 0
    previous, before, after = (column[slice(*fresh)] for column in known)
    # An int of Python's would be compared as int64, and every row copied to that type.
    first, start, end = map(np.int32, (fresh[0], *base))
    return int(np.count_nonzero((previous < first) & (before < start) & (after >= end)))
