"""Sorted columns of one meter, and the snapshot that readers hold.

A `Frame` is a set of equally long read-only arrays in (time, sequence) order. A `Snapshot` is a large base frame and a
small tail of what came since; both are immutable, so a reader takes a reference once and needs no lock. New rows go into
the tail, which is folded into the base when it has grown to an eighth of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

MISSING = -1
"""The code of a metadata key that an event does not have."""

_FOLD_MINIMUM = 4096
_FOLD_FRACTION = 8


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Events of one meter in (time, sequence) order.

    `ts` UTC microseconds, `seq` ingest sequence, `quantity` in the meter's smallest unit, `customer` the customer's key,
    `meta` dictionary codes per metadata key (`MISSING` where absent), `property` the codes a distinct count reads.
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

    def with_property(self, codes: Codes) -> Frame:
        """The same rows with the column that distinct counts read."""
        return replace(self, property=codes)


EMPTY = Frame(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))


def merge(frames: Sequence[Frame]) -> Frame:
    """One frame of all rows; equal times stand in order of sequence.

    Frames are given oldest arrivals first, so that a stable sort by time alone keeps the sequence order. On a few sorted
    runs numpy's stable sort merges in linear time.
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


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything known of one meter at one sequence: `base` is large and old, `tail` small and new (by arrival)."""

    base: Frame = EMPTY
    tail: Frame = EMPTY

    def __post_init__(self) -> None:
        for frame in (self.base, self.tail):
            arrays: tuple[NDArray[Any], ...] = (frame.ts, frame.seq, frame.quantity, frame.customer)
            for array in (*arrays, *frame.meta.values()):
                array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.base) + len(self.tail)

    def extended(self, rows: Frame) -> Snapshot:
        """A snapshot with rows that arrived later, in any order of time."""
        tail = merge([self.tail, rows])
        if len(tail) <= max(_FOLD_MINIMUM, len(self.base) // _FOLD_FRACTION):
            return Snapshot(self.base, tail)
        return Snapshot(merge([self.base, tail]))

    def folded(self) -> Snapshot:
        """The same rows with nothing left in the tail."""
        return Snapshot(merge([self.base, self.tail])) if len(self.tail) else self

    def parts(self, start: int, end: int) -> list[Frame]:
        """The rows of `[start, end)`: no, one or two frames, oldest arrivals first."""
        return [part for part in (self.base.window(start, end), self.tail.window(start, end)) if len(part)]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All meters at one ingest sequence; swapped whole, so answers about several meters agree with each other."""

    seq: int = 0
    meters: Mapping[int, Snapshot] = field(default_factory=dict)

    def snapshot(self, meter_pk: int) -> Snapshot:
        """The meter's rows; none for a meter that has no events."""
        return self.meters.get(meter_pk) or Snapshot()
