"""Pages out of several sorted runs, judged by sorting everything and cutting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import paging
from fluxrate.core.columns.frame import Frame
from tests.generated import examples

Run = list[tuple[int, int]]
"""(time, sequence)"""

instants = st.one_of(st.integers(0, 4), st.sampled_from([0, 2**40, 2**62 - 1]), st.integers(-5, 10_000))


@st.composite
def run_lists(draw: st.DrawFn) -> list[Run]:
    """Up to five runs that overlap in time; few instants, so that many rows tie, also across runs."""
    rows = draw(st.lists(st.tuples(instants, st.integers(0, 4)), max_size=40))
    runs: list[Run] = [[] for _ in range(5)]
    for seq, (ts, run) in enumerate(rows, 1):
        runs[run].append((ts, seq))
    return [sorted(run) for run in runs if run or draw(st.booleans())]


def frames(runs: list[Run]) -> list[Frame]:
    return [
        Frame(
            np.array([ts for ts, _ in run], np.int64),
            np.array([seq for _, seq in run], np.int64),
            np.zeros(len(run), np.int64),
            np.zeros(len(run), np.int32),
        )
        for run in runs
    ]


@examples(60)
@given(run_lists())
def test_every_page_of_every_size_is_a_slice_of_the_whole_list(runs: list[Run]) -> None:
    newest = [seq for _, seq in sorted((row for run in runs for row in run), reverse=True)]
    made = frames(runs)
    for size in range(1, len(newest) + 2):
        for offset in range(0, len(newest) + 1, size):
            assert paging.page(made, offset, size).tolist() == newest[offset : offset + size]


@examples(60)
@given(run_lists(), st.integers(0, 45), st.integers(0, 45))
def test_any_offset_and_size_will_do(runs: list[Run], offset: int, size: int) -> None:
    newest = [seq for _, seq in sorted((row for run in runs for row in run), reverse=True)]
    assert paging.page(frames(runs), offset, size).tolist() == newest[offset : offset + size]


@pytest.mark.parametrize("runs", [[], [[]], [[(1, 1)]]])
def test_a_page_after_the_last_row_is_empty(runs: list[Run]) -> None:
    assert paging.page(frames(runs), 1, 50).tolist() == []


def test_rows_of_one_instant_are_newest_arrival_first_across_runs() -> None:
    runs = [[(7, 1), (7, 4)], [(7, 2), (7, 3)]]
    assert paging.page(frames(runs), 0, 10).tolist() == [4, 3, 2, 1]
