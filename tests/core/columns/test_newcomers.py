"""Rows that came since a base was built: a window has the distinct codes of both, whatever came or was voided."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.base import Base
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.newcomers import Newcomers
from fluxrate.core.columns.selection import Layout, Selection
from fluxrate.core.columns.snapshot import Snapshot
from tests.core.columns.growing import Meter, sizes, worlds
from tests.core.columns.rows import PLAN, SEAT, Row, code_of, distinct, frame, ints, rows_of
from tests.generated import examples

INSTANTS = range(-1, 8)


def asked(found: Snapshot, counted: Key, edges: Sequence[int], *, fresh: bool) -> tuple[Layout, Layout]:
    """The window from the first edge to the last, cut at the edges and as a whole, as a question has it."""
    first, last = found.base.between(edges[0], edges[-1])
    window = found.tail.window(edges[0], edges[-1])
    frames = (window.with_property(window.column(counted)),) if len(window) else ()
    known = found.fresh(edges[0], edges[-1]) if fresh else None
    selection = Selection(found.index.time, first, last, found.dead[0], frames, counted, known)
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


edge_lists = st.lists(st.sampled_from(INSTANTS), min_size=2, max_size=5, unique=True).map(sorted)


@examples(200)
@given(worlds, sizes, st.sampled_from([CUSTOMER, PLAN]), st.data())
def test_distinct_codes_are_those_of_the_base_and_of_what_came_since(
    meter: Meter, steps: list[tuple[int, int, bool]], counted: Key, data: st.DataObject
) -> None:
    """Asked between the steps or not, so that what is known goes over to the next rows or is made anew."""
    for arrivals, voids, folds in steps:
        meter.grow(arrivals, voids)
        if data.draw(st.booleans()):
            judge(meter, counted, data.draw(edge_lists))
        if folds:
            meter.snapshot = meter.snapshot.folded()
    judge(meter, counted, data.draw(edge_lists))


def test_what_is_known_of_newcomers_goes_over_to_the_next_ones() -> None:
    """The searches of the former rows are not done again: only those of the added rows are."""
    meter = Meter(random.Random(3))
    meter.grow(20, 0)
    meter.snapshot = meter.snapshot.folded()
    meter.grow(9, 2)
    before = meter.snapshot.newcomers.neighbours(CUSTOMER)
    rows = {row: at for at, row in enumerate(rows_of(meter.snapshot.tail))}
    looked_at: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        found = Newcomers._found

        def counted(self: Newcomers, key: Key, added: object) -> object:
            looked_at.append(len(added))  # type: ignore[arg-type]
            return found(self, key, added)  # type: ignore[arg-type]

        patch.setattr(Newcomers, "_found", counted)
        meter.grow(5, 0)
        after = meter.snapshot.newcomers.neighbours(CUSTOMER)
    assert looked_at == [5]
    for at, row in enumerate(rows_of(meter.snapshot.tail)):
        if row in rows:
            assert [column[at] for column in after] == [column[rows[row]] for column in before]


def test_a_row_at_the_instant_of_one_of_the_base_has_it_as_the_one_after() -> None:
    """Both are in every window that has one of them, and a missing code is brought nowhere."""
    base = Snapshot.of(frame([Row(5, 1, 1, 7, seat=2), Row(9, 2, 1, 7)]))
    found = base.extended(frame([Row(5, 3, 1, 7, seat=2), Row(5, 4, 1, 8), Row(2, 5, 1, 8)]))
    neighbours = found.newcomers.neighbours(CUSTOMER)
    assert neighbours.before.tolist() == [-1, -1, -1]
    assert neighbours.after[1] == 0
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
    found.neighbours(CUSTOMER)
    assert found.nbytes == 2 * 4 * len(other)


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
