"""The indexes of one frame: what they find is what a look at every row finds, and what was saved answers alike."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER
from tests.core.columns.rows import HUGE, KEYS, PLAN, SEAT, Row, frame, ints, row_lists, rows_of, whole
from tests.generated import examples

BLOCK = 1_024
"""Rows of a block of an index's newest sequences."""


def large(rows: int, largest: int = 9) -> list[Row]:
    """Rows that arrived nearly in order of time."""
    chance = random.Random(rows)
    return sorted(
        Row(max(0, seq // 3 + chance.randint(-40, 0)), seq, chance.randint(0, largest), chance.randint(1, 30), seq % 3)
        for seq in range(1, rows + 1)
    )


def later(rows: list[Row], seq: int) -> list[int]:
    return [place for place, row in enumerate(rows) if row.seq > seq]


@examples(100)
@given(row_lists(), st.integers(0, 210))
def test_rows_that_arrived_later_are_found(rows: list[Row], seq: int) -> None:
    """In a small frame whichever and however many they are."""
    found = Index(frame(rows)).later_than(seq)
    assert found is not None
    assert found.tolist() == later(rows, seq)


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK, 20 * BLOCK + 7])
def test_few_rows_that_arrived_later_are_found_in_their_blocks(size: int) -> None:
    rows = large(size)
    index = Index(frame(rows))
    assert index.newest == size
    for seq in (size + 1, size, size - 1, size - 2, size - BLOCK // 2, size - BLOCK):
        found = index.later_than(seq)
        assert found is not None
        assert found.tolist() == later(rows, seq)


def test_rows_in_most_of_the_blocks_are_not_listed() -> None:
    """One late row in each block of a large frame is enough."""
    rows = [Row(place, place + 1, 1, 1) for place in range(20 * BLOCK)]
    for block in range(11):
        rows[block * BLOCK + 5] = rows[block * BLOCK + 5]._replace(seq=100_000 + block)
    index = Index(frame(rows))
    assert index.later_than(0) is None
    assert index.later_than(100_000 - 1) is None
    found = index.later_than(100_000)
    assert found is not None
    assert found.tolist() == [block * BLOCK + 5 for block in range(1, 11)]


@examples(100)
@given(st.data(), row_lists(), st.integers(0, 3))
def test_a_subset_has_the_rows_of_its_mask(data: st.DataObject, rows: list[Row], plan: int) -> None:
    """And tells which of some rows of the whole are among them, and where."""
    index = Index(frame(rows))
    subset = index.subset("some", lambda whole_: whole_.codes("plan") == plan)
    places = [place for place, row in enumerate(rows) if row.plan == plan]
    assert rows_of(subset.index.frame) == [rows[place] for place in places]
    asked = sorted(data.draw(st.lists(st.integers(0, len(rows)), unique=True, max_size=20)))
    assert subset.of(ints(asked)).tolist() == [places.index(place) for place in asked if place in places]


def test_a_subset_is_made_once_and_a_few_are_kept() -> None:
    index = Index(frame(large(50)))
    asked: list[int] = []

    def mask(found: Frame, code: int) -> Any:
        asked.append(code)
        return found.codes("plan") == code

    for code in [0, 0, *range(1, 9), 8, 1, 0]:
        index.subset(code, lambda found, code=code: mask(found, code))  # type: ignore[misc]
    assert asked == [*range(9), 0]


def test_a_subset_of_all_rows_is_the_whole() -> None:
    index = Index(frame(large(50)))
    found = index.subset("all", lambda rows: np.ones(len(rows), np.bool_))
    assert found.index is index
    assert found.of(ints([3, 7])).tolist() == [3, 7]
    assert index.nbytes == 0
    index.subset("half", lambda rows: rows.codes("plan") == 1)
    assert index.nbytes > 0
    index.forget()
    assert index.nbytes == 0


@pytest.mark.parametrize("largest", [9, HUGE], ids=["small sums", "sums beyond 64 bits"])
@pytest.mark.parametrize("size", [0, 1, 2, 70, 3_000])
def test_what_was_saved_of_an_index_answers_like_the_index(size: int, largest: int) -> None:
    """And takes no memory beyond what was restored, until something else is asked."""
    rows = large(size, largest)
    made = Index(frame(rows)).prepare()
    parts = made.parts()
    again = Index.restored(frame(rows), parts)
    assert again.mapped_bytes == sum(part.nbytes for part in parts.values()) == again.nbytes
    starts = np.linspace(0, size, 12).astype(np.int64)
    cells = starts[:-1], starts[1:]
    for one, other in ((made.time, again.time), (made.by(CUSTOMER), again.by(CUSTOMER))):
        assert whole(other.sums(*cells)) == whole(one.sums(*cells))
        assert other.maxima(*cells).tolist() == one.maxima(*cells).tolist()
        assert rows_of(other.frame.take(other.where(*cells))) == rows_of(one.frame.take(one.where(*cells)))
    customers = [
        len({row.customer for row in rows[a:b]}) for a, b in zip(*(edge.tolist() for edge in cells), strict=True)
    ]
    assert again.time.order(CUSTOMER).distinct(*cells).tolist() == customers
    assert whole(again.time.sums(*cells)) == [
        sum(row.quantity for row in rows[a:b]) for a, b in zip(*(edge.tolist() for edge in cells), strict=True)
    ]
    assert ("time.lows" in parts) == (size > 2 and largest == HUGE)


def test_an_index_is_not_restored_from_too_little() -> None:
    rows = large(70)
    parts = Index(frame(rows)).parts()
    for missing in parts:
        with pytest.raises(KeyError):
            Index.restored(frame(rows), {name: part for name, part in parts.items() if name != missing})


def test_an_index_is_prepared_for_what_its_former_one_was_asked() -> None:
    """So that no reader waits after a fold; the same question then builds nothing."""
    former, new = Index(frame(large(80))), Index(frame(large(90)))
    for key in KEYS:
        former.by(key).order(SEAT)
    former.time.order(PLAN)
    new.prepare(former)
    built = new.nbytes
    for key in KEYS:
        new.by(key).sums(ints([0]), ints([9]))
        new.by(key).order(SEAT).distinct(ints([0]), ints([9]))
    new.time.order(PLAN).distinct(ints([0]), ints([9]))
    assert new.nbytes == built


def test_what_not_every_question_needs_can_be_let_go() -> None:
    index = Index(frame(large(90))).prepare()
    needed, lanes = index.nbytes, index.by(CUSTOMER)
    for key in KEYS:
        index.by(key).prepare()
    assert index.nbytes > needed
    index.forget()
    assert index.nbytes == needed
    assert index.by(CUSTOMER) is lanes


def test_which_key_covers_others_is_that_of_the_frame() -> None:
    """A key covers another when it has a value wherever the other has one."""
    index = Index(frame([Row(1, 1, 1, 1, 0, 3), Row(2, 2, 1, 1, 0, -1)]))
    assert index.covering(("plan", "seat")) == "plan"
    assert index.covering(("seat", "plan")) is None
    assert index.covering(("seat",)) == "seat"
    assert index.covering(("other", "seat")) == "seat"
    assert index.covering(("other", "another")) == "other"
    assert [index.covering(("seat", "plan")), index.covering(("plan", "seat"))] == [None, "plan"]


def test_sizes_are_counted_rebuilt_for_the_next_base_and_let_go_of() -> None:
    """What was asked about once is there for the first reader after a fold."""
    index = Index(frame(large(200))).prepare()
    before = index.nbytes
    sizes = index.sizes
    assert index.sizes is sizes
    assert index.nbytes == before + sizes.nbytes
    later_base = Index(frame(large(300))).prepare(index)
    assert later_base.nbytes > Index(frame(large(300))).prepare().nbytes
    index.forget()
    assert index.nbytes == before
