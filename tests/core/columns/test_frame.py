"""Frames: sorted, immutable, and never losing a row when they are cut and merged."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.frame import EMPTY, Frame, concatenate, merge, merge_cells
from fluxrate.core.columns.keys import CUSTOMER, Key, halves
from fluxrate.core.columns.types import MISSING
from tests.core.columns.rows import (
    KEYS,
    PLAN,
    SEAT,
    Row,
    cells_of,
    code_of,
    codes,
    frame,
    ints,
    row_lists,
    rows_of,
    sparse,
)
from tests.generated import examples

SMALL = (0, 1, 2, 5, 12)
instants = st.integers(-1, 14)


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Row]]:
    """Several batches as they arrive: the sequence always grows, the time does as it likes and often ties."""
    batches, seq = [], 1
    for _ in range(draw(st.integers(1, 5))):
        batches.append(draw(row_lists(SMALL, first_seq=seq)))
        seq += len(batches[-1]) + 1
    return batches


@examples(100)
@given(arrivals())
def test_merging_gives_all_rows_in_order_of_time_then_sequence(batches: list[list[Row]]) -> None:
    found = merge([frame(batch) for batch in batches])
    assert rows_of(found) == sorted(row for batch in batches for row in batch)


@examples(150)
@given(row_lists((0, 2, 5, 30)), st.integers(0, 1 << 20))
def test_frames_out_of_order_of_arrival_are_merged_as_well(rows: list[Row], seed: int) -> None:
    """Where rows of one instant lie in several frames, and the older ones in the later of them."""
    chance = random.Random(seed)
    parts: list[list[Row]] = [[], [], [], []]
    for row in rows:
        parts[chance.randrange(4)].append(row)
    assert rows_of(merge([sparse(part) for part in parts])) == rows


def test_a_tie_out_of_order_of_arrival_is_put_right() -> None:
    """A row that was voided and is alive again at an earlier sequence is merged after those that came later."""
    later, earlier = frame([Row(5, 7, 1, 1), Row(5, 9, 1, 1)]), frame([Row(5, 3, 1, 1), Row(5, 8, 1, 1)])
    assert merge([later, earlier]).seq.tolist() == [3, 7, 8, 9]


@examples(150)
@given(st.data(), arrivals())
def test_frames_cut_into_the_same_cells_are_merged_cell_by_cell(data: st.DataObject, batches: list[list[Row]]) -> None:
    """Each cell in order of time; rows before the first bound and after the last are left out."""
    count = data.draw(st.integers(1, 6))
    parts, expected = [], [list[Row]() for _ in range(count)]
    for batch in batches:
        drawn = data.draw(st.lists(st.integers(0, len(batch)), min_size=count + 1, max_size=count + 1))
        bounds = ints(sorted(drawn))
        parts.append((frame(batch), bounds))
        for cell, mine in zip(expected, cells_of(batch, bounds), strict=True):
            cell += mine
    data.draw(st.randoms(use_true_random=False)).shuffle(parts)
    found, bounds = merge_cells(parts)
    assert cells_of(rows_of(found), bounds) == [sorted(cell) for cell in expected]


def test_what_distinct_counts_read_is_merged_along() -> None:
    one = frame([Row(1, 1, 5, 1), Row(3, 3, 5, 1)]).with_property(codes([7, 8]))
    other = frame([Row(2, 2, 5, 1)]).with_property(codes([9]))
    assert merge([one, other]).property.tolist() == [7, 9, 8]
    assert merge_cells([(one, ints([0, 1, 2])), (other, ints([0, 0, 1]))])[0].property.tolist() == [7, 9, 8]
    assert len(concatenate([one, frame([Row(4, 4, 5, 1)])]).property) == 0


@examples(100)
@given(row_lists(), instants, instants)
def test_a_window_is_half_open(rows: list[Row], start: int, end: int) -> None:
    found = rows_of(frame(rows).window(start, max(start, end)))
    assert found == [row for row in rows if start <= row.ts < end]


def test_a_window_of_all_rows_is_the_frame_itself() -> None:
    whole = frame([Row(1, 1, 5, 1), Row(2, 2, 6, 1)])
    assert whole.window(1, 3) is whole
    assert np.shares_memory(whole.window(2, 3).quantity, whole.quantity)


def test_a_row_whose_frame_lacks_a_metadata_key_has_it_missing_after_a_merge() -> None:
    first, second = frame([Row(1, 1, 5, 1, 4)], keys=("plan",)), frame([Row(0, 2, 6, 1, 9, 3)], keys=("seat",))
    assert rows_of(merge([first, second])) == [Row(0, 2, 6, 1, MISSING, 3), Row(1, 1, 5, 1, 4, MISSING)]


def test_merging_nothing_is_an_empty_frame() -> None:
    assert len(merge([])) == 0
    assert len(merge([EMPTY, EMPTY])) == 0
    assert rows_of(merge([EMPTY, frame([Row(1, 1, 5, 1)]), EMPTY])) == [Row(1, 1, 5, 1)]


@examples(60)
@given(row_lists(SMALL), st.sampled_from(KEYS))
def test_the_column_of_a_key_says_which_rows_are_alike(rows: list[Row], key: Key) -> None:
    """Of one part it is the column itself; two parts together are told apart and found again."""
    column = frame(rows).column(key)
    assert column.tolist() == [code_of(key, row) for row in rows]
    parts = [[row.customer if part is None else getattr(row, part) for part in key.parts] for row in rows]
    assert [list(key.split(code)) for code in column.tolist()] == parts
    if len(key.parts) == 2:
        assert [list(pair) for pair in zip(*(half.tolist() for half in halves(column)), strict=True)] == parts


@pytest.mark.parametrize("pair", [(MISSING, MISSING), (MISSING, 0), (0, MISSING), (2**31 - 2, 2**31 - 2), (3, 70_000)])
def test_two_codes_together_are_found_again(pair: tuple[int, int]) -> None:
    """Also the largest, and those of rows that have neither value; the missing code comes before all others."""
    joined = Key(("plan", "seat")).join([codes([pair[0]]), codes([pair[1]])])
    assert Key(("plan", "seat")).split(int(joined[0])) == pair
    assert joined[0] >= 0


def test_a_key_that_no_row_has_is_missing_everywhere() -> None:
    found = frame([Row(1, 1, 5, 1), Row(2, 2, 6, 2)], keys=())
    assert found.column(PLAN).tolist() == [MISSING, MISSING]
    assert found.column(CUSTOMER).tolist() == [1, 2]
    assert found.column(SEAT).dtype == np.int32


@examples(100)
@given(
    st.lists(st.tuples(st.integers(-1, 1), st.integers(-1, 1)), max_size=6),
    st.sampled_from([{"plan", "seat"}, {"plan", "seat"}, {"plan"}, {"seat"}, set[str]()]),
    st.permutations(["plan", "seat", "other"]).flatmap(lambda keys: st.sampled_from([keys, keys[:2], keys[:1]])),
)
def test_one_key_covers_others_when_it_has_the_value_of_each_row(
    pairs: list[tuple[int, int]], present: set[str], keys: list[str]
) -> None:
    """The value of a row is that of the first key it has. With a key that covers, no other has to be looked at."""
    rows = [Row(place, place + 1, 1, 1, *pair) for place, pair in enumerate(pairs)]
    own = [[key for key in keys if key in present and getattr(row, key) >= 0] for row in rows]
    first = next((key for key in keys if key in present), keys[0])
    covers = all(not found or found[0] == first for found in own)
    assert frame(rows, keys=sorted(present)).covering(keys) == (first if covers else None)


def test_taking_rows_takes_every_column_along() -> None:
    rows = [Row(1, 1, 5, 1, 0), Row(2, 2, 6, 2, 1), Row(3, 3, 7, 3, 2)]
    found = frame(rows).with_property(codes([4, 5, 6])).take(np.array([True, False, True]))
    assert rows_of(found) == [rows[0], rows[2]]
    assert found.property.tolist() == [4, 6]
    assert frame(rows).with_property(codes([4, 5, 6])).slice(1, 3).property.tolist() == [5, 6]


def test_keys_can_be_left_out() -> None:
    found = frame([Row(1, 1, 5, 1, 0, 3)]).with_keys({"seat", "other"})
    assert list(found.meta) == ["seat"]
    assert rows_of(found) == [Row(1, 1, 5, 1, MISSING, 3)]


def test_nobody_writes_into_a_frozen_frame() -> None:
    made = frame([Row(1, 1, 5, 1, 0, 3)])
    made.freeze()
    parts: list[Frame] = [made, made.window(0, 9), made.slice(0, 1)]
    for part in parts:
        columns: list[Any] = [part.ts, part.seq, part.quantity, part.customer, *part.meta.values()]
        for column in columns:
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 9


def test_bytes_are_those_of_the_columns() -> None:
    made = frame([Row(place, place + 1, 5, 1) for place in range(10)])
    assert made.nbytes() == 10 * (8 + 8 + 8 + 4 + 4 + 4)
    assert EMPTY.nbytes() == 0
