"""Any page of several sorted runs of events, newest first, without merging them.

The k-th newest time over all runs is found by bisection on time (each step is one binary search a run); only rows
between the page's two edge times are gathered and ordered. The first page and the last cost the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.types import Ints

_BLOCK = 65_536

Positions = NDArray[np.signedinteger]


class Picked(Protocol):
    """Which rows of a frame are meant; positions are given of the frame."""

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""


class Everything:
    """All rows between two positions but those `left_out`, which rise."""

    def __init__(self, first: int, last: int, left_out: Ints) -> None:
        self._first, self._last = first, last
        self._left_out = left_out[slice(*np.searchsorted(left_out, (first, last)))]

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""
        inside = min(max(position, self._first), self._last)
        return inside - self._first - int(np.searchsorted(self._left_out, inside))

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""
        inside = np.arange(max(first, self._first), min(last, self._last))
        return np.setdiff1d(inside, self._left_out, assume_unique=True) if len(self._left_out) else inside


class At:
    """The rows at positions that rise."""

    def __init__(self, positions: Positions, quantity: Ints | None = None) -> None:
        """`quantity` are those of the rows, where they were read already."""
        self.positions, self.quantity = positions, quantity

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""
        return int(np.searchsorted(self.positions, self.positions.dtype.type(position)))

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""
        return self.positions[self.before(first) : self.before(last)].astype(np.int64)


class Several:
    """The rows of several lanes, each of which rises and which have no row in common, without those `left_out`, which
    are all of them; nothing is merged but what a page shows.
    """

    def __init__(self, lanes: Sequence[Positions], left_out: Ints) -> None:
        self._lanes, self._left_out = lanes, left_out

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""
        inside = sum(int(np.searchsorted(lane, lane.dtype.type(position))) for lane in self._lanes)
        return inside - int(np.searchsorted(self._left_out, position))

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""
        cuts = [lane[slice(*np.searchsorted(lane, np.array((first, last), lane.dtype)))] for lane in self._lanes]
        found = np.sort(np.concatenate([np.empty(0, np.int64), *cuts]))
        return np.setdiff1d(found, self._left_out, assume_unique=True) if len(self._left_out) else found


class Kept:
    """The rows that a mask over the rows from `first` on keeps; counted by blocks, so that none has to be listed."""

    def __init__(self, first: int, mask: NDArray[np.bool_]) -> None:
        self._first, self._mask = first, mask
        counts = [np.count_nonzero(mask[start : start + _BLOCK]) for start in range(0, len(mask), _BLOCK)]
        self._counts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)))

    def before(self, position: int) -> int:
        """How many of the rows stand before the position."""
        inside = min(max(position - self._first, 0), len(self._mask))
        block = inside // _BLOCK
        return int(self._counts[block]) + int(np.count_nonzero(self._mask[block * _BLOCK : inside]))

    def between(self, first: int, last: int) -> Ints:
        """Positions of the rows from one position to another, rising."""
        start = max(first - self._first, 0)
        found: Ints = np.flatnonzero(self._mask[start : max(last - self._first, start)]) + start + self._first
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Some rows of a frame in (time, sequence) order."""

    frame: Frame
    picked: Picked

    def __len__(self) -> int:
        return self.picked.before(len(self.frame))

    @property
    def span(self) -> tuple[int, int]:
        """Times between which the rows lie."""
        return int(self.frame.ts[0]), int(self.frame.ts[-1])

    def since(self, instant: int, side: str = "left") -> int:
        """How many rows have this time or a later one; only later ones with `side` right."""
        position = int(np.searchsorted(self.frame.ts, instant, side=side))  # type: ignore[call-overload]
        return len(self) - self.picked.before(position)

    def rows(self, oldest: int, newest: int) -> tuple[Ints, Ints]:
        """Time and sequence of the rows from one time to another, both included."""
        first = int(np.searchsorted(self.frame.ts, oldest))
        last = int(np.searchsorted(self.frame.ts, newest, side="right"))
        positions = self.picked.between(first, last)
        return self.frame.ts[positions], self.frame.seq[positions]


def page(runs: Sequence[Run], offset: int, size: int) -> Ints:
    """Sequences of the rows at `offset` to `offset + size` by (time, sequence) falling; fewer at the end.

    Each run is in (time, sequence) order; the runs may overlap in time.
    """
    filled = [run for run in runs if len(run)]
    total = sum(map(len, filled))
    last = min(offset + size, total)
    if offset >= last:
        return np.empty(0, np.int64)
    newest, oldest = _nth_newest(filled, offset + 1), _nth_newest(filled, last)
    found = [run.rows(oldest, newest) for run in filled]
    ts, seq = (np.concatenate(columns) for columns in zip(*found, strict=True))
    skipped = sum(run.since(newest, "right") for run in filled)
    order = np.lexsort((seq, ts))[::-1]
    return seq[order[offset - skipped : last - skipped]]


def _nth_newest(runs: Sequence[Run], n: int) -> int:
    """The time of the n-th newest row (n from 1): the latest instant that has n rows at or after it."""
    low, high = min(run.span[0] for run in runs), max(run.span[1] for run in runs)
    while low < high:
        middle = (low + high + 1) // 2
        if sum(run.since(middle) for run in runs) >= n:
            low = middle
        else:
            high = middle - 1
    return low
