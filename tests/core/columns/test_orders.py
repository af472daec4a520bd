"""The order of rows by a column of codes, judged by sets of plain Python over the same rows."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import orders
from fluxrate.core.columns.orders import BLOCK, Order
from fluxrate.core.columns.types import MISSING, Codes, Ints
from tests.core.columns.rows import codes as codes_of
from tests.core.columns.rows import cuts, distinct, ints
from tests.generated import examples

ROWS = 3 * BLOCK + 12_345
lists = st.lists(st.integers(MISSING, 6), max_size=60)
positions = st.one_of(
    st.integers(0, ROWS), st.builds(lambda block, off: block * BLOCK + off, st.integers(1, 3), st.integers(-1, 1))
)


@pytest.fixture(scope="module")
def large() -> Codes:
    """More rows than three blocks, 40,000 codes with few of them busy, and missing ones."""
    rng = np.random.default_rng(5)
    found = np.minimum(rng.zipf(1.3, ROWS), 40_000).astype(np.int32)
    found[rng.integers(0, ROWS, ROWS // 10)] = MISSING
    return found


@pytest.fixture(scope="module")
def order(large: Codes) -> Order:
    return Order(large)


def expected(codes: Codes, starts: Ints, ends: Ints) -> list[int]:
    return [distinct(codes[a:b].tolist()) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


@examples(150)
@given(st.data(), lists)
def test_distinct_codes_of_any_cells_are_those_of_their_rows(data: st.DataObject, values: list[int]) -> None:
    """One after another or with gaps between them, empty ones and one alone too; missing codes never count."""
    codes = codes_of(values)
    starts, ends = data.draw(cuts(len(values)))
    assert Order(codes).distinct(starts, ends).tolist() == expected(codes, starts, ends)


@examples(80)
@given(
    st.lists(positions, min_size=2, max_size=12).map(sorted),
    st.sampled_from([0, 1_000]),
    st.sampled_from([0, ROWS]),
    st.sampled_from([1, 10_000, ROWS]),
)
def test_cells_across_the_borders_of_blocks_have_the_codes_of_their_rows(
    order: Order, large: Codes, edges: list[int], few: int, worth: int, together: int
) -> None:
    """From whole blocks and ragged ends, or in one pass of several steps; contiguous and with gaps."""
    contiguous = ints(edges[:-1]), ints(edges[1:])
    gapped = ints(edges[: len(edges) // 2 * 2 : 2]), ints(edges[1::2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "_FEW_BLOCKS", few)
        patch.setattr(orders, "_WORTH_A_LOOP", worth)
        patch.setattr(orders, "_TOGETHER", together)
        assert order.distinct(*contiguous).tolist() == expected(large, *contiguous)
        assert order.distinct(*gapped).tolist() == expected(large, *gapped)


@examples(150)
@given(st.lists(positions, min_size=2, max_size=2).map(sorted), st.sampled_from([0, 1, 1_000]))
def test_one_bucket_has_the_codes_of_its_rows(order: Order, large: Codes, edges: list[int], few: int) -> None:
    """Within a block, across a border, and over whole blocks that are searched one by one or together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "_FEW_BLOCKS", few)
        assert order.distinct_between(*edges) == distinct(large[edges[0] : edges[1]].tolist())


@pytest.mark.parametrize("count", [1, 5, 95, 120, 701])
def test_many_cells_have_the_figures_of_few(order: Order, large: Codes, count: int) -> None:
    """The pass over all rows and the loop over cells agree."""
    edges = np.linspace(0, ROWS, count + 1).astype(np.int64)
    found = order.distinct(edges[:-1], edges[1:]).tolist()
    assert found == expected(large, edges[:-1], edges[1:])
    assert found == [order.distinct(ints([a]), ints([b])).item() for a, b in pairwise(edges.tolist())]


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("start", [0, 5, BLOCK - 1, BLOCK])
def test_a_value_is_counted_once_however_far_its_rows_lie_apart(
    start: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row before is the very first of the cell, or the one just before it."""
    monkeypatch.setattr(orders, "_FEW_BLOCKS", few)
    rows = 3 * BLOCK + 9
    for again in (start + 1, start + 7, BLOCK + 3, 2 * BLOCK, 3 * BLOCK - 1, 3 * BLOCK, rows - 1):
        codes = np.arange(rows, dtype=np.int32)
        codes[again] = codes[start]
        made = Order(codes)
        assert made.distinct(ints([start]), ints([rows])).tolist() == [rows - start - (again != start)]
        assert made.distinct(ints([start + 1]), ints([rows])).tolist() == [rows - start - 1]


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("rows", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_whole_blocks_are_counted_to_the_last_row(rows: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All alike, all different, and all missing."""
    monkeypatch.setattr(orders, "_FEW_BLOCKS", few)
    for codes, count in ((np.zeros(rows), 1), (np.arange(rows), rows), (np.full(rows, MISSING), 0)):
        order = Order(codes.astype(np.int32))
        assert order.distinct(ints([0]), ints([rows])).tolist() == [count]
        assert order.distinct(ints([1, 1]), ints([rows, 1])).tolist() == [min(count, rows - 1), 0]


def test_no_cells_have_no_figures() -> None:
    assert Order(codes_of([1, 2])).distinct(ints([]), ints([])).tolist() == []


@examples(100)
@given(lists, st.integers(-3, 9))
def test_a_run_is_the_places_of_one_code(values: list[int], code: int) -> None:
    """In order of position, and nothing for a code that has no rows."""
    order = Order(codes_of(values))
    low, high = order.run(code)
    assert order.positions[low:high].tolist() == [place for place, own in enumerate(values) if own == code]


@examples(100)
@given(lists, st.lists(st.tuples(st.integers(-3, 9), st.integers(0, 60)), max_size=12))
def test_places_are_where_a_codes_rows_from_a_position_on_begin(
    values: list[int], asked: list[tuple[int, int]]
) -> None:
    """So two of them count the code's rows between two positions, none for a code that nobody has."""
    order = Order(codes_of(values))
    wanted, froms = codes_of([code for code, _ in asked]), ints([position for _, position in asked])
    ends = np.full(len(asked), len(values))
    counts = order.places(wanted, ends) - order.places(wanted, froms)
    assert counts.tolist() == [values[min(position, len(values)) :].count(code) for code, position in asked]
    for place, (code, position) in zip(order.places(wanted, froms).tolist(), asked, strict=True):
        later = [row for row in range(position, len(values)) if values[row] == code]
        assert not later or order.positions[place] == later[0]


@examples(60)
@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 70_000)), max_size=40), st.data())
def test_codes_of_two_keys_are_ordered_like_any_other(pairs: list[tuple[int, int]], data: st.DataObject) -> None:
    codes = ints([((one + 1) << 32) | (other + 1) for one, other in pairs])
    order = Order(codes)
    assert order.positions.tolist() == sorted(range(len(pairs)), key=lambda place: (pairs[place], place))
    starts, ends = data.draw(cuts(len(pairs)))
    assert order.distinct(starts, ends).tolist() == expected(codes, starts, ends)
    for code in {*codes.tolist(), 7}:
        low, high = order.run(code)
        assert order.positions[low:high].tolist() == np.flatnonzero(codes == code).tolist()


@pytest.mark.parametrize("rows", [0, 1, 3, BLOCK + 5])
def test_what_was_saved_of_an_order_answers_like_the_order(rows: int) -> None:
    chance = random.Random(rows)
    codes = codes_of([chance.randint(MISSING, 50) for _ in range(rows)])
    made = Order(codes)
    made.prepare()
    parts: dict[str, Any] = made.parts()
    again = Order(codes)
    again.restore(parts)
    assert again.nbytes == made.nbytes == sum(part.nbytes for part in parts.values())
    cells = ints([0, rows // 3, rows // 2]), ints([rows // 3, rows // 2, rows])
    assert again.distinct(*cells).tolist() == expected(codes, *cells)
    assert [again.run(code) for code in range(-1, 52)] == [made.run(code) for code in range(-1, 52)]
    for missing in parts:
        with pytest.raises(KeyError, match=missing):
            Order(codes).restore({name: part for name, part in parts.items() if name != missing})


def test_what_is_not_built_takes_no_bytes() -> None:
    order = Order(codes_of([3, 1, 2]))
    assert order.nbytes == 0
    assert order.run(1) == (0, 1)
    assert order.nbytes > 0


@examples(150)
@given(lists, st.integers(MISSING, 8), st.integers(0, 70), st.integers(0, 70))
def test_the_rows_of_a_code_between_two_positions_are_a_run(values: list[int], code: int, one: int, other: int) -> None:
    """Also of a code that has none, and of the missing one."""
    found, (first, last) = Order(codes_of(values)), sorted((one, other))
    start, end = found.between(code, first, last)
    mine = [place for place, value in enumerate(values) if value == code]
    assert found.positions[start:end].tolist() == [place for place in mine if first <= place < last]
    assert found.positions[slice(*found.run(code))].tolist() == mine
