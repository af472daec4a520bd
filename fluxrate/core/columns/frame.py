"""Sorted columns of one meter: a `Frame` is a set of equally long arrays in (time, sequence) order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.types import MISSING, Codes, Ints


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

    def take(self, where: NDArray[Any]) -> Frame:
        """The rows a mask or an index array names, in that order; copies."""
        return Frame(
            self.ts[where],
            self.seq[where],
            self.quantity[where],
            self.customer[where],
            {key: codes[where] for key, codes in self.meta.items()},
            self.property[where] if len(self.property) else self.property,
        )

    def window(self, start: int, end: int) -> Frame:
        """The rows whose time lies in `[start, end)`, as views."""
        first, last = np.searchsorted(self.ts, (start, end))
        return self if last - first == len(self) else self.slice(int(first), int(last))

    def bounds(self, edges: Ints) -> Ints:
        """The positions where edges of time cut the rows."""
        return np.searchsorted(self.ts, edges)

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as (high, low) limbs."""
        return kernels.sums(self.quantity, bounds)

    def maxima(self, bounds: Ints, empty: int) -> Ints:
        """Largest quantity per bucket."""
        return kernels.maxima(self.quantity, bounds, empty)

    def minima(self, bounds: Ints, empty: int) -> Ints:
        """Smallest quantity per bucket."""
        return kernels.minima(self.quantity, bounds, empty)

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        return kernels.distinct(self.property, bounds)

    def distinct_customers(self) -> int:
        """How many customers have a row."""
        return int(np.count_nonzero(np.bincount(self.customer)))

    def with_property(self, codes: Codes) -> Frame:
        """The same rows with the column that distinct counts read."""
        return replace(self, property=codes)


EMPTY = Frame(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))


def merge(frames: Sequence[Frame]) -> Frame:
    """One frame of all rows; equal times stand in order of sequence.

    Frames are given oldest arrivals first, so that a stable sort by time alone keeps the sequence order. On a few
    sorted runs numpy's stable sort merges in linear time.
    """
    filled = [frame for frame in frames if len(frame)]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    ts = np.concatenate([frame.ts for frame in filled])
    order = np.argsort(ts, kind="stable")
    keys = dict.fromkeys(key for frame in filled for key in frame.meta)
    has_property = all(len(frame.property) == len(frame) for frame in filled)
    return Frame(
        ts[order],
        np.concatenate([frame.seq for frame in filled])[order],
        np.concatenate([frame.quantity for frame in filled])[order],
        np.concatenate([frame.customer for frame in filled])[order],
        {key: np.concatenate([frame.codes(key) for frame in filled])[order] for key in keys},
        np.concatenate([frame.property for frame in filled])[order] if has_property else EMPTY.property,
    )
