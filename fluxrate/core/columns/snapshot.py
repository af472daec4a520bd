"""The snapshot that readers hold: a large indexed base and a small tail of what came since, both immutable.

A reader takes a reference once and needs no lock. New rows go into the tail, which every question merges. A small base
takes its tail in at once; a large one when `folded`, which is work for the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import EMPTY, Frame, merge
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.stretch import Stretch

SMALL = 50_000
"""Rows up to which folding costs a reader next to nothing."""

_WORTH_FOLDING = 4_096
_FRACTION = 8


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything known of one meter at one sequence; all rows of `tail` arrived after those of `base`."""

    base: Frame = EMPTY
    tail: Frame = EMPTY
    index: Index = field(default_factory=lambda: Index(EMPTY))

    def __post_init__(self) -> None:
        for frame in (self.base, self.tail):
            arrays: tuple[NDArray[Any], ...] = (frame.ts, frame.seq, frame.quantity, frame.customer)
            for array in (*arrays, *frame.meta.values()):
                array.flags.writeable = False
        if self.index.frame is not self.base:
            object.__setattr__(self, "index", Index(self.base))

    def __len__(self) -> int:
        return len(self.base) + len(self.tail)

    def extended(self, rows: Frame) -> Snapshot:
        """A snapshot with rows that arrived later, in any order of time."""
        more = Snapshot(self.base, merge([self.tail, rows]), self.index)
        return more.folded() if more.wants_folding and len(more) <= SMALL else more

    @property
    def wants_folding(self) -> bool:
        """Whether the tail has grown enough to be worth the work."""
        return len(self.tail) > max(_WORTH_FOLDING, len(self.base) // _FRACTION)

    def folded(self) -> Snapshot:
        """The same rows with nothing left in the tail."""
        return Snapshot(merge([self.base, self.tail])) if len(self.tail) else self

    def since(self, seq: int) -> Frame:
        """The rows of the tail that arrived after the sequence."""
        return self.tail.take(np.flatnonzero(self.tail.seq > seq))

    def parts(self, start: int, end: int) -> list[Frame]:
        """The rows of `[start, end)`: no, one or two frames, oldest arrivals first."""
        return [part for part in (self.base.window(start, end), self.tail.window(start, end)) if len(part)]

    def stretch(self, start: int, end: int) -> Stretch:
        """The base's rows of `[start, end)`, answered by its indexes."""
        first, last = np.searchsorted(self.base.ts, (start, end))
        return Stretch(self.index, int(first), int(last))


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All meters at one ingest sequence; swapped whole, so answers about several meters agree with each other.

    `coder` has the dictionaries that the metadata codes stand for.
    """

    coder: Coder
    seq: int = 0
    meters: Mapping[int, Snapshot] = field(default_factory=dict)

    def snapshot(self, meter_pk: int) -> Snapshot:
        """The meter's rows; none for a meter that has no events."""
        return self.meters.get(meter_pk) or Snapshot()
