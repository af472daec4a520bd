"""The suite that every metric passes: exact figures per bucket, whatever the rows, parts that add up to the whole, and
the same answers from indexes as from columns.

A subclass names its `metric`; one whose figure the reference does not know says what it should be in `expected`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.selection import Selection
from fluxrate.core.figures import Figures, figures
from fluxrate.core.groups import size
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from tests import reference
from tests.generated import inherited
from tests.instances import unscaled

MAX = 2**63 - 1
BEYOND_FLOAT = 2**53 + 1

Row = tuple[int, int, int, int, int]
"""(time, sequence, quantity, customer, property code; -1 where there is none)"""

VALUE = Key(("value",))
"""The key of the counted property."""

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
    return sorted((ts, seq, quantity, who, code) for seq, (ts, quantity, who, code) in enumerate(drawn, 1))


def frame(rows: Sequence[Row]) -> Frame:
    """The rows as read-only columns."""
    ts, seq, quantity, customer, codes = (
        np.array([row[column] for row in rows], dtype)
        for column, dtype in enumerate((np.int64, np.int64, np.int64, np.int32, np.int32))
    )
    for column in (ts, seq, quantity, customer, codes):
        column.flags.writeable = False
    return Frame(ts, seq, quantity, customer, {"value": codes}, codes)


class Indexed:
    """Rows as an answer has them: those that arrived up to a sequence in a base with indexes, without some that were
    voided since, and later ones in a tail beside it.
    """

    def __init__(self, rows: Sequence[Row], arrived: int, voided: Collection[int], edges: Sequence[int]) -> None:
        base = frame([row for row in rows if row[1] <= arrived])
        self.rows = [row for row in rows if row[1] > arrived or row[1] not in voided]
        self.edges = np.array(edges)
        self.index = Index(base)
        first, last = np.searchsorted(base.ts, self.edges[[0, -1]]).tolist()
        removed = np.flatnonzero(np.isin(base.seq, list(voided)))
        late = frame([row for row in rows if row[1] > arrived]).window(edges[0], edges[-1])
        self.selection = Selection(self.index.time, first, last, removed, (late,), VALUE)

    def buckets(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Those of the rows that lie between each two edges."""
        return [[row for row in rows if a <= row[0] < b] for a, b in pairwise(self.edges.tolist())]


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

    def check_indexed(self, rows: Indexed, decimals: int) -> None:
        """By time, by customer and by value: every figure, their total, and their order."""
        layout = rows.selection.by_time(rows.edges)
        self.check_cells(figures(self.metric, layout, decimals), rows.buckets(rows.rows), decimals)
        for key, column in ((CUSTOMER, 3), (VALUE, 4)):
            codes = rows.selection.codes(key, rows.index)
            layout = rows.selection.by(key, rows.index, rows.edges, codes)
            cells = [
                bucket
                for code in codes.tolist()
                for bucket in rows.buckets([row for row in rows.rows if row[column] == code])
            ]
            assert sum(map(len, cells)) == sum(map(len, rows.buckets(rows.rows)))
            self.check_cells(figures(self.metric, layout, decimals), cells, decimals)

    def check_cells(self, found: Figures, cells: Sequence[Sequence[Row]], decimals: int) -> None:
        assert found.counts.tolist() == list(map(len, cells))
        values = found.values()
        assert list(map(repr, values)) == [repr(self.expected(cell, decimals)) for cell in cells]
        if self.metric.combine is not None and cells:
            every = sorted(row for cell in cells for row in cell)
            assert repr(found.with_total()) == repr((values, self.expected(every, decimals)))
        filled = [cell for cell, rows in enumerate(cells) if rows]
        if self.metric.rank_by is not None:
            ranks = [array.tolist() for array in self.metric.rank_by(found.partial)]
            keys = {cell: tuple(rank[cell] for rank in ranks) for cell in filled}
            for one, other in pairwise(sorted(filled, key=keys.__getitem__)):
                assert (keys[one] < keys[other]) == (size(values[one]) < size(values[other]))
                assert size(values[one]) <= size(values[other])
        for limit in (1, 3):
            order = sorted(filled, key=lambda cell: size(values[cell]), reverse=True)
            least = [cell for cell in filled if size(values[cell]) >= size(values[order[:limit][-1]])]
            assert set(least) <= set(found.largest(limit).tolist()) <= set(filled)

    @inherited(60)
    @given(
        row_lists(),
        st.integers(0, 30),
        st.sets(st.integers(1, 30)),
        st.lists(st.integers(0, 10), min_size=2, max_size=6, unique=True),
        st.sampled_from([0, 2, 18]),
    )
    def test_indexes_without_what_was_voided_and_with_what_came_since_give_the_figures_of_the_rows_that_count(
        self, rows: list[Row], arrived: int, voided: set[int], edges: list[int], decimals: int
    ) -> None:
        self.check_indexed(Indexed(rows, arrived, voided, sorted(edges)), decimals)

    @pytest.mark.parametrize("largest", [9, MAX])
    def test_cells_of_many_rows_have_the_figures_of_the_rows_that_count(self, largest: int) -> None:
        """So many that whole blocks of the indexes lie in one cell."""
        rng = random.Random(largest)
        drawn = sorted((rng.randrange(10), seq) for seq in range(1, 2_001))
        rows = [(ts, seq, rng.randint(0, largest), rng.randrange(1, 6), rng.randrange(-1, 300)) for ts, seq in drawn]
        for voided in (0, 1, 700):
            gone = rng.sample(range(1, 1_801), voided)
            self.check_indexed(Indexed(rows, 1_800, gone, [0, 1, 5, 9]), 2)

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
