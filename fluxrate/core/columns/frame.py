"""Sorted columns of one meter: a `Frame` is a set of equally long arrays in (time, sequence) order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.changes import Growth
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.types import MISSING, Codes, Ints

Where = slice | NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Events of one meter in (time, sequence) order.

    `ts` UTC microseconds, `seq` ingest sequence, `quantity` in the meter's smallest unit, `customer` the customer's
    key, `meta` dictionary codes per metadata key (`MISSING` where absent), `property` the codes a distinct count reads.
    """

    ts: Ints
    seq: Ints
    quantity: Ints
    customer: Codes
    meta: Mapping[str, Codes] = field(default_factory=dict)
    property: Codes = field(default_factory=lambda: np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.ts)

    def codes(self, key: str) -> Codes:
        """The codes of a metadata key, `MISSING` everywhere when no row has it."""
        codes = self.meta.get(key)
        return np.full(len(self), MISSING, np.int32) if codes is None else codes

    def freeze(self) -> None:
        """Make the columns read-only: all readers share them."""
        for column in (self.ts, self.seq, self.quantity, self.customer, *self.meta.values()):
            column.flags.writeable = False

    def nbytes(self) -> int:
        """Bytes of the columns."""
        columns: list[NDArray[Any]] = [self.ts, self.seq, self.quantity, self.customer, self.property]
        columns += self.meta.values()
        return sum(int(column.nbytes) for column in columns)

    def column(self, key: Key) -> Codes:
        """The codes of a key: of a part, or of its two parts together."""
        return key.join([self.customer if part is None else self.codes(part) for part in key.parts])

    def at(self, where: Where) -> Some:
        """The rows that a slice or positions name; nothing is copied before it is read."""
        return Some(self, where)

    def covering(self, keys: Sequence[str]) -> str | None:
        """The one key that has the value of every row that has any of the keys, of which the first present counts; the
        first key when no row has one, None when it takes several.
        """
        present = [key for key in keys if key in self.meta]
        if len(present) < 2:
            return present[0] if present else keys[0]
        first = self.meta[present[0]]
        lacking = any(bool(((first < 0) & (self.meta[key] >= 0)).any()) for key in present[1:])
        return None if lacking else present[0]

    def with_keys(self, keys: Collection[str]) -> Frame:
        """The same rows with only these metadata keys."""
        return replace(self, meta={key: codes for key, codes in self.meta.items() if key in keys})

    def slice(self, start: int, stop: int) -> Frame:
        """Rows `start:stop` as views; copies nothing."""
        cut = slice(start, stop)
        return Frame(
            self.ts[cut],
            self.seq[cut],
            self.quantity[cut],
            self.customer[cut],
            {key: codes[cut] for key, codes in self.meta.items()},
            self.property[cut],
        )

    def take(self, where: Where | NDArray[np.bool_]) -> Frame:
        """The rows a slice, a mask or an index array names, in that order; copies but for a slice."""
        return Frame(
            self.ts[where],
            self.seq[where],
            self.quantity[where],
            self.customer[where],
            {key: codes[where] for key, codes in self.meta.items()},
            self.property[where] if len(self.property) else self.property,
        )

    def between(self, start: int, end: int) -> tuple[int, int]:
        """The positions between which the rows lie whose time is in `[start, end)`."""
        # Two searches of Python's own are done before numpy has made arrays of two bounds.
        times = self.ts.data
        return bisect_left(times, start), bisect_left(times, end)

    def window(self, start: int, end: int) -> Frame:
        """The rows whose time lies in `[start, end)`, as views."""
        first, last = self.between(start, end)
        return self if last - first == len(self) else self.slice(first, last)

    def bounds(self, edges: Ints) -> Ints:
        """The positions where edges of time cut the rows."""
        return np.searchsorted(self.ts, edges)

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as (high, low) limbs."""
        return kernels.sums(self.quantity, bounds)

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity per bucket; `kernels.LEAST` where there is no row."""
        return kernels.maxima(self.quantity, bounds, kernels.LEAST)

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity per bucket; `kernels.MOST` where there is no row."""
        return kernels.minima(self.quantity, bounds, kernels.MOST)

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row per bucket; -1 where there is none."""
        ts, seq, quantity = (kernels.lasts(column, bounds, -1) for column in (self.ts, self.seq, self.quantity))
        return ts, seq, quantity

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        return kernels.distinct(self.property, bounds)

    def with_property(self, codes: Codes) -> Frame:
        """The same rows with the column that distinct counts read."""
        return replace(self, property=codes)

    def with_more(self, rows: Frame) -> tuple[Frame, Growth]:
        """These and other rows as one frame, without a column that distinct counts read, and where the others are."""
        first, last = np.searchsorted(self.ts, rows.ts), np.searchsorted(self.ts, rows.ts, side="right")
        same = np.flatnonzero(first < last)
        last[same] = kernels.bisect(self.seq, first[same], last[same], rows.seq[same])
        change = Growth(last, len(self))
        keys = dict.fromkeys((*self.meta, *rows.meta))
        whole = Frame(
            change.column(self.ts, rows.ts),
            change.column(self.seq, rows.seq),
            change.column(self.quantity, rows.quantity),
            change.column(self.customer, rows.customer),
            {key: change.column(self.codes(key), rows.codes(key)) for key in keys},
        )
        return whole, change


@dataclass(frozen=True, eq=False)
class Some:
    """Some rows of a frame; each column of them is made when it is read, because most questions read one or two."""

    frame: Frame
    where: Where

    @cached_property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit; made once, for two bounds and a sum read it."""
        found: Ints = self.frame.quantity[self.where]
        return found

    @property
    def customer(self) -> Codes:
        """Customer code."""
        return self.frame.customer[self.where]

    def column(self, key: Key) -> Codes:
        """The codes of a key: of a part, or of its two parts together."""
        return key.join([self.customer if part is None else self._codes(part) for part in key.parts])

    def _codes(self, part: str) -> Codes:
        codes = self.frame.meta.get(part)
        return np.full(len(self), MISSING, np.int32) if codes is None else codes[self.where]

    def __len__(self) -> int:
        where = self.where
        return len(range(*where.indices(len(self.frame)))) if isinstance(where, slice) else len(where)


EMPTY = Frame(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))


def concatenate(frames: Sequence[Frame]) -> Frame:
    """The rows of the frames one after another."""
    if len(frames) == 1:
        return frames[0]
    keys = dict.fromkeys(key for frame in frames for key in frame.meta)
    has_property = all(len(frame.property) == len(frame) for frame in frames)
    return Frame(
        np.concatenate([frame.ts for frame in frames]),
        np.concatenate([frame.seq for frame in frames]),
        np.concatenate([frame.quantity for frame in frames]),
        np.concatenate([frame.customer for frame in frames]),
        {key: np.concatenate([frame.codes(key) for frame in frames]) for key in keys},
        np.concatenate([frame.property for frame in frames]) if has_property else EMPTY.property,
    )


def merge(frames: Sequence[Frame]) -> Frame:
    """One frame of all rows in (time, sequence) order.

    On a few sorted runs numpy's stable sort merges in linear time. Where the frames stand in order of arrival it leaves
    equal times in order of sequence already.
    """
    filled = [frame for frame in frames if len(frame)]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    whole = concatenate(filled)
    order = np.argsort(whole.ts, kind="stable")
    ts, seq = whole.ts[order], whole.seq[order]
    if ((ts[1:] == ts[:-1]) & (seq[1:] < seq[:-1])).any():
        order = np.lexsort((whole.seq, whole.ts))
    return whole.take(order)


def merge_cells(parts: Sequence[tuple[Frame, Ints]]) -> tuple[Frame, Ints]:
    """Frames that are cut into the same cells as one, each cell in (time, sequence) order; and its bounds."""
    if len(parts) == 1:
        return parts[0]
    cells = [np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)) for _, bounds in parts]
    whole = concatenate([frame.slice(int(bounds[0]), int(bounds[-1])) for frame, bounds in parts])
    order = np.lexsort((whole.seq, whole.ts, np.concatenate(cells)))
    return whole.take(order), sum(bounds - bounds[0] for _, bounds in parts)
