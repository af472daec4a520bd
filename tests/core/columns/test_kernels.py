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
