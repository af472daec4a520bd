"""Pages out of several sorted runs, judged by sorting everything and cutting."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import paging
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.paging import At, Everything, Kept, Picked, Run
from tests.core.columns.rows import ints, some_of
from tests.generated import examples

instants = st.one_of(st.integers(0, 4), st.sampled_from([0, 2**40, 2**62 - 1]), st.integers(-5, 10_000))


@dataclass
class Case:
    """A run, and the places of the rows it should have."""

    run: Run
    places: list[int]

    @property
    def rows(self) -> list[tuple[int, int]]:
        """(time, sequence)"""
        return [(int(self.run.frame.ts[place]), int(self.run.frame.seq[place])) for place in self.places]


def frame(rows: list[tuple[int, int]]) -> Frame:
    size = len(rows)
    return Frame(
        ints([ts for ts, _ in rows]), ints([seq for _, seq in rows]), np.zeros(size, np.int64), np.zeros(size, np.int32)
    )


@st.composite
def picks(draw: st.DrawFn, size: int) -> tuple[Picked, list[int]]:
    """Some rows out of so many, said in one of three ways."""
    kind, some = draw(st.sampled_from(["window", "listed", "kept"])), draw(some_of(size))
    first, last = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
    if kind == "window":
        return Everything(first, last, ints(some)), [place for place in range(first, last) if place not in some]
    if kind == "listed":
        return At(np.array(some, draw(st.sampled_from([np.int32, np.int64])))), some
    mask = np.isin(np.arange(first, last), some)
    return Kept(first, mask), [place for place in some if first <= place < last]


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    """Up to five runs that overlap in time; few instants, so that many rows tie, also across runs."""
    rows = draw(st.lists(st.tuples(instants, st.integers(0, 4)), max_size=40))
    runs: list[list[tuple[int, int]]] = [[] for _ in range(5)]
    for seq, (ts, number) in enumerate(rows, 1):
        runs[number].append((ts, seq))
    made: list[Case] = []
    for run, counts in zip(runs, draw(st.lists(st.booleans(), min_size=5, max_size=5)), strict=True):
        if run or counts:
            picked, places = draw(picks(len(run)))
            made.append(Case(Run(frame(sorted(run)), picked), places))
    return made


def newest_first(found: list[Case]) -> list[int]:
    return [seq for _, seq in sorted((row for case in found for row in case.rows), reverse=True)]


@examples(100)
@given(cases())
def test_every_page_of_every_size_is_a_slice_of_the_whole_list(found: list[Case]) -> None:
    """Whichever of the rows are meant, and however it is said."""
    newest, runs = newest_first(found), [case.run for case in found]
    assert [len(run) for run in runs] == [len(case.places) for case in found]
    for size in range(1, len(newest) + 2):
        for offset in range(0, len(newest) + 1, size):
            assert paging.page(runs, offset, size).tolist() == newest[offset : offset + size]


@examples(100)
@given(cases(), st.integers(0, 45), st.integers(0, 45))
def test_any_offset_and_size_will_do(found: list[Case], offset: int, size: int) -> None:
    expected = newest_first(found)[offset : offset + size]
    assert paging.page([case.run for case in found], offset, size).tolist() == expected


@examples(150)
@given(st.data(), st.integers(0, 30))
def test_rows_before_and_between_positions_are_those_picked(data: st.DataObject, size: int) -> None:
    """Counted and listed; also with blocks that a few rows fill."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "_BLOCK", data.draw(st.sampled_from([1, 4, 1_000])))
        picked, places = data.draw(picks(size))
        for first in range(size + 1):
            assert picked.before(first) == sum(place < first for place in places)
            for last in (first, (first + size) // 2, size):
                expected = [place for place in places if first <= place < last]
                assert picked.between(first, last).tolist() == expected


def test_rows_that_a_mask_keeps_are_counted_across_blocks() -> None:
    """Many rows, of which the first, the last and some in between are kept."""
    size, first = 3 * paging._BLOCK + 17, 5
    chance = random.Random(3)
    places = sorted({0, paging._BLOCK - 1, paging._BLOCK, size - 1, *chance.sample(range(size), 500)})
    mask = np.zeros(size, np.bool_)
    mask[places] = True
    kept = Kept(first, mask)
    whole = Run(frame([(place, place + 1) for place in range(size + 10)]), kept)
    newest = [place + first + 1 for place in reversed(places)]
    assert len(whole) == len(newest)
    for offset in (0, 1, 250, len(newest) - 3, len(newest)):
        assert paging.page([whole], offset, 50).tolist() == newest[offset : offset + 50]
    assert kept.before(paging._BLOCK + first) == sum(place < paging._BLOCK for place in places)


@pytest.mark.parametrize("rows", [None, [], [(1, 1)]])
def test_a_page_after_the_last_row_is_empty(rows: list[tuple[int, int]] | None) -> None:
    runs = [] if rows is None else [Run(frame(rows), Everything(0, len(rows), ints([])))]
    assert paging.page(runs, 1, 50).tolist() == []


def test_rows_of_one_instant_are_newest_arrival_first_across_runs() -> None:
    runs = [
        Run(frame([(7, 1), (7, 4)]), Everything(0, 2, ints([]))),
        Run(frame([(7, 2), (7, 3)]), At(ints([0, 1]))),
        Run(frame([(7, 5), (7, 6)]), Kept(0, np.array([False, True]))),
    ]
    assert paging.page(runs, 0, 10).tolist() == [6, 4, 3, 2, 1]
    assert paging.page(runs, 1, 2).tolist() == [4, 3]
