"""One layout of a frame, in time or by the codes of a key: any cells of it have the figures of their rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from tests.core.columns.rows import HUGE, KEYS, PLAN, SEAT, Row, code_of, cuts, frame, ints, row_lists, rows_of, whole
from tests.generated import examples

LAYOUTS = (None, *KEYS)


def laid_out(rows: list[Row], key: Key | None) -> tuple[Arrangement, list[Row]]:
    """An arrangement, and its rows place by place."""
    index = Index(frame(rows))
    if key is None:
        return index.time, rows
    return index.by(key), sorted(rows, key=lambda row: (code_of(key, row), row))


@examples(200)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS))
def test_any_cells_have_the_figures_of_their_rows(data: st.DataObject, rows: list[Row], key: Key | None) -> None:
    """However they lie to the steps and blocks; contiguous, with gaps, and empty; also beyond 64 bits."""
    arrangement, laid = laid_out(rows, key)
    starts, ends = data.draw(cuts(len(rows)))
    cells = [laid[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
    values = [[row.quantity for row in cell] for cell in cells]
    assert whole(arrangement.sums(starts, ends)) == [sum(cell) for cell in values]
    assert arrangement.maxima(starts, ends).tolist() == [max(cell, default=kernels.LEAST) for cell in values]
    assert arrangement.minima(starts, ends).tolist() == [min(cell, default=kernels.MOST) for cell in values]
    assert rows_of(arrangement.frame.take(arrangement.where(starts, ends))) == [row for cell in cells for row in cell]


@examples(60)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS), st.integers(0, 4), st.integers(2, 5))
def test_rows_of_edges_have_the_sums_between_them(
    data: st.DataObject, rows: list[Row], key: Key | None, lanes: int, count: int
) -> None:
    """Nothing is summed up from the last edge of one row to the first of the next."""
    arrangement, laid = laid_out(rows, key)
    edges = [sorted(data.draw(st.integers(0, len(rows))) for _ in range(count)) for _ in range(lanes)]
    found = arrangement.sums_between(np.array(edges, np.int64).reshape(lanes, count))
    assert whole(found) == [sum(row.quantity for row in laid[a:b]) for mine in edges for a, b in pairwise(mine)]


@examples(60)
@given(st.data(), row_lists(), st.sampled_from(LAYOUTS), st.sampled_from(KEYS))
def test_distinct_codes_of_cells_are_those_of_the_rows_laid_out(
    data: st.DataObject, rows: list[Row], key: Key | None, counted: Key
) -> None:
    arrangement, laid = laid_out(rows, key)
    starts, ends = data.draw(cuts(len(rows)))
    expected = [
        len({code_of(counted, row) for row in laid[a:b]} - {-1})
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    assert arrangement.order(counted).distinct(starts, ends).tolist() == expected


@pytest.mark.parametrize("key", LAYOUTS)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 64, 1_000])
def test_sums_beyond_64_bits_are_exact(size: int, key: Key | None) -> None:
    """Just below, at and above the total that one integer of 64 bits still holds."""
    for quantity in (HUGE // size - 1, HUGE // size, min(HUGE // size + 1, HUGE), HUGE):
        rows = [Row(place // 2, place + 1, quantity, place % 3, place % 2, -1) for place in range(size)]
        arrangement, _ = laid_out(rows, key)
        assert whole(arrangement.sums(ints([0]), ints([size]))) == [size * quantity]
        ends = np.arange(1, size + 1)
        assert whole(arrangement.sums(ends - 1, ends)) == [quantity] * size


@pytest.mark.parametrize("key", LAYOUTS)
def test_no_rows_and_no_cells_are_no_trouble(key: Key | None) -> None:
    arrangement, _ = laid_out([], key)
    assert whole(arrangement.sums(ints([0, 0]), ints([0, 0]))) == [0, 0]
    assert arrangement.maxima(ints([0]), ints([0])).tolist() == [kernels.LEAST]
    assert arrangement.minima(ints([0]), ints([0])).tolist() == [kernels.MOST]
    assert len(arrangement.frame.take(arrangement.where(ints([0]), ints([0])))) == 0
    filled, _ = laid_out([Row(1, 1, 5, 1)], key)
    assert whole(filled.sums(ints([]), ints([]))) == []
    assert filled.maxima(ints([]), ints([])).tolist() == []
    assert len(filled.frame.take(filled.where(ints([]), ints([])))) == 0


@examples(60)
@given(row_lists(), st.sampled_from(KEYS))
def test_a_layout_by_a_key_stands_by_code_and_time(rows: list[Row], key: Key) -> None:
    arrangement, laid = laid_out(rows, key)
    assert arrangement.codes(key).tolist() == [code_of(key, row) for row in laid]
    assert arrangement.codes(CUSTOMER).tolist() == [row.customer for row in laid]
    places = np.arange(len(rows))
    assert rows_of(arrangement.frame.take(arrangement.positions(places))) == laid
    assert len(arrangement) == len(rows)


def test_rows_that_lie_so_in_time_are_not_copied() -> None:
    rows = [Row(place, place + 1, 1, 1) for place in range(50)]
    arrangement, _ = laid_out(rows, None)
    found = arrangement.frame.take(arrangement.where(ints([3, 10]), ints([10, 40])))
    assert np.shares_memory(found.quantity, arrangement.frame.quantity)
    assert len(found) == 37


def test_orders_are_kept_until_they_are_let_go() -> None:
    arrangement, _ = laid_out([Row(1, 1, 5, 1, 0, 0), Row(2, 2, 6, 2, 1, 1)], CUSTOMER)
    made = arrangement.order(PLAN)
    arrangement.order(SEAT)
    assert arrangement.order(PLAN) is made
    assert set(arrangement.orders) == {PLAN, SEAT}
    arrangement.forget(PLAN)
    assert arrangement.orders == (PLAN,)
    assert arrangement.order(PLAN) is made


def test_bytes_are_those_of_what_was_built() -> None:
    arrangement, _ = laid_out([Row(place, place + 1, HUGE, 1, 0, 0) for place in range(200)], None)
    assert arrangement.nbytes == 0
    arrangement.prepare()
    totals = arrangement.nbytes
    assert totals == sum(limb.nbytes for limb in arrangement.running if limb is not None)
    arrangement.maxima(ints([0]), ints([200]))
    arrangement.minima(ints([0]), ints([200]))
    assert arrangement.nbytes == totals + 2 * (200 // 64) * 8
    arrangement.order(PLAN).prepare()
    assert arrangement.nbytes == totals + 2 * (200 // 64) * 8 + arrangement.order(PLAN).nbytes
