"""Rows that came in between others, or were left out: everything that goes over is what it would be if made anew."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.changes import Change, Growth, Loss
from fluxrate.core.columns.frame import Frame, merge
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.types import MISSING, Codes, Ints
from tests.core.columns.rows import KEYS, Row, codes, frame, ints, rows_of, sparse
from tests.generated import examples

values = st.lists(st.integers(MISSING, 4), max_size=30)


@st.composite
def row_sets(draw: st.DrawFn, first_seq: int) -> list[Row]:
    """Rows at few instants and of few codes, whose sequences may lie among those of other rows."""
    size, chance = draw(st.integers(0, 30)), random.Random(draw(st.integers(0, 1 << 30)))
    seqs = chance.sample(range(first_seq, first_seq + 60), size)
    return [
        Row(chance.randrange(6), seq, seq, chance.randint(1, 4), chance.randint(-1, 2), chance.choice([-1, -1, 0, 7]))
        for seq in seqs
    ]


def same(found: Order, expected: Order) -> None:
    assert found.positions.tolist() == expected.positions.tolist()
    assert found.positions.dtype == np.int32
    assert [part.tolist() for part in found.runs] == [part.tolist() for part in expected.runs]
    assert found.previous.tolist() == expected.previous.tolist()


def merged(one: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    return sorted([*one, *other])


@examples(200)
@given(row_sets(1), row_sets(30))
def test_two_frames_become_one_in_order(one: list[Row], other: list[Row]) -> None:
    """Whichever came first, with metadata keys that only one of them has."""
    other = [row for row in other if row.seq not in {mine.seq for mine in one}]
    found, change = sparse(one).with_more(sparse(other))
    assert rows_of(found) == merged(one, other)
    assert set(found.meta) == set(sparse(merged(one, other)).meta)
    assert rows_of(found.take(change.rows)) == sorted(other)
    assert rows_of(merge([sparse(one), sparse(other)])) == rows_of(found)


@examples(200)
@given(values, st.data())
def test_an_order_grows_as_its_column_does(former: list[int], data: st.DataObject) -> None:
    at = sorted(data.draw(st.lists(st.integers(0, len(former)), max_size=20)))
    more = [data.draw(st.integers(MISSING, 6)) for _ in at]
    change = Growth(ints(at), len(former))
    column = codes(np.insert(codes(former), at, more).tolist())
    assert change.column(codes(former), codes(more)).tolist() == column.tolist()
    found, laid = change.order(Order(codes(former)), column)
    same(found, Order(column))
    # A column that lies in the new order is that of the old one with what came in, in its own order.
    added = column[laid.rows]
    former_laid = codes(former)[Order(codes(former)).positions]
    assert laid.column(former_laid, added).tolist() == column[found.positions].tolist()


@examples(150)
@given(values, st.data())
def test_an_order_shrinks_as_its_column_does(former: list[int], data: st.DataObject) -> None:
    kept = np.array([data.draw(st.booleans()) for _ in former], np.bool_)
    column = codes(former)[kept]
    change = Loss(kept)
    assert change.column(codes(former), codes([])).tolist() == column.tolist()
    found, laid = change.order(Order(codes(former)), column)
    same(found, Order(column))
    former_laid = codes(former)[Order(codes(former)).positions]
    assert laid.column(former_laid, codes([])).tolist() == column[found.positions].tolist()


def changed(index: Index, rows: list[Row], data: st.DataObject, step: int) -> tuple[Frame, Change, list[Row]]:
    if data.draw(st.booleans()):
        more = data.draw(row_sets(100 * step))
        whole, growth = index.frame.with_more(frame(more))
        return whole, growth, merged(rows, more)
    kept = np.array([data.draw(st.booleans()) for _ in rows], np.bool_)
    return (
        index.frame.take(np.flatnonzero(kept)),
        Loss(kept),
        [row for row, left in zip(rows, kept, strict=True) if left],
    )


@examples(150)
@given(row_sets(1), st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS)), max_size=4), st.data())
def test_an_index_has_after_any_changes_what_it_was_asked_for(
    first: list[Row], asked: list[tuple[Key, Key]], data: st.DataObject
) -> None:
    """Every order by time and within every arrangement, as if it were made of the rows that are there at last."""
    index, rows = Index(frame(first)), sorted(first)
    for step in range(1, data.draw(st.integers(1, 4)) + 1):
        for by, key in asked:
            index.by(by).order(key)
        whole, change, rows = changed(index, rows, data, step)
        index, changes = index.changed(whole, change)
        assert rows_of(index.frame) == rows
        anew = Index(frame(rows))
        for by, key in asked:
            assert index.knows(by, key)
            assert by in changes
            same(index.time.order(by), anew.time.order(by))
            same(index.by(by).order(key), anew.by(by).order(key))
            assert index.by(by).running[0].tolist() == anew.by(by).running[0].tolist()


@pytest.mark.parametrize("asked", [1, 40])
def test_nothing_is_sorted_again_when_rows_come_in(asked: int) -> None:
    """Of the orders that are there only those of the added rows are made."""
    chance = random.Random(asked)
    rows = [Row(chance.randrange(99), seq, 1, chance.randint(1, 9)) for seq in range(1, 500)]
    index = Index(frame(rows))
    for key in KEYS:
        _ = index.by(key).order(key).positions
    sorted_: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        order = kernels.order

        def counted(column: Codes) -> Ints:
            sorted_.append(len(column))
            return order(column)

        patch.setattr(kernels, "order", counted)
        later = frame([Row(chance.randrange(99), 1_000 + seq, 1, chance.randint(1, 9)) for seq in range(asked)])
        whole, change = index.frame.with_more(later)
        grown, _ = index.changed(whole, change)
        for key in KEYS:
            assert len(grown.by(key).order(key).positions) == len(rows) + asked
    assert set(sorted_) == {asked}
