"""The order of rows by a column of codes: what one code's rows are, and how many codes a window has, without a scan.

Rows stand in places that rise with time within one code, so a window of a code is two binary searches. The number of
distinct codes of `[i, j)` is the number of its rows whose code's previous row lies before i: previous places are kept
sorted within blocks, full blocks answer together by one vectorised binary search, and only the two ragged ends are
scanned.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.types import MISSING, Codes, Ints

BLOCK = 32_768
"""Rows of a block of sorted previous places."""

FAR = np.iinfo(np.int32).max
_FEW_BLOCKS = 48
"""Blocks below which a numpy call for each takes less than the steps of searching them together."""

_WORTH_A_LOOP = 16_384
"""Mean rows of a bucket from which numpy calls for each are cheaper than one pass with a start for every row."""

_TOGETHER = 1 << 20
"""Rows of such a pass that are looked at in one step, so that what it makes stays in the processor's cache."""


class Order:
    """One column's order. The column must not change; parts are built on first use, twice at once does no harm."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    @cached_property
    def positions(self) -> NDArray[np.int32]:
        """Positions of the rows by (code, position)."""
        return kernels.order(self.codes).astype(np.int32)

    @cached_property
    def runs(self) -> tuple[Codes, Ints]:
        """The codes there are, rising, and where in `positions` each begins (one more for the end)."""
        ordered = self.codes[self.positions]
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        starts = np.concatenate(([0], changes)) if len(ordered) else changes
        return ordered[starts], np.append(starts, len(ordered)).astype(np.int64)

    @cached_property
    def previous(self) -> NDArray[np.int32]:
        """For each row the position of its code's row before it: -1 for a first one, beyond all for a missing code."""
        found = np.empty(len(self.codes), np.int32)
        codes, starts = self.runs
        found[self.positions[1:]] = self.positions[:-1]
        found[self.positions[starts[:-1]]] = -1
        if len(codes) and codes[0] == MISSING:
            found[self.positions[: starts[1]]] = FAR
        return found

    @cached_property
    def _sorted_blocks(self) -> NDArray[np.int32]:
        blocks = len(self.codes) // BLOCK
        return np.sort(self.previous[: blocks * BLOCK].reshape(blocks, BLOCK), axis=1).reshape(-1)

    def prepare(self) -> None:
        """Build everything, so that the first question does not wait."""
        _ = self.runs, self._sorted_blocks

    def parts(self) -> dict[str, NDArray[Any]]:
        """Everything, as named arrays that can be saved."""
        codes, starts = self.runs
        found = {"positions": self.positions, "previous": self.previous, "blocks": self._sorted_blocks}
        return {**found, "codes": codes, "starts": starts}

    def restore(self, parts: Mapping[str, NDArray[Any]]) -> None:
        """Take what `parts` gave when it was saved. Raises KeyError when some are missing."""
        self.positions, self.previous = parts["positions"], parts["previous"]
        self._sorted_blocks = parts["blocks"]
        self.runs = parts["codes"], parts["starts"]

    @property
    def nbytes(self) -> int:
        """Bytes of what has been built so far."""
        built = [self.__dict__.get(name) for name in ("positions", "previous", "_sorted_blocks")]
        return sum(array.nbytes for array in (*built, *self.__dict__.get("runs", ())) if array is not None)

    def distinct(self, starts: Ints, ends: Ints) -> Ints:
        """Distinct codes of each bucket `[start, end)`; missing ones do not count."""
        lengths = ends - starts
        if not len(lengths):
            return np.zeros(0, np.int64)
        contiguous = len(lengths) > 1 and np.array_equal(starts[1:], ends[:-1])
        if contiguous and int(ends[-1] - starts[0]) < len(lengths) * _WORTH_A_LOOP:
            return self._side_by_side(starts, ends)
        head, tail = -(-starts // BLOCK), ends // BLOCK
        return self._ragged(starts, ends, head, tail) + self._in_blocks(starts, head, tail)

    def distinct_between(self, start: int, end: int) -> int:
        """Distinct codes of one bucket, in plain numbers: a question about a whole window asks for no more."""
        head, tail = -(-start // BLOCK), end // BLOCK
        if tail - head > _FEW_BLOCKS:
            return int(self.distinct(np.array((start,)), np.array((end,)))[0])
        bound, previous = np.int32(start), self.previous
        if tail <= head:
            return int(np.count_nonzero(previous[start:end] < bound))
        ragged = np.count_nonzero(previous[start : head * BLOCK] < bound)
        ragged += np.count_nonzero(previous[tail * BLOCK : end] < bound)
        return int(ragged) + self._below(start, head, tail)

    def _side_by_side(self, starts: Ints, ends: Ints) -> Ints:
        first, last = int(starts[0]), int(ends[-1])
        new = np.empty(last - first, np.bool_)
        own = starts.astype(np.int32)
        steps = np.unique(np.searchsorted(ends, np.arange(first, last, _TOGETHER), side="right"))
        for some in np.split(np.arange(len(starts)), steps[1:]):
            begin, end = int(starts[some[0]]), int(ends[some[-1]])
            bound = np.repeat(own[some], (ends - starts)[some])
            np.less(self.previous[begin:end], bound, out=new[begin - first : end - first])
        return kernels.count_true(new, np.append(starts, last) - first)

    def _ragged(self, starts: Ints, ends: Ints, head: Ints, tail: Ints) -> Ints:
        found = np.zeros(len(starts), np.int64)
        previous = self.previous
        cuts = zip(starts.tolist(), ends.tolist(), (head * BLOCK).tolist(), (tail * BLOCK).tolist(), strict=True)
        for bucket, (start, end, inner, outer) in enumerate(cuts):
            # An int of Python's would be compared as int64, and every row copied to that type.
            bound = np.int32(start)
            if outer <= inner:
                found[bucket] = np.count_nonzero(previous[start:end] < bound)
            else:
                found[bucket] = np.count_nonzero(previous[start:inner] < bound)
                found[bucket] += np.count_nonzero(previous[outer:end] < bound)
        return found

    def _in_blocks(self, starts: Ints, head: Ints, tail: Ints) -> Ints:
        """New codes in the blocks that lie wholly in a bucket: how many previous places are below its start."""
        blocks = np.maximum(tail - head, 0)
        total = int(np.add.reduce(blocks))
        if total < _FEW_BLOCKS:
            cells = zip(starts.tolist(), head.tolist(), tail.tolist(), strict=True)
            return np.array([self._below(start, *inner) for start, *inner in cells], np.int64)
        found = np.zeros(len(starts), np.int64)
        bucket = np.repeat(np.arange(len(starts)), blocks)
        block = np.arange(total) - np.repeat(np.cumsum(blocks) - blocks, blocks) + head[bucket]
        below = self._all_below(block * BLOCK, starts[bucket].astype(np.int32))
        filled = blocks > 0
        found[filled] = np.add.reduceat(below, (np.cumsum(blocks) - blocks)[filled])
        return found

    def _below(self, bound: int, head: int, tail: int) -> int:
        """How many previous places of the blocks from `head` to `tail` are below a bound."""
        # numpy's search would let go of the interpreter every time, and where others wait it comes back late.
        places = self._sorted_blocks.data
        begins = range(head * BLOCK, tail * BLOCK, BLOCK)
        return sum(bisect_left(places, bound, begin, begin + BLOCK) - begin for begin in begins)

    def _all_below(self, blocks: Ints, bounds: NDArray[np.int32]) -> Ints:
        """How many of the sorted previous places of each block, given by where it begins, are below its bound."""
        # The ranges are equally long, so all searches take the same steps and none has to be looked after on its own.
        places, step = blocks.copy(), BLOCK
        while step > 1:
            step //= 2
            places += (self._sorted_blocks[places + (step - 1)] < bounds) * step
        places += self._sorted_blocks[places] < bounds
        return places - blocks

    def run(self, code: int) -> tuple[int, int]:
        """Where in `positions` the code's rows begin and end; nowhere for a code that has none."""
        # In plain numbers: numpy's searches of one value are mostly arrays made for it.
        codes, starts = self.runs
        rank = bisect_left(codes.data, code)
        low = int(starts[rank])
        return low, int(starts[rank + 1]) if rank < len(codes) and codes[rank] == code else low

    def between(self, code: int, first: int, last: int) -> tuple[int, int]:
        """Where in `positions` the code's rows from one position to another begin and end."""
        low, high = self.run(code)
        places = self.positions.data
        start = bisect_left(places, first, low, high)
        return start, bisect_left(places, last, start, high)

    def places(self, codes: Codes, positions: Ints) -> Ints:
        """For each pair where in `positions` the code's rows from that position on begin."""
        return kernels.bisect(self.positions, *kernels.runs_of(*self.runs, codes), positions)
