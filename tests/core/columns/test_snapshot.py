"""Snapshots against a plain list of events: no row is lost or counted twice, whatever is voided, folded or asked."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import snapshot as module
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import EMPTY, merge
from fluxrate.core.columns.snapshot import Graves, Snapshot, State
from fluxrate.core.columns.types import MISSING
from tests.core.columns.growing import Meter, sizes, worlds
from tests.core.columns.rows import Row, frame, ints, rows_of
from tests.generated import examples


def counted_at(found: Snapshot, seq: int) -> list[Row]:
    """The rows that a snapshot counts at a sequence: those of the base but late and dead ones, and those beside it."""
    late = found.index.later_than(seq)
    late = np.flatnonzero(found.base.seq > seq) if late is None else late
    keep = np.ones(len(found.base), np.bool_)
    keep[late] = False
    keep[found.dead_at(seq)] = False
    beside = found.added(seq)
    assert all(map(len, beside)), "an empty frame is left out"
    return sorted([*rows_of(found.base.take(np.flatnonzero(keep))), *(row for one in beside for row in rows_of(one))])


def judge(found: Snapshot, meter: Meter) -> None:
    """All of its past is what the list says."""
    for seq in range(meter.seq + 2):
        assert counted_at(found, seq) == meter.at(seq)
    assert len(found) == len(meter.events)
    assert sorted(row for part in found.frames for row in rows_of(part)) == sorted(meter.events.values())
    assert found.newest == max(meter.events, default=0)
    last = max(((died, seq) for seq, died in meter.died.items()), default=(0, 0))
    assert found.newest_void == last


@examples(150)
@given(worlds, sizes)
def test_a_snapshot_counts_what_a_list_counts_at_any_time(meter: Meter, steps: list[tuple[int, int, bool]]) -> None:
    """With voids of rows in the base and in the tail, of this batch and of former ones, folded now and then."""
    for arrivals, voids, folds in steps:
        meter.grow(arrivals, voids)
        judge(meter.snapshot, meter)
        if folds:
            meter.snapshot = meter.snapshot.folded()
            judge(meter.snapshot, meter)
            assert (len(meter.snapshot.tail), len(meter.snapshot.dead[0])) == (0, 0)
            assert rows_of(meter.snapshot.base) == meter.now


@examples(100)
@given(worlds, sizes)
def test_a_small_base_takes_its_tail_in_at_once(meter: Meter, steps: list[tuple[int, int, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_FOLDING", 4)
        for arrivals, voids, _ in steps:
            meter.grow(arrivals, voids)
            judge(meter.snapshot, meter)
            assert not meter.snapshot.wants_folding
            assert len(meter.snapshot.tail) + len(meter.snapshot.dead[0]) <= 4


@examples(150)
@given(worlds, sizes, sizes, st.sampled_from([4, 1_000]))
def test_what_arrived_during_a_fold_is_taken_over(
    meter: Meter, steps: list[tuple[int, int, bool]], meanwhile: list[tuple[int, int, bool]], worth: int
) -> None:
    """Rows and voids, also where the small tail was folded in by a refresh meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_WORTH_FOLDING", worth)
        for arrivals, voids, _ in steps:
            meter.grow(arrivals, voids)
        before, seq = meter.snapshot, meter.seq
        for arrivals, voids, folds in meanwhile:
            meter.grow(arrivals, voids)
            if folds:
                meter.snapshot = meter.snapshot.folded()
        rows, voided = meter.snapshot.since(seq)
        assert rows_of(rows) == sorted(row for own, row in meter.events.items() if own > seq)
        assert sorted(voided) == sorted(
            (died, own, meter.events[own].ts) for own, died in meter.died.items() if died > seq
        )
        judge(before.folded().extended(rows, voided), meter)


@examples(60)
@given(worlds, sizes)
def test_a_snapshot_that_a_reader_holds_stays_as_it_was(meter: Meter, steps: list[tuple[int, int, bool]]) -> None:
    """Whatever is voided in a newer one."""
    held = []
    for arrivals, voids, folds in steps:
        meter.grow(arrivals, voids)
        meter.snapshot = meter.snapshot.folded() if folds else meter.snapshot
        held.append((meter.snapshot, meter.seq, meter.now, len(meter.snapshot)))
    for older, seq, rows, size in held:
        assert counted_at(older, seq) == rows
        assert len(older) == size


def grown(arrivals: int, voids: int) -> Meter:
    meter = Meter(random.Random(7))
    meter.grow(arrivals, voids)
    return meter


def test_a_voided_row_of_the_tail_goes_to_the_graves_and_one_of_the_base_at_the_next_fold() -> None:
    rows = [Row(1, 1, 5, 1), Row(1, 2, 6, 1), Row(1, 3, 7, 1)]
    made = Snapshot.of(frame(rows[:2])).extended(frame(rows[2:]), [(4, 3, 1), (5, 1, 1)])
    assert (len(made.base), len(made.tail), rows_of(made.graves.rows)) == (2, 0, [rows[2]])
    assert [column.tolist() for column in made.dead] == [[0], [5]]
    assert [made.dead_at(seq).tolist() for seq in (4, 5, 6)] == [[], [0], [0]]
    folded = made.folded()
    assert (rows_of(folded.base), rows_of(folded.graves.rows)) == ([rows[1]], [rows[0], rows[2]])
    assert folded.graves.died.tolist() == [5, 4]
    assert [len(column) for column in folded.dead] == [0, 0]


def test_the_dead_stand_in_order_of_their_places() -> None:
    """Though they were voided in another, in several steps."""
    rows = [Row(place, place + 1, 1, 1) for place in range(9)]
    made = Snapshot.of(frame(rows))
    for died, seq in ((10, 7), (11, 2), (12, 9), (13, 4)):
        made = made.extended(EMPTY, [(died, seq, rows[seq - 1].ts)])
    assert [column.tolist() for column in made.dead] == [[1, 3, 6, 8], [11, 13, 10, 12]]
    assert made.dead_at(11).tolist() == [1, 6]
    assert made.newest_void == (13, 4)


def test_among_rows_of_one_instant_the_one_that_was_voided_goes() -> None:
    rows = [Row(5, seq, seq, 1) for seq in (1, 2, 3, 4, 6)]
    for voided in (1, 3, 6):
        for base in (frame(rows), EMPTY):
            tail = EMPTY if len(base) else frame(rows)
            made = Snapshot.of(base).extended(tail, [(9, voided, 5)]).folded()
            assert rows_of(made.base) == [row for row in rows if row.seq != voided]


def test_graves_say_who_was_alive_at_a_sequence() -> None:
    graves = (
        Graves()
        .with_more(frame([Row(3, 5, 1, 1)]), ints([9]))
        .with_more(frame([Row(1, 6, 1, 1), Row(3, 2, 1, 1), Row(3, 7, 1, 1)]), ints([8, 12, 11]))
    )
    assert graves.rows.seq.tolist() == [6, 2, 5, 7]
    assert graves.died.tolist() == [8, 12, 9, 11]
    assert [graves.alive(seq).seq.tolist() for seq in (1, 4, 6, 8, 9, 11, 12)] == [
        [], [2], [6, 2, 5], [2, 5, 7], [2, 7], [2], []
    ]  # fmt: skip
    assert graves.with_more(EMPTY, ints([])) is graves


def test_folding_nothing_is_the_snapshot_itself() -> None:
    folded = grown(20, 5).snapshot.folded()
    assert folded.folded() is folded


def test_folding_leaves_out_metadata_that_is_no_longer_coded() -> None:
    made = Snapshot.of(frame([Row(1, 1, 5, 1, 0, 3)])).extended(frame([Row(2, 2, 5, 1, 1, 4)]))
    found = made.folded({"seat", "other"})
    assert list(found.base.meta) == ["seat"]
    assert rows_of(found.base) == [Row(1, 1, 5, 1, MISSING, 3), Row(2, 2, 5, 1, MISSING, 4)]


def test_a_large_tail_is_folded_into_the_base_and_a_small_one_is_not() -> None:
    rows = [Row(second, second + 1, 1, 1, 0) for second in range(5_000)]
    made = Snapshot().extended(frame(rows[:100]))
    assert (len(made.base), len(made.tail)) == (0, 100)
    made = made.extended(frame(rows[100:]))
    assert (len(made.base), len(made.tail)) == (5_000, 0)
    made = made.extended(frame([Row(7, 6_000, 1, 1, 0)]), [(6_001, 3, 2)])
    assert (len(made.base), len(made.tail), len(made.dead[0])) == (5_000, 1, 1)


def test_many_voids_are_worth_folding_too() -> None:
    rows = [Row(second, second + 1, 1, 1, 0) for second in range(6_000)]
    made = Snapshot.of(frame(rows)).extended(EMPTY, [(7_000 + row.seq, row.seq, row.ts) for row in rows[:5_000]])
    assert (len(made.base), len(made.graves.rows), len(made.dead[0])) == (1_000, 5_000, 0)
    assert counted_at(made, 7_000) == rows
    assert counted_at(made, 7_001) == rows[1:]


def test_no_reader_can_write_into_a_snapshot() -> None:
    made = Snapshot.of(frame([Row(1, 1, 5, 1, 0)])).extended(
        frame([Row(2, 2, 6, 1, 0), Row(3, 3, 6, 1, 0)]), [(4, 3, 3)]
    )
    assert [len(part) for part in made.frames] == [1, 1, 1]
    for part in made.frames:
        for column in (part.ts, part.seq, part.quantity, part.customer, part.meta["plan"]):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 9


def test_a_meter_without_events_has_an_empty_snapshot() -> None:
    state = State(Coder(json.loads), 5)
    assert not counted_at(state.snapshot(1), 5)
    assert (len(state.snapshot(1)), state.snapshot(1).newest, state.snapshot(1).newest_void) == (0, 0, (0, 0))
    assert len(merge(state.snapshot(1).added(5))) == 0
    assert not len(state.snapshot(1).folded())
