"""Rows found in several ways as one set, for metrics that cannot combine parts: distinct values are marked part by
part, and nothing is merged unless a metric asks for columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from fluxrate.core.columns.cut import Columns
from fluxrate.core.columns.frame import Frame, merge
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.loose import Loose
from fluxrate.core.columns.types import Codes, Ints
from fluxrate.core.columns.within import Within

Part = Within | Loose | Frame


class Together(Columns):
    """All rows of the parts, which have none in common; `counted` is the key, of one part, that may be counted."""

    def __init__(self, parts: Sequence[Part], counted: Key | None) -> None:
        self._parts, self._counted = parts, counted

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def bounds(self) -> Ints:
        """All rows as one bucket."""
        return np.array((0, len(self)), np.int64)

    @cached_property
    def _frame(self) -> Frame:
        whole = merge([part if isinstance(part, Frame) else part.frame for part in self._parts])
        return whole if self._counted is None else whole.with_property(whole.column(self._counted))

    @property
    def frame(self) -> Frame:
        """The rows themselves, in order of time."""
        return self._frame

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        if self._counted is None or not np.array_equal(bounds, self.bounds):
            return self.frame.distinct(bounds)
        pieces = [piece for part in self._parts for piece in _codes(part, self._counted)]
        # The last place stands for the missing code, -1.
        marks = np.zeros(max((int(piece.max(initial=-1)) for piece in pieces), default=-1) + 2, np.bool_)
        for piece in pieces:
            marks[piece] = True
        return np.array([np.count_nonzero(marks[:-1])], np.int64)


def _codes(part: Part, key: Key) -> Iterator[Codes]:
    if isinstance(part, Frame):
        yield part.column(key)
    else:
        yield from part.codes(key)
