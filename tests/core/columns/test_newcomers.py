"""Rows that came since a base was built: a window has the distinct codes of both, whatever came or was voided."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fluxrate.core.columns import newcomers
from fluxrate.core.columns import selection as selection_module
from fluxrate.core.columns.base import Base
from fluxrate.core.columns.frame import Frame, Some
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.newcomers import Neighbours, Newcomers
from fluxrate.core.columns.selection import Fresh, Layout, Selection, span
from fluxrate.core.columns.snapshot import Snapshot
from tests.core.columns.growing import Meter, sizes, worlds
from tests.core.columns.rows import KEYS, PLAN, SEAT, Row, code_of, distinct, frame, ints, rows_of
from tests.core.columns.test_selection import WORTHS, judge_layout
from tests.generated import examples

INSTANTS = range(-1, 8)


def selected(found: Snapshot, counted: Key, edges: Sequence[int], *, fresh: bool = True) -> Selection:
    """The window from the first edge to the last, as a question has it."""
    first, last = found.base.between(edges[0], edges[-1])
    window, removed = found.tail.window(edges[0], edges[-1]), found.dead[0]
    if not len(window) or not fresh:
        frames = (window.with_property(window.column(counted)),) if len(window) else ()
        return Selection(found.index.time, first, last, removed, frames, counted)
    known = Fresh(found.newcomers, found.newcomers.index.time, *found.tail.between(edges[0], edges[-1]))
    return Selection(found.index.time, first, last, removed, (), counted, known)


def neighbours(found: Snapshot) -> Neighbours:
    """Where the customers of the newcomers, in order of time, stand in the base."""
    return found.newcomers.neighbours(found.newcomers.index.time, CUSTOMER)


def asked(found: Snapshot, counted: Key, edges: Sequence[int], *, fresh: bool) -> tuple[Layout, Layout]:
    """The window cut at the edges and as a whole."""
    selection = selected(found, counted, edges, fresh=fresh)
    return selection.by_time(ints(edges)), selection.together()


def judge(meter: Meter, counted: Key, edges: Sequence[int]) -> None:
    """Distinct customers, and distinct values of a counted key, per cell and of the window."""
    cut, whole = asked(meter.snapshot, counted, edges, fresh=True)
    cells = [[row for row in meter.now if a <= row.ts < b] for a, b in pairwise(edges)]
    window = [row for cell in cells for row in cell]
    assert cut.customers().tolist() == [distinct([row.customer for row in cell]) for cell in cells]
    assert whole.customers().tolist() == [distinct([row.customer for row in window])]
    rows, bounds = cut.whole()
    assert rows.distinct(bounds).tolist() == [distinct([code_of(counted, row) for row in cell]) for cell in cells]
    rows, bounds = whole.whole()
    assert rows.distinct(bounds).tolist() == [distinct([code_of(counted, row) for row in window])]


def judge_by(meter: Meter, key: Key, edges: Sequence[int], data: st.DataObject) -> None:
    """Cells by the codes of a key and time, as every way of asking for them gives them; and the rows of one code."""
    found, selection = meter.snapshot, selected(meter.snapshot, SEAT, edges)
    window = [row for row in meter.now if edges[0] <= row.ts < edges[-1]]

    def cells(codes: Sequence[int]) -> list[list[Row]]:
        mine = [[row for row in window if code_of(key, row) == code] for code in codes]
        return [[row for row in rows if a <= row.ts < b] for rows in mine for a, b in pairwise(edges)]

    codes, layout = selection.by_every(key, found.index, ints(edges))
    assert set(codes.tolist()) >= {code_of(key, row) for row in window}
    assert np.all(np.diff(codes) > 0)
    judge_layout(layout, cells(codes.tolist()))
    assert codes.tolist() == selection.codes(key, found.index).tolist()
    kept = sorted(data.draw(st.sets(st.integers(0, len(codes) * (len(edges) - 1) - 1)))) if len(codes) else []
    few = layout.some(ints(kept))
    if few is not None:
        judge_layout(few, [cells(codes.tolist())[cell] for cell in kept])
    some = sorted(data.draw(st.lists(st.sampled_from([*codes.tolist(), 77]), unique=True)))
    narrow = np.array(some, np.int64 if len(key.parts) > 1 else np.int32)
    judge_layout(selection.by(key, found.index, ints(edges), narrow), cells(some))
    starts = [data.draw(st.integers(edges[0], edges[-1])) for _ in some]
    ends = [data.draw(st.integers(start, edges[-1])) for start in starts]
    judge_layout(
        selection.windows(key, found.index, narrow, ints(starts), ints(ends)),
        [
            [row for row in window if code_of(key, row) == code and start <= row.ts < end]
            for code, start, end in zip(some, starts, ends, strict=True)
        ],
    )
    left = [row for row in window if code_of(key, row) not in some]
    for counting, searching in WORTHS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(selection_module, "_WORTH_COUNTING", counting)
            patch.setattr(selection_module, "_WORTH_SEARCHING", searching)
            assert selection.customers_without(key, found.index, narrow) == len({row.customer for row in left})
    judge_layout(
        selection.without(key, narrow).by_time(ints(edges)),
        [[r for r in left if a <= r.ts < b] for a, b in pairwise(edges)],
    )
    assert len(selection) == len(window)
    assert selection.customers() == len({row.customer for row in window})
    assert span(selection) == ((window[0].ts, window[-1].ts) if window else None)


edge_lists = st.lists(st.sampled_from(INSTANTS), min_size=2, max_size=5, unique=True).map(sorted)


@examples(200)
@given(worlds, sizes, st.sampled_from([CUSTOMER, PLAN]), st.data())
def test_distinct_codes_are_those_of_the_base_and_of_what_came_since(
    meter: Meter, steps: list[tuple[int, int, bool]], counted: Key, data: st.DataObject
) -> None:
    """Asked between the steps or not, so that what is known goes over to the next rows or is made anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newcomers, "_FEW_CELLS", data.draw(st.sampled_from([0, 16])))
        for arrivals, voids, folds in steps:
            meter.grow(arrivals, voids)
            if data.draw(st.booleans()):
                judge(meter, counted, data.draw(edge_lists))
            if folds:
                meter.snapshot = meter.snapshot.folded()
        judge(meter, counted, data.draw(edge_lists))


def some_plans(rows: Frame) -> NDArray[np.bool_]:
    return rows.codes("plan") >= 0


@examples(120)
@given(worlds, sizes, st.data())
def test_newcomers_that_pass_a_mask_stand_beside_what_passes_of_the_base(
    meter: Meter, steps: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    """Whatever came or was voided between the questions: the figures are those of the rows that pass."""
    meter.grow(data.draw(st.integers(0, 20)), 0)
    for arrivals, voids, folds in [(0, 0, True), *steps]:
        meter.grow(arrivals, voids)
        found, edges = meter.snapshot, data.draw(edge_lists)
        subset = found.index.subset("plans", some_plans)
        known = found.newcomers.passing("plans", subset, some_plans)
        rows = [row for row in meter.now if row.plan >= 0 and edges[0] <= row.ts < edges[-1]]
        assert rows_of(known.index.frame) == [row for row in rows_of(found.tail) if row.plan >= 0]
        first, last = subset.index.frame.between(edges[0], edges[-1])
        fresh = Fresh(known, known.index.time, *known.index.frame.between(edges[0], edges[-1]))
        selection = Selection(subset.index.time, first, last, subset.of(found.dead[0]), (), SEAT, fresh)
        codes, layout = selection.by_every(PLAN, subset.index, ints(edges))
        mine = [[row for row in rows if row.plan == code] for code in codes.tolist()]
        judge_layout(layout, [[row for row in some if a <= row.ts < b] for some in mine for a, b in pairwise(edges)])
        judge_layout(
            selection.by_time(ints(edges)), [[row for row in rows if a <= row.ts < b] for a, b in pairwise(edges)]
        )
        if folds:
            meter.snapshot = meter.snapshot.folded()


def test_a_few_masks_are_kept_each_beside_its_own_base() -> None:
    meter = Meter(random.Random(8))
    meter.grow(20, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(9, 0)
    found, index = meter.snapshot.newcomers, meter.snapshot.index
    first = found.passing(0, index.subset(0, some_plans), some_plans)
    assert found.passing(0, index.subset(0, some_plans), some_plans) is first
    assert found.nbytes > 0
    for name in range(1, 8):
        found.passing(name, index.subset(name, some_plans), some_plans)
    assert found.passing(0, index.subset(0, some_plans), some_plans) is first
    found.passing(8, index.subset(8, some_plans), some_plans)
    assert found.passing(0, index.subset(0, some_plans), some_plans) is not first


def test_what_is_known_of_newcomers_goes_over_to_the_next_ones() -> None:
    """The searches of the former rows are not done again: only those of the added rows are."""
    meter = Meter(random.Random(3))
    meter.grow(20, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(9, 2)
    known = neighbours(meter.snapshot)
    rows = {row: at for at, row in enumerate(rows_of(meter.snapshot.tail))}
    looked_at: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        found = Newcomers._found

        def counted(self: Newcomers, by: Key | None, key: Key, added: Some) -> Neighbours:
            looked_at.append(len(added))
            return found(self, by, key, added)

        patch.setattr(Newcomers, "_found", counted)
        meter.grow(5, 0)
        after = neighbours(meter.snapshot)
    assert looked_at == [5]
    for at, row in enumerate(rows_of(meter.snapshot.tail)):
        if row in rows:
            assert [column[at] for column in after] == [column[rows[row]] for column in known]


def test_what_the_base_has_let_go_of_is_not_made_again_when_rows_come() -> None:
    meter = Meter(random.Random(5))
    meter.grow(20, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(9, 0)
    found = meter.snapshot.newcomers
    found.neighbours(found.index.by(PLAN), SEAT)
    meter.snapshot.index.by(PLAN).order(SEAT)
    meter.snapshot.index.forget()
    meter.grow(2, 0)
    assert not meter.snapshot.index.knows(PLAN, SEAT)
    assert meter.snapshot.index.arranged == ()
    judge_layout(selected(meter.snapshot, SEAT, [0, 9]).together(), [meter.now])


def test_what_is_known_is_let_go_of_and_made_again() -> None:
    meter = Meter(random.Random(6))
    meter.grow(20, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(9, 0)
    held = selected(meter.snapshot, SEAT, [0, 9])
    _, layout = held.by_every(PLAN, meter.snapshot.index, ints([0, 9]))
    customers = layout.customers().tolist()
    assert meter.snapshot.newcomers.nbytes
    meter.snapshot.forget()
    assert meter.snapshot.newcomers.nbytes == 0
    assert meter.snapshot.newcomers.are(meter.snapshot.held, meter.snapshot.tail)
    for selection in (held, selected(meter.snapshot, SEAT, [0, 9])):
        _, layout = selection.by_every(PLAN, meter.snapshot.index, ints([0, 9]))
        assert layout.customers().tolist() == customers


def test_a_row_at_the_instant_of_one_of_the_base_has_it_as_the_one_after() -> None:
    """Both are in every window that has one of them, and a missing code is brought nowhere."""
    base = Snapshot.of(frame([Row(5, 1, 1, 7, seat=2), Row(9, 2, 1, 7)]))
    found = base.extended(frame([Row(5, 3, 1, 7, seat=2), Row(5, 4, 1, 8), Row(2, 5, 1, 8)]))
    before, after = neighbours(found)
    assert before.tolist() == [-1, -1, -1]
    assert after[1] == 0
    for edges, customers, seats in (([5, 6], 2, 1), ([6, 10], 1, 0), ([2, 5], 1, 0), ([0, 20], 2, 1)):
        _, whole = asked(found, SEAT, edges, fresh=True)
        assert whole.customers().tolist() == [customers]
        rows, bounds = whole.whole()
        assert rows.distinct(bounds).tolist() == [seats]


def test_newcomers_are_those_of_one_tail_and_one_base() -> None:
    """A base that is let go and mapped in another way has newcomers of its own, which hold no former one."""
    rows, other = frame([Row(1, 1, 1, 1)]), frame([Row(2, 2, 1, 1)])
    held = Base(Index(rows))
    found = Newcomers(held, other)
    assert found.are(held, other)
    assert not found.are(Base(Index(rows)), other)
    assert not found.are(held, rows)
    assert (found.newest, Newcomers(held).newest) == (2, 0)
    assert found.nbytes == 0
    found.neighbours(found.index.time, CUSTOMER)
    assert found.nbytes == 2 * 4 * len(other)


@examples(200)
@given(worlds, sizes, st.sampled_from(KEYS), st.data())
def test_cells_by_a_key_have_the_figures_of_the_base_and_of_what_came_since(
    meter: Meter, steps: list[tuple[int, int, bool]], key: Key, data: st.DataObject
) -> None:
    """Whatever came or was voided between the questions, and with codes that only one of the two has."""
    meter.grow(data.draw(st.integers(0, 20)), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newcomers, "_FEW_CELLS", data.draw(st.sampled_from([0, 16])))
        for arrivals, voids, folds in [(0, 0, True), *steps]:
            meter.grow(arrivals, voids)
            judge_by(meter, key, data.draw(edge_lists), data)
            if folds:
                meter.snapshot = meter.snapshot.folded()


@examples(100)
@given(worlds, st.integers(1, 9), st.integers(0, 4), edge_lists)
def test_with_and_without_what_is_known_the_figures_are_the_same(
    meter: Meter, arrivals: int, voids: int, edges: list[int]
) -> None:
    meter.grow(12, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(arrivals, voids)
    for fast, slow in zip(
        asked(meter.snapshot, PLAN, edges, fresh=True), asked(meter.snapshot, PLAN, edges, fresh=False), strict=True
    ):
        assert np.array_equal(fast.customers(), slow.customers())
        assert np.array_equal(fast.counts(), slow.counts())
