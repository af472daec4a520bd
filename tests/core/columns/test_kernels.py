"""Kernels, judged bucket by bucket by plain Python."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from tests.generated import examples

MAX = 2**63 - 1

values = st.lists(
    st.one_of(st.integers(0, 9), st.sampled_from([MAX, MAX - 1, 2**53 + 1, 2**32, 2**32 - 1]), st.integers(0, MAX)),
    max_size=40,
)
codes = st.lists(st.integers(-1, 6), max_size=60)


@st.composite
def cut(draw: st.DrawFn, lists: st.SearchStrategy[list[int]]) -> tuple[list[int], list[int]]:
    """A list, and bounds that never fall and need not cover all of it."""
    drawn = draw(lists)
    return drawn, sorted(draw(st.lists(st.integers(0, len(drawn)), min_size=2, max_size=9)))


def buckets(rows: list[int], bounds: list[int]) -> list[list[int]]:
    return [rows[a:b] for a, b in pairwise(bounds)]


def whole(limbs: tuple[Any, Any]) -> list[int]:
    high, low = limbs
    return [(h << kernels.LIMB) + lo for h, lo in zip(high.tolist(), low.tolist(), strict=True)]


def ints(rows: list[int]) -> Any:
    return np.array(rows, np.int64)


@examples(100)
@given(cut(values))
def test_sums_are_exact_however_large(case: tuple[list[int], list[int]]) -> None:
    rows, bounds = case
    assert whole(kernels.sums(ints(rows), ints(bounds))) == [sum(bucket) for bucket in buckets(rows, bounds)]


@pytest.mark.parametrize("rows", [1, 2, 3, 65_537])
def test_sums_change_over_to_two_limbs_without_a_seam(rows: int) -> None:
    """Just below, at and above the total that one 64-bit integer still holds."""
    for value in (MAX // rows - 1, MAX // rows, min(MAX, MAX // rows + 1)):
        assert whole(kernels.sums(np.full(rows, value, np.int64), ints([0, rows]))) == [rows * value]


def test_sums_look_at_the_window_only() -> None:
    """A huge value outside of it changes nothing, on either side."""
    assert whole(kernels.sums(ints([MAX, 1, 2, MAX]), ints([1, 2, 3]))) == [1, 2]


@pytest.mark.parametrize(
    ("kernel", "plain"),
    [
        (kernels.maxima, lambda bucket: max(bucket, default=-7)),
        (kernels.minima, lambda bucket: min(bucket, default=-7)),
        (kernels.lasts, lambda bucket: bucket[-1] if bucket else -7),
    ],
)
def test_extremes_and_lasts_are_those_of_each_bucket(
    kernel: Callable[..., Any], plain: Callable[[list[int]], int]
) -> None:
    """And the empty value where a bucket has no rows."""

    @examples(100)
    @given(cut(values))
    def check(case: tuple[list[int], list[int]]) -> None:
        rows, bounds = case
        assert kernel(ints(rows), ints(bounds), -7).tolist() == [plain(bucket) for bucket in buckets(rows, bounds)]

    check()


@examples(200)
@given(cut(st.lists(st.booleans())), st.integers(0, 130))
def test_true_rows_are_counted_in_each_bucket(case: tuple[list[int], list[int]], before: int) -> None:
    """Wherever the bounds lie to the words that bits are counted by."""
    rows, bounds = [True] * before + case[0], [before + bound for bound in case[1]]
    found = kernels.count_true(np.array(rows, np.bool_), ints(bounds))
    assert found.tolist() == [sum(bucket) for bucket in buckets(rows, bounds)]


@examples(100)
@given(cut(codes))
def test_distinct_counts_each_code_once_in_each_bucket_and_negative_ones_never(
    case: tuple[list[int], list[int]],
) -> None:
    rows, bounds = case
    expected = [len({code for code in bucket if code >= 0}) for bucket in buckets(rows, bounds)]
    assert kernels.distinct(np.array(rows, np.int32), ints(bounds)).tolist() == expected


@pytest.mark.parametrize("most", [10, 32_766, 32_767, 65_534, 65_535, 1_000_000, 2**31 - 1])
def test_distinct_is_right_for_codes_of_any_width(most: int) -> None:
    """Codes of 16 bits take another road than those of 32."""
    rng = np.random.default_rng(most)
    rows = rng.integers(max(-1, most - 3_000), most, 5_000, endpoint=True).astype(np.int32)
    bounds = ints([0, 0, 1, 700, 700, 4_999, 5_000])
    expected = [len(set(rows[a:b].tolist()) - {-1}) for a, b in pairwise(bounds.tolist())]
    assert kernels.distinct(rows, bounds).tolist() == expected


def test_distinct_of_a_bucket_for_every_row_is_one_each() -> None:
    """Many buckets times many codes: no table of all pairs could be held."""
    rows = np.arange(100_000, dtype=np.int32)
    assert kernels.distinct(rows, np.arange(100_001)).tolist() == [1] * 100_000


@examples(100)
@given(codes)
def test_groups_keep_the_order_of_rows_within_a_code(rows: list[int]) -> None:
    order, names, bounds = kernels.groups(np.array(rows, np.int32))
    assert names.tolist() == sorted(set(rows))
    found = [order[a:b].tolist() for a, b in pairwise(bounds.tolist())]
    assert found == [[place for place, code in enumerate(rows) if code == name] for name in sorted(set(rows))]


@pytest.mark.parametrize("most", [32_766, 32_767, 32_768, 65_534, 65_535, 65_536, 2**31 - 1])
def test_groups_are_right_at_the_edges_of_16_bits(most: int) -> None:
    rows = np.array([most, 3, most - 1, most, 0, 3], np.int32)
    order, names, bounds = kernels.groups(rows)
    assert names.tolist() == sorted({0, 3, most - 1, most})
    assert rows[order].tolist() == sorted(rows.tolist())
    assert bounds.tolist()[0] == 0
    assert bounds.tolist()[-1] == 6


def test_counts_are_the_rows_between_the_bounds() -> None:
    assert kernels.counts(ints([0, 0, 3, 10, 10])).tolist() == [0, 3, 7, 0]


positions = st.integers(0, 40)


@examples(150)
@given(
    st.lists(st.lists(st.integers(-5, 9), max_size=9).map(sorted), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-7, 11), positions, positions), max_size=20),
    st.sampled_from([np.int32, np.int64]),
    st.sampled_from([0, 1_000]),
)
def test_a_search_finds_the_first_place_of_its_range_that_is_not_below(
    runs: list[list[int]], searches: list[tuple[int, int, int, int]], dtype: type, few: int
) -> None:
    """In ranges that rise each on its own; the end of the range when all is below, and its start when it is empty. By
    steps for all together, and one by one where they are few.
    """
    values = [value for run in runs for value in run]
    starts = np.cumsum([0, *map(len, runs)]).tolist()
    cases = []
    for run, target, one, other in searches:
        low, high = starts[run % len(runs)], starts[run % len(runs) + 1]
        a, b = sorted((min(low + one, high), min(low + other, high)))
        cases.append((a, b, target))
    lows, highs, targets = (ints([case[column] for case in cases]) for column in range(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_FEW_SEARCHES", few)
        found = kernels.bisect(np.array(values, dtype), lows, highs, targets).tolist()
    assert found == [next((p for p in range(a, b) if values[p] >= target), b) for a, b, target in cases]
    assert (lows.tolist(), highs.tolist()) == ([case[0] for case in cases], [case[1] for case in cases])


@examples(150)
@given(
    st.lists(st.integers(0, MAX), max_size=70),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), max_size=9),
    st.sampled_from([1, 2, 8, 64]),
    st.sampled_from([(np.maximum, max, kernels.LEAST), (np.minimum, min, kernels.MOST)]),
)
def test_extremes_of_cells_are_those_of_blocks_and_ragged_ends(
    rows: list[int], pairs: list[tuple[int, int]], block: int, kind: tuple[Any, Callable[..., int], int]
) -> None:
    """However the cells lie to the blocks; the identity where a cell is empty."""
    ufunc, plain, identity = kind
    values = ints(rows)
    cells = sorted(tuple(sorted((min(a, len(rows)), min(b, len(rows))))) for a, b in pairs)
    starts, ends = ints([a for a, _ in cells]), ints([b for _, b in cells])
    full = len(rows) // block
    blocks = ufunc.reduce(values[: full * block].reshape(full, block), axis=1)
    found = kernels.extremes(ufunc, lambda places: values[places], blocks, (starts, ends), identity, block)
    assert found.tolist() == [plain(rows[a:b], default=identity) for a, b in cells]


def test_extremes_of_more_cells_than_are_looked_at_together() -> None:
    rows = np.arange(40_000)[::-1].copy()
    starts = np.arange(39_998)
    blocks = np.maximum.reduce(rows.reshape(-1, 64), axis=1)
    found = kernels.extremes(np.maximum, lambda places: rows[places], blocks, (starts, starts + 3), -1, 64)
    assert found.tolist() == rows[:-2].tolist()


@examples(100)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=12))
def test_ranges_give_their_places_one_after_another(cells: list[tuple[int, int]]) -> None:
    """Also where they are empty, overlap, or do not rise."""
    starts, lengths = ints([start for start, _ in cells]), ints([length for _, length in cells])
    expected = [place for start, length in cells for place in range(start, start + length)]
    assert kernels.ranges(starts, starts + lengths).tolist() == expected


@examples(100)
@given(codes, st.lists(st.integers(-2, 9), max_size=12))
def test_runs_of_codes_are_where_their_rows_begin_and_end(rows: list[int], asked: list[int]) -> None:
    ordered = sorted(rows)
    known = sorted(set(rows))
    starts = ints([ordered.index(code) for code in known] + [len(rows)])
    low, high = kernels.runs_of(np.array(known, np.int32), starts, np.array(asked, np.int32))
    for code, a, b in zip(asked, low.tolist(), high.tolist(), strict=True):
        assert ordered[a:b] == [code] * rows.count(code)
        assert 0 <= a <= b <= len(rows)
        # Where it would stand: what is before it is smaller, so that the runs of rising codes rise.
        assert all(own < code for own in ordered[:a])


@examples(100)
@given(codes, st.lists(st.integers(-1, 9), unique=True).map(sorted), st.sampled_from([np.int32, np.int64]))
def test_rows_that_lack_all_of_the_codes(rows: list[int], asked: list[int], dtype: type) -> None:
    """The missing code is one like any other, whether codes are small or those of two keys."""
    wide = [code if dtype is np.int32 else (code + 1) << 32 for code in rows]
    wanted = [code if dtype is np.int32 else (code + 1) << 32 for code in asked]
    found = kernels.lacks(np.array(wide, dtype), np.array(wanted, dtype))
    assert found.tolist() == [code not in asked for code in rows]


@pytest.mark.parametrize("most", [3, 65_534, 65_535, 2**31 - 2])
def test_codes_of_two_keys_are_ordered_by_the_first_and_then_the_second(most: int) -> None:
    """Stable, and the missing code comes first."""
    rng = np.random.default_rng(most)
    pairs = rng.integers(max(-1, most - 40), most, (2, 2_000), endpoint=True)
    pairs[:, rng.integers(0, 2_000, 200)] = -1
    joined = ((pairs[0] + 1) << 32) | (pairs[1] + 1)
    expected = sorted(range(2_000), key=lambda place: (pairs[0][place], pairs[1][place], place))
    assert kernels.order(joined).tolist() == expected
