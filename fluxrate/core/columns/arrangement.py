"""A frame's rows laid out in order of time, or by (code, time), with what answers for any stretch of them unscanned.

A *place* is a row's number in the layout; in order of time it is the row's position in the frame. Sums are differences
of a running total that is kept every few places, in two limbs where int64 might not hold it; the places between are
added up when asked. Extremes come from those of blocks. Distinct values come from an `Order` of the laid out codes.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns import kernels
from fluxrate.core.columns.changes import Change
from fluxrate.core.columns.frame import Frame, Where
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.types import Codes, Ints

TIME_STEP = 8
CODE_STEP = 4
"""Places between two kept totals: rows by time lie side by side and are added up cheaply, rows by code do not."""

_BLOCK = 64
_STEPS = np.arange(TIME_STEP)

Places = NDArray[np.signedinteger]
Running = tuple[Ints, Ints | None]


class Arrangement:
    """One layout of a frame that must not change. Any thread may read; building twice at once only costs time."""

    def __init__(
        self, frame: Frame, key: Key | None = None, lanes: Order | None = None, *, every_total: bool = False
    ) -> None:
        """Laid out by time, or by the codes of `key`, whose order is `lanes`. With `every_total` the one before each
        place is kept, which takes 8 bytes a row and leaves nothing to add up.
        """
        self.frame = frame
        self._step = 1 if every_total else TIME_STEP if lanes is None else CODE_STEP
        self.key = key
        self.lanes = lanes
        self._orders: dict[Key, Order] = {}

    def __len__(self) -> int:
        return len(self.frame)

    def positions(self, places: Places) -> Places:
        """Where in the frame the rows at these places are."""
        return places if self.lanes is None else self.lanes.positions[places]

    def codes(self, key: Key) -> Codes:
        """The codes of a key as laid out."""
        codes = self.frame.column(key)
        return codes if self.lanes is None else codes[self.lanes.positions]

    def order(self, key: Key) -> Order:
        """The order of the laid out codes of a key; built when first asked for."""
        found = self._orders.get(key)
        if found is None:
            found = self._orders.setdefault(key, Order(self.codes(key)))
        return found

    @property
    def orders(self) -> tuple[Key, ...]:
        """The keys whose order has been asked for."""
        return tuple(self._orders)

    def drop(self, key: Key) -> None:
        """Let go of the order of one key."""
        self._orders.pop(key, None)

    def forget(self, but: Key) -> None:
        """Let go of the orders of all keys but one."""
        self._orders = {key: order for key, order in list(self._orders.items()) if key == but}

    def take_over(self, former: Arrangement, change: Change) -> dict[Key, Change]:
        """Have the orders of the arrangement that this one came of by a change; gives how each of them has changed."""
        changes: dict[Key, Change] = {}
        for key, order in list(former._orders.items()):
            self._orders[key], changes[key] = change.order(order, self.codes(key))
        return changes

    def where(self, starts: Ints, ends: Ints) -> Where:
        """Where in the frame the rows of the cells `[start, end)` are, one after another: a slice if they lie so."""
        if len(starts) == 0:
            return slice(0, 0)
        if np.array_equal(starts[1:], ends[:-1]):
            whole = slice(int(starts[0]), int(ends[-1]))
            return whole if self.lanes is None else self.lanes.positions[whole]
        return self.positions(kernels.ranges(starts, ends))

    def sums(self, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Exact sum per cell of places `[start, end)`, as (high, low) limbs."""
        if len(starts) and np.array_equal(starts[1:], ends[:-1]):
            return self.sums_between(np.concatenate((starts, ends[-1:])))
        (one, one_low), (two, two_low) = self._total_before(starts), self._total_before(ends)
        return _limbs(two - one, None if one_low is None or two_low is None else two_low - one_low)

    def sums_between(self, edges: Ints) -> tuple[Ints, Ints]:
        """Exact sum of the places between each two edges, as (high, low) limbs; of several rows of edges one after
        another.
        """
        high, low = self._total_before(edges.ravel())
        shape = edges.shape
        return _limbs(_steps(high.reshape(shape)), None if low is None else _steps(low.reshape(shape)))

    def maxima(self, starts: Ints, ends: Ints) -> Ints:
        """Largest quantity per cell of places; `kernels.LEAST` where there is no row."""
        return kernels.extremes(np.maximum, self._quantities, self._largest, (starts, ends), kernels.LEAST, _BLOCK)

    def minima(self, starts: Ints, ends: Ints) -> Ints:
        """Smallest quantity per cell of places; `kernels.MOST` where there is no row."""
        return kernels.extremes(np.minimum, self._quantities, self._smallest, (starts, ends), kernels.MOST, _BLOCK)

    def prepare(self) -> None:
        """Build the running totals, so that the first question does not wait."""
        _ = self.running

    @property
    def nbytes(self) -> int:
        """Bytes of what has been built so far beside the frame."""
        own = [self.__dict__.get(name) for name in ("_largest", "_smallest")] + list(self.__dict__.get("running", ()))
        orders = sum(order.nbytes for order in list(self._orders.values()))
        return orders + sum(int(array.nbytes) for array in own if array is not None)

    def _quantities(self, places: Ints) -> Ints:
        found: Ints = self.frame.quantity[self.positions(places)]
        return found

    @cached_property
    def running(self) -> Running:
        """Totals before every so many places, as one array or as limbs."""
        values = self.frame.quantity if self.lanes is None else self.frame.quantity[self.lanes.positions]
        high, low = _running(values)
        return high[:: self._step].copy(), None if low is None else low[:: self._step].copy()

    @cached_property
    def _largest(self) -> Ints:
        return self._of_blocks(np.maximum)

    @cached_property
    def _smallest(self) -> Ints:
        return self._of_blocks(np.minimum)

    def _of_blocks(self, ufunc: np.ufunc) -> Ints:
        values = self.frame.quantity if self.lanes is None else self.frame.quantity[self.lanes.positions]
        blocks = len(values) // _BLOCK
        found: Ints = ufunc.reduce(values[: blocks * _BLOCK].reshape(blocks, _BLOCK), axis=1)
        return found

    def _total_before(self, places: Ints) -> Running:
        totals, low = self.running
        if self._step == 1:
            return totals[places], None if low is None else low[places]
        step = places // self._step
        if not len(self):
            return totals[step], None
        between = (step * self._step)[:, None] + _STEPS[: self._step]
        values = self._quantities(np.minimum(between, len(self) - 1))
        values *= between < places[:, None]
        if low is None:
            return totals[step] + np.add.reduce(values, axis=1), None
        return totals[step] + (values >> kernels.LIMB).sum(axis=1), low[step] + (values & kernels.LOW).sum(axis=1)


def _running(values: Ints) -> Running:
    """Running totals with a leading zero: whole where the last one fits int64, else as limbs.

    Quantities are never negative, so a total that fits makes every running total fit.
    """
    high, low = int((values >> kernels.LIMB).sum()), int((values & kernels.LOW).sum())
    if (high << kernels.LIMB) + low <= kernels.MOST:
        return _from_zero(values), None
    return _from_zero(values >> kernels.LIMB), _from_zero(values & kernels.LOW)


def _steps(totals: Ints) -> Ints:
    """What each total is more than the one before it in its row."""
    return (totals[..., 1:] - totals[..., :-1]).ravel()


def _limbs(high: Ints, low: Ints | None) -> tuple[Ints, Ints]:
    return (high >> kernels.LIMB, high & kernels.LOW) if low is None else (high, low)


def _from_zero(values: Ints) -> Ints:
    totals = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=totals[1:])
    return totals
