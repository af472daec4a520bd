"""Rows laid out by customer, for rankings: every customer's rows of a window one after another, each in order of time.

A frame is laid out by a sort. A stretch of an indexed frame is not laid out at all until a metric asks for a column:
what the rows add up to comes from the index, two binary searches a customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.stretch import Stretch
from fluxrate.core.columns.types import Codes, Ints


class Grouped:
    """A stretch by customer: the rows that stand in the index's order from each of `starts` to its end."""

    property = np.empty(0, np.int32)

    def __init__(self, index: Index, starts: Ints, ends: Ints) -> None:
        self._index = index
        self._starts = starts
        self._ends = ends
        self._bounds = _bounds(ends - starts)

    @cached_property
    def _frame(self) -> Frame:
        lengths = self._ends - self._starts
        places = np.repeat(self._starts - self._bounds[:-1], lengths) + np.arange(self._bounds[-1])
        return self._index.frame.take(self._index.customers.positions[places])

    @cached_property
    def ts(self) -> Ints:
        """Event time."""
        return self._frame.ts

    @cached_property
    def seq(self) -> Ints:
        """Ingest sequence."""
        return self._frame.seq

    @cached_property
    def quantity(self) -> Ints:
        """Quantity in the meter's smallest unit."""
        return self._frame.quantity

    @cached_property
    def customer(self) -> Codes:
        """Customer code."""
        return self._frame.customer

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as limbs; from the index when the buckets are the customers."""
        if np.array_equal(bounds, self._bounds):
            return self._index.sums_by_customer(self._starts, self._ends)
        return kernels.sums(self.quantity, bounds)

    def maxima(self, bounds: Ints, empty: int) -> Ints:
        """Largest quantity per bucket."""
        return kernels.maxima(self.quantity, bounds, empty)

    def minima(self, bounds: Ints, empty: int) -> Ints:
        """Smallest quantity per bucket."""
        return kernels.minima(self.quantity, bounds, empty)

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct counts need their property's column, which this layout does not carry."""
        raise NotImplementedError("a distinct count by customer reads a merged frame")


def by_customer(parts: Sequence[Frame | Stretch]) -> tuple[Codes, list[tuple[Frame | Grouped, Ints]]]:
    """All customers of the parts, rising, and for each part its rows by these customers with their bounds."""
    laid = [_stretch(part) if isinstance(part, Stretch) else _frame(part) for part in parts]
    customers = np.unique(np.concatenate([codes for codes, _, _ in laid])) if laid else np.empty(0, np.int32)
    return customers, [_aligned(customers, *each) for each in laid]


Laid = tuple[Codes, "Frame | Index", tuple[Ints, Ints]]


def _stretch(part: Stretch) -> Laid:
    order = part.index.customers
    starts, ends = order.places(part.first), order.places(part.last)
    used = ends > starts
    return order.runs[0][used], part.index, (starts[used], ends[used])


def _frame(part: Frame) -> Laid:
    order, codes, bounds = kernels.groups(part.customer)
    return codes, part.take(order), (bounds[:-1], bounds[1:])


def _aligned(
    customers: Codes, codes: Codes, rows: Frame | Index, cuts: tuple[Ints, Ints]
) -> tuple[Frame | Grouped, Ints]:
    """The same rows with an empty bucket for each customer that has none."""
    starts, ends = np.zeros((2, len(customers)), np.int64)
    places = np.searchsorted(customers, codes)
    starts[places], ends[places] = cuts
    grouped = rows if isinstance(rows, Frame) else Grouped(rows, starts, ends)
    return grouped, _bounds(ends - starts)


def _bounds(lengths: Ints) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
