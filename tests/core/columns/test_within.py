"""Rows between two bounds of quantity, and rows at loose positions, judged by plain Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.loose import Loose
from fluxrate.core.columns.paging import Several
from fluxrate.core.columns.sizes import BLOCK, Sizes
from fluxrate.core.columns.together import Together
from fluxrate.core.columns.types import MISSING
from fluxrate.core.columns.within import Within
from tests.core.columns.rows import HUGE, PLAN, SEAT, code_of, frame, ints, judge, row_lists, some_of
from tests.generated import examples

BOUNDS = st.one_of(st.integers(-2, 12), st.sampled_from([-(2**70), 2**39, 2**40, HUGE - 1, HUGE, HUGE + 1, 2**70]))


@examples(300)
@given(st.data(), row_lists(), BOUNDS, BOUNDS)
def test_rows_between_bounds_are_counted_listed_and_added_up(data: st.DataObject, rows, least: int, most: int) -> None:
    """Whatever the window cuts, whatever is left out, and however few rows fill a block."""
    sizes = Sizes(
        ints([row.quantity for row in rows]), *data.draw(st.sampled_from([(4, 2), (16, 5), (64, 64), (99, 7)]))
    )
    first, last = sorted((data.draw(st.integers(0, len(rows))), data.draw(st.integers(0, len(rows)))))
    left_out = data.draw(some_of(len(rows)))
    found = Within(frame(rows), sizes, (first, last), (least, most), ints(left_out))
    gone = set(left_out)
    places = [at for at in range(first, last) if least <= rows[at].quantity <= most and at not in gone]
    assert len(found) == len(places)
    for position in range(len(rows) + 1):
        assert found.before(position) == sum(place < position for place in places)
        for end in (position, (position + len(rows)) // 2, len(rows)):
            assert found.between(position, end).tolist() == [at for at in places if position <= at < end]
    judge(found, found.bounds, [[rows[at] for at in places]])


def test_a_block_of_the_real_size_and_one_row_more() -> None:
    """Sums beyond int64, and more rows of a block than one byte could name."""
    chance = np.random.default_rng(5)
    quantity = chance.integers(0, HUGE, BLOCK + 1, endpoint=True)
    sizes, half = Sizes(quantity), HUGE // 2
    blocks = np.arange(2)
    below = sizes.below(blocks, half)
    small = quantity < half
    assert below.tolist() == [np.count_nonzero(small[:BLOCK]), int(small[BLOCK])]
    assert sizes.positions(0, 0, int(below[0])).tolist() == np.flatnonzero(small[:BLOCK]).tolist()
    assert sizes.total(blocks, np.zeros(2, np.int64), below) == sum(quantity[small].tolist())
    assert sizes.total(blocks, below, np.array((BLOCK, 1))) == sum(quantity[~small].tolist())
    assert sizes.nbytes < 3 * len(quantity)


@examples(150)
@given(st.data(), row_lists())
def test_rows_at_any_positions_are_read_as_their_columns(data: st.DataObject, rows) -> None:
    places = data.draw(some_of(len(rows)))
    loose = Loose(frame(rows), np.array(places, data.draw(st.sampled_from([np.int32, np.int64]))))
    edge = data.draw(st.integers(0, len(places)))
    for bounds in (loose.bounds, ints([0, edge, edge, len(places)])):
        cells = [[rows[at] for at in places[a:b]] for a, b in pairwise(bounds.tolist())]
        judge(loose, bounds, cells)


@examples(200)
@given(st.data(), row_lists(), st.sampled_from([CUSTOMER, PLAN, SEAT]))
def test_rows_found_in_several_ways_are_one_set(data: st.DataObject, rows, key: Key) -> None:
    """Some between bounds, some at loose positions, some in a frame of their own; distinct values of all of them."""
    owner = [data.draw(st.integers(0, 2)) for _ in rows] if len(rows) < 20 else [at % 3 for at in range(len(rows))]
    mine = [[at for at in range(len(rows)) if owner[at] == part] for part in range(3)]
    whole, sizes = frame(rows), Sizes(ints([row.quantity for row in rows]), 16, 5)
    window = (0, len(rows))
    parts = [
        Within(whole, sizes, window, (0, HUGE), ints(sorted(mine[1] + mine[2]))),
        Loose(whole, ints(mine[1])),
        frame([rows[at] for at in mine[2]]),
    ]
    found = Together(parts, key)
    codes = {code_of(key, row) for row in rows}
    assert found.distinct(found.bounds).tolist() == [len(codes - {MISSING})]
    judge(found, found.bounds, [rows])
    least = data.draw(st.sampled_from([0, 1, 5, 2**39]))
    some = Within(whole, sizes, window, (least, HUGE), ints(mine[2]))
    codes = {code_of(key, row) for at, row in enumerate(rows) if row.quantity >= least and owner[at] != 2}
    assert Together([some], key).distinct(some.bounds).tolist() == [len(codes - {MISSING})]


@examples(150)
@given(st.data(), st.integers(0, 40))
def test_lanes_are_picked_from_as_if_they_were_one(data: st.DataObject, size: int) -> None:
    owner = data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    mine = [at for at in range(size) if owner[at] < 3]
    lanes = [np.array([at for at in mine if owner[at] == lane], np.int32) for lane in range(3)]
    gone = [at for at in data.draw(some_of(size)) if owner[at] < 3]
    several = Several(lanes, ints(gone))
    places = [at for at in mine if at not in gone]
    for first in range(size + 1):
        assert several.before(first) == sum(place < first for place in places)
        for last in (first, (first + size) // 2, size):
            assert several.between(first, last).tolist() == [at for at in places if first <= at < last]


@examples(150)
@given(st.data(), st.integers(0, 60))
def test_positions_without_others_and_two_rising_arrays_as_one(data: st.DataObject, size: int) -> None:
    places, others = data.draw(some_of(size)), data.draw(some_of(size))
    positions = np.array(places, data.draw(st.sampled_from([np.int32, np.int64])))
    assert kernels.without(positions, ints(others)).tolist() == [at for at in places if at not in others]
    apart = [at for at in others if at not in places]
    assert kernels.merged(ints(places), ints(apart)).tolist() == sorted(places + apart)
