"""Rows `[first, last)` of an indexed frame, for metrics: the same questions as a frame's, answered without a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.types import Codes, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The columns are those of the whole frame, and bounds are positions in it; `counted` orders the counted
    property.
    """

    index: Index
    first: int
    last: int
    counted: Order | None = None

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def ts(self) -> Ints:
        """Event time of the whole frame."""
        return self.index.frame.ts

    @property
    def seq(self) -> Ints:
        """Ingest sequence of the whole frame."""
        return self.index.frame.seq

    @property
    def quantity(self) -> Ints:
        """Quantity of the whole frame."""
        return self.index.frame.quantity

    @property
    def customer(self) -> Codes:
        """Customer of the whole frame."""
        return self.index.frame.customer

    @property
    def property(self) -> Codes:
        """Counted codes of the whole frame."""
        return np.empty(0, np.int32) if self.counted is None else self.counted.codes

    def frame(self) -> Frame:
        """The rows themselves, as views."""
        cut = self.index.frame.slice(self.first, self.last)
        return cut if self.counted is None else cut.with_property(self.counted.codes[self.first : self.last])

    def counting(self, keys: tuple[str, ...], codes: Codes) -> Stretch:
        """The same rows with the column that distinct counts read; `codes` are those of the whole frame."""
        return replace(self, counted=self.index.counted(keys, codes))

    def bounds(self, edges: Ints) -> Ints:
        """The positions where edges of time cut the rows."""
        return np.clip(np.searchsorted(self.ts, edges), self.first, self.last)

    def sums(self, bounds: Ints) -> tuple[Ints, Ints]:
        """Exact sum of quantities per bucket, as (high, low) limbs."""
        return self.index.sums(bounds)

    def maxima(self, bounds: Ints, empty: int) -> Ints:
        """Largest quantity per bucket."""
        return self.index.maxima(bounds, empty)

    def minima(self, bounds: Ints, empty: int) -> Ints:
        """Smallest quantity per bucket."""
        return self.index.minima(bounds, empty)

    def distinct(self, bounds: Ints) -> Ints:
        """Distinct values of the counted property per bucket."""
        if self.counted is None:
            return np.zeros(len(bounds) - 1, np.int64)
        return self.counted.distinct(bounds)

    def distinct_customers(self) -> int:
        """How many customers have a row."""
        return int(self.index.customers.distinct(np.array([self.first, self.last], np.int64))[0])

    def lacking(self, customers: Codes) -> int:
        """How many of these distinct customers have no row."""
        return len(customers) - self.index.customers.present(customers, self.first, self.last)
