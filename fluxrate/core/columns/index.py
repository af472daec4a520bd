"""Indexes over a large sorted frame: what a window adds up to, without a scan of it.

Sums are differences of a running total, kept in two limbs where int64 might not hold it. Extremes come from those of
blocks, with only the two ragged ends scanned. Rows by customer and distinct customers come from an `Order`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.types import Codes, Ints

STEP = 32
"""Places between two kept running totals of the order by customer; the rows between are added up when asked."""

_BLOCK = 1_024
_MOST_LOOPED = 128


class Index:
    """The indexes of one frame, which must not change. Any thread may read; building twice at once only costs time."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.customers = Order(frame.customer)
        self.newest = int(frame.seq.max(initial=0))
        self._properties: dict[tuple[str, ...], Order] = {}

    def prepare(self) -> Index:
        """Build what every question needs, so that the first one does not wait."""
        self.customers.prepare()
        _ = self._running, self._running_by_customer
        return self

    def counted(self, keys: tuple[str, ...], codes: Codes) -> Order:
        """The order of a distinct count's codes, built when it is first asked for."""
        found = self._properties.get(keys)
        if found is None:
            found = self._properties[keys] = Order(codes)
        return found

    @cached_property
    def _running(self) -> tuple[Ints, Ints | None]:
        return _running(self.frame.quantity)

    @cached_property
    def _running_by_customer(self) -> tuple[Ints, Ints | None]:
        high, low = _running(self.frame.quantity[self.customers.positions])
        return np.ascontiguousarray(high[::STEP]), None if low is None else np.ascontiguousarray(low[::STEP])

    @cached_property
    def _largest(self) -> Ints:
        return _of_blocks(np.maximum, self.frame.quantity)

    @cached_property
    def _smallest(self) -> Ints:
        return _of_blocks(np.minimum, self.frame.quantity)

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum per bucket of positions, as (high, low) limbs."""
        high, low = self._running
        return _limbs(np.diff(high[bounds]), None if low is None else np.diff(low[bounds]))

    def maxima(self, bounds: Ints, empty: int) -> Ints:
        """Largest quantity per bucket, `empty` where there is no row."""
        return _extremes(np.maximum, self.frame.quantity, self._largest, bounds, empty)

    def minima(self, bounds: Ints, empty: int) -> Ints:
        """Smallest quantity per bucket, `empty` where there is no row."""
        return _extremes(np.minimum, self.frame.quantity, self._smallest, bounds, empty)

    def sums_by_customer(self, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Exact sums of the rows that stand in the order by customer from each start to its end, as limbs."""
        (one, one_low), (two, two_low) = self._total_before(starts), self._total_before(ends)
        return _limbs(two - one, None if one_low is None or two_low is None else two_low - one_low)

    def _total_before(self, places: Ints) -> tuple[Ints, Ints | None]:
        totals, low = self._running_by_customer
        step = places // STEP
        between = (step * STEP)[:, None] + np.arange(STEP)
        last = len(self.frame) - 1
        values = self.frame.quantity[self.customers.positions[np.minimum(between, last)]]
        values = np.where(between < places[:, None], values, 0)
        if low is None:
            return totals[step] + values.sum(axis=1), None
        return totals[step] + (values >> kernels.LIMB).sum(axis=1), low[step] + (values & kernels.LOW).sum(axis=1)


def _running(values: Ints) -> tuple[Ints, Ints | None]:
    """Running totals with a leading zero: whole where the last one fits int64, else as limbs.

    Quantities are never negative, so a total that fits makes every running total fit.
    """
    high, low = int((values >> kernels.LIMB).sum()), int((values & kernels.LOW).sum())
    if (high << kernels.LIMB) + low <= kernels.INT64:
        return _from_zero(values), None
    return _from_zero(values >> kernels.LIMB), _from_zero(values & kernels.LOW)


def _from_zero(values: Ints) -> Ints:
    totals = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=totals[1:])
    return totals


def _limbs(high: Ints, low: Ints | None) -> tuple[Ints, Ints]:
    return (high >> kernels.LIMB, high & kernels.LOW) if low is None else (high, low)


def _of_blocks(ufunc: np.ufunc, values: Ints) -> Ints:
    blocks = len(values) // _BLOCK
    found: Ints = ufunc.reduce(values[: blocks * _BLOCK].reshape(blocks, _BLOCK), axis=1)
    return found


def _extremes(ufunc: np.ufunc, values: Ints, blocks: Ints, bounds: Ints, empty: int) -> Ints:
    if len(bounds) > _MOST_LOOPED:
        # The ragged ends of many buckets are most of their rows: one pass beats a loop over buckets.
        return kernels.reduce_buckets(ufunc, values, bounds, empty)
    pairs = zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    return np.array([_extreme(ufunc, values, blocks, first, last, empty) for first, last in pairs], np.int64)


def _extreme(ufunc: np.ufunc, values: Ints, blocks: Ints, first: int, last: int, empty: int) -> int:
    if first == last:
        return empty
    head, tail = -(-first // _BLOCK), last // _BLOCK
    if tail <= head:
        return int(ufunc.reduce(values[first:last]))
    parts = (values[first : head * _BLOCK], blocks[head:tail], values[tail * _BLOCK : last])
    return int(ufunc.reduce([int(ufunc.reduce(part)) for part in parts if len(part)]))
