"""Rows as metrics read them, with some left out and some added: every figure is that of the rows that are left."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.cut import NO_ROWS, Added, Cut, Union
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.types import Ints
from tests.core.columns.rows import (
    KEYS,
    PLAN,
    SEAT,
    Row,
    cells_of,
    code_of,
    codes,
    cuts,
    ints,
    judge,
    row_lists,
    rows_of,
    some_of,
    sparse,
    whole,
)
from tests.generated import examples

LAYOUTS = (None, *KEYS)


def laid_out(rows: list[Row], key: Key | None) -> tuple[Arrangement, list[Row]]:
    """An arrangement, and its rows place by place."""
    index = Index(sparse(rows))
    if key is None:
        return index.time, rows
    return index.by(key), sorted(rows, key=lambda row: (code_of(key, row), row))


class Case:
    """A cut, and the rows that it should have, cell by cell."""

    def __init__(self, data: st.DataObject, rows: list[Row], key: Key | None, counted: Key | None = None) -> None:
        self.rows, laid = laid_out(rows, key)
        self.starts, self.ends = data.draw(cuts(len(rows)))
        removed = data.draw(some_of(len(rows)))
        self.cut = Cut(self.rows, self.starts, self.ends, ints(removed), counted)
        left_out = set(removed)
        self.cells = [
            [laid[place] for place in range(a, b) if place not in left_out]
            for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        ]


@examples(300)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS), st.sampled_from([PLAN, SEAT]))
def test_every_figure_is_that_of_the_rows_left(
    data: st.DataObject, rows: list[Row], key: Key | None, counted: Key
) -> None:
    """Whatever is left out: rows between cells, the last ones of a cell, all of it."""
    case = Case(data, rows, key, counted)
    judge(case.cut, case.cut.bounds, case.cells, counted.parts[0])
    assert len(case.cut) == sum(map(len, case.cells))
    assert rows_of(case.cut.frame) == [row for cell in case.cells for row in cell]


@examples(100)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS), st.sampled_from([PLAN, SEAT]))
def test_other_bounds_than_its_own_are_answered_too(
    data: st.DataObject, rows: list[Row], key: Key | None, counted: Key
) -> None:
    """By looking at the rows: bounds are positions among those that are left."""
    case = Case(data, rows, key, counted)
    left = [row for cell in case.cells for row in cell]
    bounds = ints(sorted(data.draw(st.lists(st.integers(0, len(left)), min_size=2, max_size=6))))
    judge(case.cut, bounds, cells_of(left, bounds), counted.parts[0])


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("removed", [[7], [6, 7], [4, 5, 6, 7], [0, 7, 8, 9], list(range(10)), [9], [3, 5, 7]])
def test_the_last_row_of_a_cell_is_the_last_that_is_left(key: Key | None, removed: list[int]) -> None:
    rows = [Row(place // 3, place + 1, place * 7 % 5, 1, 0, 0) for place in range(10)]
    arrangement, laid = laid_out(rows, key)
    starts, ends = ints([0, 4, 8, 8]), ints([2, 8, 8, 10])
    cut = Cut(arrangement, starts, ends, ints(removed), None)
    cells = [
        [laid[place] for place in range(a, b) if place not in removed]
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    judge(cut, cut.bounds, cells)


@examples(200)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS), st.sampled_from(KEYS), st.booleans())
def test_distinct_values_are_those_of_the_rows_left_and_of_added_ones(
    data: st.DataObject, rows: list[Row], key: Key | None, asked: Key, adds: bool
) -> None:
    """A value comes back when an added row has it, and goes when the last row with it is left out."""
    case = Case(data, rows, key)
    if asked == CUSTOMER == key:
        return  # only cells within one customer's lane are asked there
    chance = random.Random(len(rows))
    more = [[chance.choice(rows) for _ in range(chance.randrange(3))] if rows else [] for _ in case.cells]
    added = None
    if adds:
        before = [chance.choice(rows)] * 2 if rows else []
        every = [*before, *(row for cell in more for row in cell), *before]
        bounds = np.cumsum([len(before), *map(len, more)])
        added = Added(np.array([code_of(asked, row) for row in every], np.int64), bounds)
    cells = [[*cell, *(extra if adds else [])] for cell, extra in zip(case.cells, more, strict=True)]
    expected = [len({code_of(asked, row) for row in cell} - {-1}) for cell in cells]
    assert case.cut.distinct_of(asked, added).tolist() == expected


def test_a_value_that_only_an_added_row_has_is_counted() -> None:
    """Also one that no row of the arrangement ever had."""
    arrangement, _ = laid_out([Row(1, 1, 5, 1, 0), Row(2, 2, 5, 1, 1)], None)
    cut = Cut(arrangement, ints([0, 1]), ints([1, 2]), ints([1]), None)
    assert cut.distinct_of(PLAN, None).tolist() == [1, 0]
    assert cut.distinct_of(PLAN, Added(codes([9, -1, 9, 1]), ints([0, 2, 4]))).tolist() == [2, 2]


@examples(60)
@given(st.data(), row_lists())
def test_the_lanes_of_customers_have_one_customer_or_none(data: st.DataObject, rows: list[Row]) -> None:
    arrangement, laid = laid_out(rows, CUSTOMER)
    assert arrangement.lanes is not None
    removed = data.draw(some_of(len(rows)))
    _, lanes = arrangement.lanes.runs
    cut = Cut(arrangement, lanes[:-1], lanes[1:], ints(removed), None)
    cells = [
        [laid[place] for place in range(a, b) if place not in removed]
        for a, b in zip(lanes[:-1].tolist(), lanes[1:].tolist(), strict=True)
    ]
    assert cut.distinct_of(CUSTOMER, None).tolist() == [int(bool(cell)) for cell in cells]
    added = [place % 2 for place in range(len(cells))]
    bounds = np.cumsum([0, *added])
    own = codes([laid[int(start)].customer for start, one in zip(lanes[:-1], added, strict=True) if one])
    found = cut.distinct_of(CUSTOMER, Added(own, bounds)).tolist()
    assert found == [int(bool(cell) or one > 0) for cell, one in zip(cells, added, strict=True)]


@examples(200)
@given(st.data(), row_lists(), row_lists(first_seq=1_000), st.sampled_from(LAYOUTS))
def test_a_cut_and_added_rows_are_one_set_of_rows(
    data: st.DataObject, rows: list[Row], more: list[Row], key: Key | None
) -> None:
    """Merged cell by cell in order of time; the added rows need not begin with the first cell."""
    case = Case(data, rows, key, SEAT)
    edges = sorted(
        data.draw(st.lists(st.integers(0, len(more)), min_size=len(case.cells) + 1, max_size=len(case.cells) + 1))
    )
    bounds = ints(edges)
    column = sparse(more)
    union = Union(case.cut, column.with_property(column.column(SEAT)), bounds)
    cells = [sorted([*one, *two]) for one, two in zip(case.cells, cells_of(more, bounds), strict=True)]
    judge(union, union.bounds, cells, "seat")
    every = [row for cell in cells for row in cell]
    other = ints(sorted(data.draw(st.lists(st.integers(0, len(every)), min_size=2, max_size=5))))
    judge(union, other, cells_of(every, other), "seat")
    assert union.property.tolist() == [row.seat for row in every]
    assert union.seq.tolist() == [row.seq for row in every]


def columns(cut: Cut) -> dict[str, Any]:
    return {name: getattr(cut, name) for name in ("ts", "seq", "quantity", "customer", "property")}


def test_columns_are_those_of_the_rows_left() -> None:
    arrangement, _ = laid_out([Row(place, place + 1, place * 10, place % 2, 0, place) for place in range(6)], None)
    cut = Cut(arrangement, ints([0, 3]), ints([2, 6]), ints([1, 2, 4]), SEAT)
    assert {name: column.tolist() for name, column in columns(cut).items()} == {
        "ts": [0, 3, 5],
        "seq": [1, 4, 6],
        "quantity": [0, 30, 50],
        "customer": [0, 1, 1],
        "property": [0, 3, 5],
    }


def test_where_nothing_is_left_out_in_time_the_columns_are_views() -> None:
    arrangement, _ = laid_out([Row(place, place + 1, 1, 1) for place in range(6)], None)
    cut = Cut(arrangement, ints([1, 3]), ints([3, 5]), NO_ROWS, None)
    assert np.shares_memory(cut.ts, arrangement.frame.ts)


@pytest.mark.parametrize("removed", [[], [0], [1, 2]])
def test_a_cut_of_no_cells_and_one_of_no_rows_have_nothing(removed: list[int]) -> None:
    arrangement, _ = laid_out([Row(1, place + 1, 5, 1) for place in range(4)], None)
    nothing = Cut(arrangement, NO_ROWS, NO_ROWS, ints(removed), PLAN)
    judge(nothing, nothing.bounds, [], "plan")
    empty = Cut(arrangement, ints([1, 1]), ints([1, 1]), ints(removed), PLAN)
    judge(empty, empty.bounds, [[], []], "plan")
    assert len(nothing) == len(empty) == 0


def test_what_is_left_out_is_taken_from_sums_beyond_64_bits() -> None:
    rows = [Row(place, place + 1, kernels.MOST - place, 1) for place in range(40)]
    for key in (None, CUSTOMER):
        arrangement, _ = laid_out(rows, key)
        cut = Cut(arrangement, ints([0, 10]), ints([10, 40]), ints([0, 9, 10, 39]), None)
        expected = [sum(row.quantity for row in rows[1:9]), sum(row.quantity for row in rows[11:39])]
        assert whole(cut.sums(cut.bounds)) == expected


def test_rows_left_out_beyond_all_cells_change_nothing() -> None:
    arrangement, _ = laid_out([Row(place, place + 1, 1, 1) for place in range(9)], None)
    removed: Ints = ints([0, 1, 4, 8])
    cut = Cut(arrangement, ints([2, 5]), ints([4, 8]), removed, None)
    assert cut.removed.tolist() == []
    assert whole(cut.sums(cut.bounds)) == [2, 3]
