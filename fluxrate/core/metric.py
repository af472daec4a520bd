"""What a metric is: data and four small vectorised functions, declared beside its name.

A metric reads rows that are sorted by (group, time, sequence) and cut by `bounds`, positions of length B + 1: bucket
b is the rows `bounds[b]:bounds[b + 1]`, and may be empty. The same kernel therefore serves calendar buckets, customers
and the whole window (B = 1). There is no per-row callback to misuse.

- `partial(rows, bounds)` gives a tuple of arrays of length B, exact integers.
- `combine(a, b)` merges two partials of the same buckets over different rows, or is None, said honestly: a distinct
count needs all rows at once, and the engine then merges the rows first.
- `finish(partial, counts, decimals)` turns partials into exact figures, one per bucket; a bucket without rows (count 0)
  gets `empty`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.model import Number

Ints = NDArray[np.int64]
Partial = tuple[NDArray[Any], ...]


class Rows(Protocol):
    """The columns a metric may read; equal length, read-only, `seq` breaks ties of `ts`.

    The methods answer per bucket, from an index where there is one; what they do not offer is made of the columns.
    """

    @property
    def ts(self) -> Ints:
        """Event time, UTC microseconds."""

    @property
    def seq(self) -> Ints:
        """Ingest sequence."""

    @property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit."""

    @property
    def customer(self) -> NDArray[np.signedinteger[Any]]:
        """Customer code."""

    @property
    def property(self) -> NDArray[np.signedinteger[Any]]:
        """Code of the meter's counted property; -1 where an event has none."""

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities, as limbs: `(high << 32) + low`."""

    def maxima(self, bounds: Ints) -> Ints:
        """Largest quantity, -1 where there is no row."""

    def minima(self, bounds: Ints) -> Ints:
        """Smallest quantity, the largest int64 where there is no row."""

    def lasts(self, bounds: Ints) -> tuple[Ints, Ints, Ints]:
        """Time, sequence and quantity of the last row, -1 where there is none."""

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to make a figure of a meter's events; `name` is what an API caller asks for."""

    name: str
    label: str
    partial: Callable[[Rows, Ints], Partial]
    finish: Callable[[Partial, Sequence[int], int], list[Number | None]]
    combine: Callable[[Partial, Partial], Partial] | None
    empty: Number | None
    additive: bool = False
    """Whether buckets add up to the whole, so that a share of it means something."""
    counts_things: bool = False
    """The figure counts events or values; it has no part in the meter's decimals."""
    positive_quantity: bool = False
    """Zero is refused as a quantity: it would add nothing."""
    needs_property: bool = False
    """An event without the meter's property cannot be counted and is refused."""
    gather: Callable[[Partial], Partial] | None = None
    """What a partial of one or more buckets comes to as one bucket, where that takes less than asking `combine` again
    and again.
    """
    rank_by: Callable[[Partial], Partial] | None = None
    """Integers by which filled buckets stand as their figures do, the most significant first, so that a ranking need
    not finish the figure of every customer. None where only finished figures tell.
    """
