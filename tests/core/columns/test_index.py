"""The indexes against plain counting: sets and sums of Python over the same rows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.grouped import Grouped, by_customer
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.orders import BLOCK, Order
from fluxrate.core.columns.stretch import Stretch
from fluxrate.core.columns.types import Ints

ROWS = 3 * BLOCK + 12_345
HUGE = (1 << 62) + 12_345


def frame(rows: int, *, customers: int, largest: int, seed: int = 5) -> Frame:
    rng = np.random.default_rng(seed)
    return Frame(
        np.sort(rng.integers(0, rows // 2 + 1, rows)),
        np.arange(1, rows + 1),
        rng.integers(0, largest, rows),
        np.minimum(rng.zipf(1.3, rows), customers).astype(np.int32),
    )


@pytest.fixture(scope="module")
def large() -> Frame:
    """More rows than three blocks, 40,000 customers with few of them busy."""
    return frame(ROWS, customers=40_000, largest=10**9)


@pytest.fixture(scope="module")
def index(large: Frame) -> Index:
    return Index(large).prepare()


def whole(limbs: tuple[Ints, Ints]) -> list[int]:
    return [(high << kernels.LIMB) + low for high, low in zip(*(limb.tolist() for limb in limbs), strict=True)]


positions = st.integers(0, ROWS)
cuts = st.lists(positions, min_size=2, max_size=12).map(lambda found: np.array(sorted(found), np.int64))


@settings(max_examples=60, deadline=None)
@given(cuts)
def test_sums_and_extremes_of_any_buckets_are_those_of_their_rows(index: Index, large: Frame, bounds: Ints) -> None:
    """However the buckets lie to the blocks, and also where they are empty."""
    values = [large.quantity[a:b].tolist() for a, b in itertools.pairwise(bounds)]
    assert whole(index.sums(bounds)) == [sum(bucket) for bucket in values]
    assert index.maxima(bounds, -1).tolist() == [max(bucket, default=-1) for bucket in values]
    assert index.minima(bounds, -1).tolist() == [min(bucket, default=-1) for bucket in values]


@settings(max_examples=60, deadline=None)
@given(cuts)
def test_distinct_customers_of_any_buckets_are_those_of_their_rows(index: Index, large: Frame, bounds: Ints) -> None:
    """From whole blocks and ragged ends alike."""
    expected = [len(set(large.customer[a:b].tolist())) for a, b in itertools.pairwise(bounds)]
    assert index.customers.distinct(bounds).tolist() == expected
    first, last = int(bounds[0]), int(bounds[-1])
    assert Stretch(index, first, last).distinct_customers() == len(set(large.customer[first:last].tolist()))


def test_many_buckets_have_the_figures_of_few(index: Index, large: Frame) -> None:
    """The pass over all rows and the loop over buckets agree."""
    bounds = np.linspace(0, ROWS, 701).astype(np.int64)
    pairs = [np.array(pair, np.int64) for pair in itertools.pairwise(bounds)]
    assert index.maxima(bounds, -1).tolist() == [index.maxima(pair, -1).item() for pair in pairs]
    assert index.customers.distinct(bounds).tolist() == [len(set(large.customer[a:b].tolist())) for a, b in pairs]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 41_000), min_size=1, max_size=4, unique=True), positions, positions)
def test_rows_of_some_customers_are_those_a_mask_finds(
    index: Index, large: Frame, codes: list[int], one: int, other: int
) -> None:
    """In order of time, and none for a customer that nobody knows."""
    first, last = sorted((one, other))
    mask = np.isin(large.customer[first:last], codes)
    assert index.customers.rows_of(codes, first, last).tolist() == (np.flatnonzero(mask) + first).tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 41_000), max_size=30, unique=True), positions, positions)
def test_customers_that_a_window_lacks_are_counted(
    index: Index, large: Frame, codes: list[int], one: int, other: int
) -> None:
    """Those that have no row in it, whether they have one elsewhere or not."""
    first, last = sorted((one, other))
    lacking = set(codes) - set(large.customer[first:last].tolist())
    assert Stretch(index, first, last).lacking(np.array(sorted(codes), np.int32)) == len(lacking)


@settings(max_examples=25, deadline=None)
@given(positions, positions, st.integers(0, 2_000))
def test_a_ranking_of_two_parts_has_every_customers_sum_and_count(
    index: Index, large: Frame, one: int, other: int, more: int
) -> None:
    """The index's part and the sorted part are laid out over the same customers."""
    first, last = sorted((one, other))
    tail = frame(more, customers=50_000, largest=10**9, seed=8) if more else None
    parts = [Stretch(index, first, last), *([tail] if tail else [])]
    customers, laid = by_customer([part for part in parts if len(part)])
    sums = [sum(found) for found in zip(*(whole(rows.sums(bounds)) for rows, bounds in laid), strict=True)]
    counts = [sum(found) for found in zip(*(np.diff(bounds).tolist() for _, bounds in laid), strict=True)]
    codes = np.concatenate([large.customer[first:last], tail.customer if tail else np.empty(0, np.int32)])
    quantities = np.concatenate([large.quantity[first:last], tail.quantity if tail else np.empty(0, np.int64)])
    assert customers.tolist() == np.unique(codes).tolist()
    assert counts == np.unique(codes, return_counts=True)[1].tolist()
    expected = np.zeros(50_001, np.int64)
    np.add.at(expected, codes, quantities)
    assert sums == expected[customers].tolist()


def test_a_layout_by_customer_gives_its_columns_when_asked(index: Index, large: Frame) -> None:
    """A metric that sums nothing reads the rows themselves, customer by customer in order of time."""
    customers, ((rows, bounds),) = by_customer([Stretch(index, 1_000, 90_000)])
    assert isinstance(rows, Grouped)
    cut = large.slice(1_000, 90_000)
    order, codes, same = kernels.groups(cut.customer)
    assert (customers.tolist(), bounds.tolist()) == (codes.tolist(), same.tolist())
    for name in ("ts", "seq", "quantity", "customer"):
        assert getattr(rows, name).tolist() == getattr(cut, name)[order].tolist()
    assert rows.maxima(bounds, -1).tolist() == kernels.maxima(cut.quantity[order], same, -1).tolist()


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33, 1_000])
def test_sums_beyond_64_bits_are_exact(rows: int) -> None:
    """In time and by customer, also where a running total would not fit an int64."""
    made = frame(rows, customers=5, largest=100)
    made = Frame(made.ts, made.seq, np.full(rows, HUGE), made.customer)
    index = Index(made)
    assert whole(index.sums(np.array([0, rows], np.int64))) == [rows * HUGE]
    customers, laid = by_customer([Stretch(index, 0, rows)])
    counts = np.unique(made.customer, return_counts=True)[1].tolist()
    assert whole(laid[0][0].sums(laid[0][1])) == [count * HUGE for count in counts]
    assert len(customers) == len(counts)


def test_missing_codes_are_no_value() -> None:
    """A distinct count passes over rows without the property."""
    order = Order(np.array([-1, 3, -1, 3, 7, -1], np.int32))
    assert order.distinct(np.array([0, 1, 4, 6], np.int64)).tolist() == [0, 1, 1]
    assert order.distinct(np.array([0, 6], np.int64)).tolist() == [2]
