"""Frames and snapshots: sorted, immutable, and never losing a row between base and tail."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import EMPTY, Frame, merge
from fluxrate.core.columns.snapshot import Snapshot, State
from fluxrate.core.columns.types import MISSING
from tests.generated import examples

Row = tuple[int, int, int, int, int]
"""(time, sequence, quantity, customer, code of the key "plan")"""


def frame(rows: Sequence[Row], *, plan: bool = True) -> Frame:
    """The rows in order of (time, sequence)."""
    rows = sorted(rows)
    ts, seq, quantity, customer, code = (
        np.array([row[column] for row in rows], dtype)
        for column, dtype in enumerate((np.int64, np.int64, np.int64, np.int32, np.int32))
    )
    return Frame(ts, seq, quantity, customer, {"plan": code} if plan else {})


def rows_of(found: Frame) -> list[Row]:
    plan = found.meta.get("plan", np.full(len(found), MISSING))
    columns = (found.ts, found.seq, found.quantity, found.customer, plan)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[Row]]:
    """Several batches as they arrive: the sequence always grows, the time does as it likes and often ties."""
    sizes = draw(st.lists(st.integers(0, 12), min_size=1, max_size=5))
    seq = 0
    batches = []
    for size in sizes:
        batch = []
        for _ in range(size):
            seq += draw(st.integers(1, 3))
            batch.append((draw(st.integers(0, 6)), seq, seq * 10, draw(st.integers(1, 3)), draw(st.integers(-1, 2))))
        batches.append(batch)
    return batches


@examples(100)
@given(arrivals())
def test_merging_gives_all_rows_in_order_of_time_then_sequence(batches: list[list[Row]]) -> None:
    found = merge([frame(batch) for batch in batches])
    assert rows_of(found) == sorted(row for batch in batches for row in batch)


@examples(100)
@given(arrivals(), st.integers(-1, 8), st.integers(-1, 8))
def test_a_window_is_half_open(batches: list[list[Row]], start: int, end: int) -> None:
    rows = sorted(row for batch in batches for row in batch)
    found = rows_of(frame(rows).window(start, max(start, end)))
    assert found == [row for row in rows if start <= row[0] < end]


@examples(100)
@given(arrivals(), st.integers(-1, 8), st.integers(-1, 8))
def test_the_parts_of_a_snapshot_hold_every_row_of_the_window_once(
    batches: list[list[Row]], start: int, end: int
) -> None:
    snapshot = Snapshot(frame(batches[0]))
    for batch in batches[1:]:
        snapshot = snapshot.extended(frame(batch))
    rows = [row for batch in batches for row in batch]
    parts = snapshot.parts(start, max(start, end))
    assert all(map(len, parts)), "an empty part is left out"
    assert sorted(row for part in parts for row in rows_of(part)) == sorted(
        row for row in rows if start <= row[0] < end
    )
    assert len(snapshot) == len(rows)
    assert rows_of(snapshot.folded().base) == sorted(rows)
    assert not len(snapshot.folded().tail)


def test_a_row_whose_frame_lacks_a_metadata_key_has_it_missing_after_a_merge() -> None:
    first, second = frame([(1, 1, 5, 1, 4)]), frame([(0, 2, 6, 1, 9)], plan=False)
    assert rows_of(merge([first, second])) == [(0, 2, 6, 1, MISSING), (1, 1, 5, 1, 4)]


def test_merging_nothing_is_an_empty_frame() -> None:
    assert len(merge([])) == 0
    assert len(merge([EMPTY, EMPTY])) == 0


def test_a_large_tail_is_folded_into_the_base_and_a_small_one_is_not() -> None:
    rows = [(second, second + 1, 1, 1, 0) for second in range(5_000)]
    snapshot = Snapshot().extended(frame(rows[:100]))
    assert (len(snapshot.base), len(snapshot.tail)) == (0, 100)
    snapshot = snapshot.extended(frame(rows[100:]))
    assert (len(snapshot.base), len(snapshot.tail)) == (5_000, 0)
    snapshot = snapshot.extended(frame([(7, 6_000, 1, 1, 0)]))
    assert (len(snapshot.base), len(snapshot.tail)) == (5_000, 1)


def test_a_snapshot_that_a_reader_holds_stays_as_it_was() -> None:
    older = Snapshot().extended(frame([(1, 1, 5, 1, 0)]))
    newer = older.extended(frame([(0, 2, 6, 1, 1)]))
    assert rows_of(older.tail) == [(1, 1, 5, 1, 0)]
    assert rows_of(newer.tail) == [(0, 2, 6, 1, 1), (1, 1, 5, 1, 0)]


def test_no_reader_can_write_into_a_snapshot() -> None:
    snapshot = Snapshot(frame([(1, 1, 5, 1, 0)]), frame([(2, 2, 6, 1, 0)]))
    for part in snapshot.parts(0, 9):
        for column in (part.ts, part.seq, part.quantity, part.customer, part.meta["plan"]):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 9


def test_taking_rows_takes_every_column_along() -> None:
    rows = frame([(1, 1, 5, 1, 0), (2, 2, 6, 2, 1), (3, 3, 7, 3, 2)]).with_property(np.array([4, 5, 6], np.int32))
    found = rows.take(np.array([True, False, True]))
    assert rows_of(found) == [(1, 1, 5, 1, 0), (3, 3, 7, 3, 2)]
    assert found.property.tolist() == [4, 6]


def test_a_meter_without_events_has_an_empty_snapshot() -> None:
    assert len(State(Coder(json.loads), 5).snapshot(1)) == 0
    assert State(Coder(json.loads), 5).snapshot(1).parts(0, 1 << 62) == []
