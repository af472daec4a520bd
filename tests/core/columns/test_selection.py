"""Rows chosen by a question, cut by time or by the codes of a key: every cell has the figures of its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns import selection as selection_module
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.selection import Layout, Selection, span
from fluxrate.core.columns.types import Codes, Ints
from tests.core.columns.rows import (
    KEYS,
    PLAN,
    SEAT,
    Row,
    code_of,
    frame,
    ints,
    judge,
    row_lists,
    some_of,
    sparse,
    whole,
)
from tests.generated import examples

WORTHS = ((1 << 40, 0), (0, 0), (0, 2), (0, 1 << 40))
"""Rows for each customer from which counting by index is worth it, and searching in every lane: all ways are tried."""
LANES = (CUSTOMER, PLAN, SEAT)


class Case:
    """A selection of a base's window without some rows, with up to two frames, and the rows it should have."""

    def __init__(self, data: st.DataObject, base: list[Row], tails: Sequence[list[Row]], lane: Key | None) -> None:
        self.index = Index(sparse(base))
        instants = sorted(
            data.draw(st.lists(st.sampled_from([-1, 0, 1, 3, 6, 12, 500, 1_001]), min_size=2, max_size=2))
        )
        self.start, self.end = instants
        first, last = (int(place) for place in np.searchsorted(self.index.frame.ts, instants))
        removed = data.draw(some_of(len(base)))
        self.rows = [row for place, row in enumerate(base) if first <= place < last and place not in removed]
        tails = [[row for row in tail if self.start <= row.ts < self.end] for tail in tails]
        self.reach = [*base[first:last], *(row for tail in tails for row in tail)]
        self.selection = Selection(self.index.time, first, last, ints(removed))
        if lane is not None:
            every = {code_of(lane, row) for row in [*base, *(row for tail in tails for row in tail)]}
            code = data.draw(st.sampled_from([*sorted(every), 77]))
            self.selection = of_lane(self.index, lane, code, (first, last), ints(removed))
            self.rows = [row for row in self.rows if code_of(lane, row) == code]
            tails = [[row for row in tail if code_of(lane, row) == code] for tail in tails]
        frames = tuple(sparse(tail) for tail in tails)
        counted = tuple(one.with_property(one.column(SEAT)) for one in frames)
        self.selection = Selection(
            self.selection.rows, self.selection.first, self.selection.last, self.selection.removed, counted, SEAT
        )
        self.rows = sorted([*self.rows, *(row for tail in tails for row in tail)])

    def edges(self, data: st.DataObject) -> Ints:
        """Edges of time that cover the window."""
        inner = data.draw(st.lists(st.integers(-2, 1_002), max_size=8))
        return ints(sorted([min([self.start, *inner]), *inner, max([self.end, *inner])]))


def of_lane(index: Index, key: Key, code: int, window: tuple[int, int], removed: Ints) -> Selection:
    """The rows of one code between two positions, without those at the positions removed."""
    rows = index.by(key)
    assert rows.lanes is not None
    low, high = rows.lanes.run(code)
    lane = rows.lanes.positions[low:high]
    first, last = (int(place) + low for place in np.searchsorted(lane, np.array(window, np.int32)))
    places = [place for place in range(low, high) if rows.lanes.positions[place] in removed]
    return Selection(rows, first, last, ints(places))


def codes_of(key: Key, values: Sequence[int]) -> Codes:
    """Codes of a key as its column has them."""
    return np.array(values, np.int64) if len(key.parts) > 1 else np.array(values, np.int32)


def by_time(rows: Sequence[Row], edges: Ints) -> list[list[Row]]:
    pairs = zip(edges.tolist(), edges.tolist()[1:], strict=False)
    return [[row for row in rows if a <= row.ts < b] for a, b in pairs]


def judge_layout(layout: Layout, cells: list[list[Row]]) -> None:
    """The parts of a layout together, and the layout as a whole, have the figures of the cells."""
    quantities = [[row.quantity for row in cell] for cell in cells]
    parts: list[tuple[Any, Ints]] = list(layout.parts)
    sums = [whole(rows.sums(bounds)) for rows, bounds in parts]
    assert [sum(found) for found in zip(*sums, strict=True)] == [sum(values) for values in quantities]
    largest = reduce(np.maximum, [rows.maxima(bounds) for rows, bounds in parts])
    assert largest.tolist() == [max(values, default=kernels.LEAST) for values in quantities]
    assert layout.counts().tolist() == [len(cell) for cell in cells]
    assert layout.customers().tolist() == [len({row.customer for row in cell}) for cell in cells]
    rows, bounds = layout.whole()
    judge(rows, bounds, cells, "seat")


cases: Callable[..., Any] = given(
    st.data(),
    row_lists(),
    st.lists(row_lists((0, 1, 2, 7, 40), first_seq=1_000), max_size=1),
    st.one_of(st.just([]), row_lists((0, 1, 5), first_seq=2_000)),
    st.sampled_from([None, None, *LANES]),
)


@examples(250)
@cases
def test_cells_of_time_have_the_figures_of_their_rows(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    """In time and within one lane, with rows left out, with no frame beside, with one and with two."""
    case = Case(data, base, [*tails, more], lane)
    edges = case.edges(data)
    judge_layout(case.selection.by_time(edges), by_time(case.rows, edges))
    assert len(case.selection) == len(case.rows)
    assert case.selection.customers() == len({row.customer for row in case.rows})


@examples(250)
@cases
def test_cells_of_a_key_have_the_figures_of_their_rows(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    """By one key and by two together, code by code, for every code that has a row."""
    case = Case(data, base, [*tails, more], lane)
    key, edges = data.draw(st.sampled_from(KEYS)), case.edges(data)
    codes = case.selection.codes(key, case.index)
    layout = case.selection.by(key, case.index, edges, codes)
    assert np.all(np.diff(codes) > 0)
    assert set(codes.tolist()) >= {code_of(key, row) for row in case.rows}
    assert set(codes.tolist()) <= {code_of(key, row) for row in case.reach}
    cells = [
        cell for code in codes.tolist() for cell in by_time([r for r in case.rows if code_of(key, r) == code], edges)
    ]
    judge_layout(layout, cells)


@examples(150)
@cases
def test_every_code_is_laid_out_at_once(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    """The codes and the cells are those that are found one after the other."""
    case = Case(data, base, [*tails, more], lane)
    key, edges = data.draw(st.sampled_from(KEYS)), case.edges(data)
    codes, layout = case.selection.by_every(key, case.index, edges)
    assert set(codes.tolist()) >= {code_of(key, row) for row in case.rows}
    assert set(codes.tolist()) <= {code_of(key, row) for row in case.reach}
    assert np.all(np.diff(codes) > 0)
    judge_layout(
        layout,
        [c for code in codes.tolist() for c in by_time([r for r in case.rows if code_of(key, r) == code], edges)],
    )


@examples(150)
@cases
def test_only_the_codes_given_are_laid_out(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    """None, some, and also such as have no row in the window or at all."""
    case = Case(data, base, [*tails, more], lane)
    key, edges = data.draw(st.sampled_from(KEYS)), case.edges(data)
    known = sorted({code_of(key, row) for row in [*base, *more]} | {88})
    given_ = sorted(data.draw(st.lists(st.sampled_from(known), unique=True)))
    layout = case.selection.by(key, case.index, edges, codes_of(key, given_))
    judge_layout(
        layout, [c for code in given_ for c in by_time([r for r in case.rows if code_of(key, r) == code], edges)]
    )


@pytest.mark.parametrize("customers", [1, 31, 32, 33, 34, 200])
def test_few_lanes_and_many_are_cut_alike(customers: int) -> None:
    """Few are searched one by one, many all at once."""
    rows = [Row(place // 3, place + 1, place, place * 7 % customers, 0, place % 5) for place in range(600)]
    case = Selection(Index(frame(rows)).time, 10, 590, ints([10, 300, 589]), (), SEAT)
    edges = ints([3, 50, 50, 120, 197])
    index = Index(frame(rows))
    codes = case.codes(CUSTOMER, index)
    layout = case.by(CUSTOMER, index, edges, codes)
    left = [row for place, row in enumerate(rows) if 10 <= place < 590 and place not in (10, 300, 589)]
    cells = [c for code in codes.tolist() for c in by_time([r for r in left if r.customer == code], edges)]
    judge_layout(layout, cells)


@examples(150)
@cases
def test_without_some_codes_the_other_rows_are_left(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    """And as many customers as they have; the missing code is one like any other."""
    case = Case(data, base, [*tails, more], lane)
    key = data.draw(st.sampled_from(KEYS))
    known = sorted({code_of(key, row) for row in [*base, *more]} | {88})
    given_ = sorted(data.draw(st.lists(st.sampled_from(known), unique=True)))
    codes = codes_of(key, given_)
    left = [row for row in case.rows if code_of(key, row) not in given_]
    edges = case.edges(data)
    found = case.selection.without(key, codes)
    judge_layout(found.by_time(edges), by_time(left, edges))
    for counting, searching in WORTHS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selection_module, "_WORTH_COUNTING", counting)
            patch.setattr(selection_module, "_WORTH_SEARCHING", searching)
            count = case.selection.customers_without(key, case.index, codes)
        assert count == len({row.customer for row in left})
    judge_layout(case.selection.scanned().by_time(edges), by_time(case.rows, edges))


@examples(150)
@cases
def test_a_span_is_from_the_first_row_left_to_the_last(
    data: st.DataObject, base: list[Row], tails: list[list[Row]], more: list[Row], lane: Key | None
) -> None:
    case = Case(data, base, [*tails, more], lane)
    expected = (case.rows[0].ts, case.rows[-1].ts) if case.rows else None
    assert span(case.selection) == expected


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ([], (0, 9)),
        ([0, 1, 2], (3, 9)),
        ([7, 8, 9], (0, 6)),
        ([0, 9], (1, 8)),
        ([*range(9)], (9, 9)),
        ([*range(10)], None),
    ],
)
def test_rows_left_out_at_both_ends_do_not_span(removed: list[int], expected: tuple[int, int] | None) -> None:
    index = Index(frame([Row(place, place + 1, 1, 1) for place in range(10)]))
    assert span(Selection(index.time, 0, 10, ints(removed))) == expected
    assert span(Selection(index.by(CUSTOMER), 0, 10, ints(removed))) == expected


def test_an_empty_selection_has_one_empty_cell_for_each_pair_of_edges() -> None:
    index = Index(frame([]))
    selection = Selection(index.time, 0, 0)
    judge_layout(selection.by_time(ints([0, 5, 9])), [[], []])
    for key in KEYS:
        codes = selection.codes(key, index)
        layout = selection.by(key, index, ints([0, 9]), codes)
        assert (len(codes), layout.counts().tolist(), layout.customers().tolist()) == (0, [], [])
        assert selection.customers_without(key, index, codes) == 0
    assert span(selection) is None
    assert len(selection) == 0


@pytest.mark.parametrize("worth", [0, 2, 1 << 40])
def test_rows_around_the_window_are_no_rows_of_its_customers(worth: int) -> None:
    """Two customers have another plan only before the window, and only after it; a third has one in it."""
    plans = {1: [1, 0, 0, 0, 0], 2: [0, 0, 0, 0, 1], 3: [0, 0, 1, 0, 0]}
    rows = [Row(ts, 10 * ts + who, 1, who, plan) for who, mine in plans.items() for ts, plan in enumerate(mine)]
    index = Index(frame(rows))
    selection = Selection(index.time, 3, 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection_module, "_WORTH_COUNTING", 0)
        patch.setattr(selection_module, "_WORTH_SEARCHING", worth)
        assert selection._rows_of_customers(index).tolist() == [0, 3, 3, 3]
        assert selection.customers_without(PLAN, index, codes_of(PLAN, [0])) == 1
        assert selection.customers_without(PLAN, index, codes_of(PLAN, [1])) == 3
