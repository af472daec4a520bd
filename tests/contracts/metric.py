"""The suite that every metric passes: exact figures per bucket, whatever the rows, and parts that add up to the whole.

A subclass names its `metric`; one whose figure the reference does not know says what it should be in `expected`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.frame import Frame
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from tests import reference
from tests.generated import inherited
from tests.instances import unscaled

MAX = 2**63 - 1
BEYOND_FLOAT = 2**53 + 1

Row = tuple[int, int, int, int, int]
"""(time, sequence, quantity, customer, property code; -1 where there is none)"""

quantities = st.one_of(
    st.integers(0, 5),
    st.sampled_from([MAX, MAX - 1, 2**62, 2**32, 2**32 - 1, BEYOND_FLOAT]),
    st.integers(0, MAX),
)


@st.composite
def row_lists(draw: st.DrawFn, most: int = 30) -> list[Row]:
    """Rows at few instants, so that many share one, in order of (time, sequence)."""
    drawn = draw(
        st.lists(st.tuples(st.integers(0, 9), quantities, st.integers(1, 4), st.integers(-1, 4)), max_size=most)
    )
    return sorted((ts, seq, *rest) for seq, (ts, *rest) in enumerate(drawn, 1))


def frame(rows: Sequence[Row]) -> Frame:
    """The rows as read-only columns."""
    ts, seq, quantity, customer, codes = (
        np.array([row[column] for row in rows], dtype)
        for column, dtype in enumerate((np.int64, np.int64, np.int64, np.int32, np.int32))
    )
    for column in (ts, seq, quantity, customer, codes):
        column.flags.writeable = False
    return Frame(ts, seq, quantity, customer, property=codes)


class MetricContract:
    metric: Metric

    def expected(self, rows: Sequence[Row], decimals: int) -> Number | None:
        """What the metric of these rows is."""
        events = [
            reference.Event(ts, seq, unscaled(quantity, decimals), str(customer), None if code < 0 else str(code))
            for ts, seq, quantity, customer, code in rows
        ]
        return reference.figure(self.metric.name, events, decimals)

    def partial(self, rows: Sequence[Row], edges: Sequence[int]) -> tuple[Any, list[int]]:
        columns = frame(rows)
        bounds = np.searchsorted(columns.ts, edges)
        partial = self.metric.partial(columns, bounds)
        for array in partial:
            assert array.dtype == np.int64, "a partial is made of exact integers"
            assert len(array) == len(edges) - 1, "a partial has one figure for each bucket"
        return partial, np.diff(bounds).tolist()

    def figures(self, rows: Sequence[Row], edges: Sequence[int], decimals: int = 0) -> list[Number | None]:
        return self.metric.finish(*self.partial(rows, edges), decimals)

    def check(self, rows: Sequence[Row], decimals: int = 0) -> None:
        """Compare the figure of all rows with the expected one, as to value and type."""
        (found,) = self.figures(rows, [0, 1 << 62], decimals)
        assert reference.same(found, self.expected(rows, decimals)), (found, self.expected(rows, decimals))

    @inherited(60)
    @given(row_lists(), st.lists(st.integers(0, 10), min_size=2, max_size=9), st.sampled_from([0, 2, 6, 18]))
    def test_every_bucket_has_the_figure_of_its_own_rows(
        self, rows: list[Row], edges: list[int], decimals: int
    ) -> None:
        edges.sort()
        found = self.figures(rows, edges, decimals)
        inside = [[row for row in rows if a <= row[0] < b] for a, b in pairwise(edges)]
        expected = [self.expected(bucket, decimals) for bucket in inside]
        assert list(map(repr, found)) == list(map(repr, expected))

    @inherited(60)
    @given(row_lists(), st.integers(0, 30), st.sampled_from([0, 6, 18]))
    def test_the_figure_of_two_parts_is_that_of_the_whole(self, rows: list[Row], arrived: int, decimals: int) -> None:
        """Rows that arrived later lie anywhere in time; combining their partial with the older rows' loses nothing."""
        if self.metric.combine is None:
            return
        edges = [0, 3, 3, 5, 10]
        old, old_counts = self.partial([row for row in rows if row[1] <= arrived], edges)
        late, late_counts = self.partial([row for row in rows if row[1] > arrived], edges)
        whole, counts = self.partial(rows, edges)
        assert [a + b for a, b in zip(old_counts, late_counts, strict=True)] == counts
        combined = self.metric.finish(self.metric.combine(old, late), counts, decimals)
        assert list(map(repr, combined)) == list(map(repr, self.metric.finish(whole, counts, decimals)))

    def test_no_rows_give_the_empty_figure_in_every_bucket(self) -> None:
        assert self.figures([], [0, 1, 1, 9]) == [self.metric.empty] * 3
        assert self.metric.empty == self.expected([], 0)

    def test_a_bucket_without_rows_is_empty_and_takes_nothing_from_its_neighbours(self) -> None:
        """At the start, in the middle, at the end, and twice in a row."""
        rows = [(2, 1, 7, 1, 0), (5, 2, 9, 1, 1)]
        found = self.figures(rows, [0, 1, 2, 3, 4, 5, 6, 7, 8])
        filled = {2: self.expected(rows[:1], 0), 5: self.expected(rows[1:], 0)}
        assert found == [filled.get(second, self.metric.empty) for second in range(8)]

    def test_rows_outside_every_bucket_do_not_count(self) -> None:
        rows = [(1, 1, 50, 1, 0), (4, 2, 7, 1, 1), (8, 3, 60, 1, 2)]
        assert self.figures(rows, [3, 6]) == [self.expected(rows[1:2], 0)]

    @pytest.mark.parametrize("quantity", [0, 1, BEYOND_FLOAT, MAX])
    @pytest.mark.parametrize("decimals", [0, 1, 6, 18])
    def test_one_event_alone_is_exact(self, quantity: int, decimals: int) -> None:
        self.check([(3, 1, quantity, 1, 0)], decimals)

    def test_events_at_one_instant_stand_in_the_order_they_arrived(self) -> None:
        self.check([(3, 1, 5, 1, 0), (3, 2, 9, 2, 1), (3, 7, 4, 1, 0)])

    def test_later_arrivals_win_ties_also_across_parts(self) -> None:
        if self.metric.combine is None:
            return
        old, new = [(3, 1, 5, 1, 0), (3, 4, 8, 1, 0)], [(3, 2, 6, 1, 1), (3, 9, 7, 1, 1)]
        parts = [self.partial(rows, [0, 9])[0] for rows in (old, new)]
        for one, other in (parts, parts[::-1]):
            found = self.metric.finish(self.metric.combine(one, other), [4], 0)
            assert found == [self.expected(sorted(old + new), 0)]

    @pytest.mark.parametrize("decimals", [0, 6, 18])
    def test_quantities_at_the_edge_of_64_bits_neither_wrap_nor_round(self, decimals: int) -> None:
        self.check([(second, second + 1, MAX - second, 1, 0) for second in range(5)], decimals)

    @pytest.mark.parametrize("decimals", [0, 6, 18])
    def test_numbers_a_float_cannot_hold_are_exact(self, decimals: int) -> None:
        self.check([(1, 1, BEYOND_FLOAT, 1, 0), (2, 2, BEYOND_FLOAT + 1, 2, 1), (3, 3, 1, 1, 0)], decimals)

    def test_many_large_quantities_are_exact_together(self) -> None:
        self.check([(second, second + 1, MAX, second % 7, second % 5) for second in range(10_000)])

    def test_figures_are_plain_numbers_of_python(self) -> None:
        """An int where it is whole, a Decimal without zeros at its end where not; never a float, never numpy."""
        rows = [(1, 1, 150, 1, 0), (2, 2, 100, 1, 1), (3, 3, 101, 1, 1)]
        for found in self.figures(rows, [0, 1, 2, 3, 4], 2):
            assert found is None or type(found) in (int, Decimal)
            if isinstance(found, Decimal):
                assert found != found.to_integral_value()
                assert not str(found).endswith("0")

    def test_the_rows_are_left_as_they_were(self) -> None:
        """Columns are shared by all readers: a kernel that wrote into them would raise here."""
        rows = [(1, 1, 5, 1, 0), (2, 2, 6, 1, -1)]
        columns = frame(rows)
        self.metric.partial(columns, np.array([0, 2]))
        assert columns.quantity.tolist() == [5, 6]
