"""The seven built-in metrics pass the contract, and give the figures a person can check by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fluxrate.core.metric import Metric
from fluxrate.plugins.metrics import AVERAGE_PLACES, METRICS, plugin
from tests import reference
from tests.contracts.metric import MAX, MetricContract, Row

BY_NAME = {metric.name: metric for metric in METRICS}

ROWS: list[Row] = [(1, 1, 10, 1, 0), (2, 2, 30, 2, 1), (2, 4, 20, 1, 0), (3, 3, 21, 1, -1)]


class TestSum(MetricContract):
    metric = BY_NAME["SUM"]

    def test_quantities_add_up(self) -> None:
        assert self.figures(ROWS, [0, 2, 4]) == [10, 71]

    def test_a_sum_beyond_64_bits_is_exact(self) -> None:
        assert self.figures([(1, seq, MAX, 1, 0) for seq in range(1, 4)], [0, 2]) == [3 * MAX]

    def test_decimals_are_kept(self) -> None:
        assert self.figures(ROWS, [0, 4], 1) == [Decimal("8.1")]

    @pytest.mark.parametrize("buckets", [1, 2, 39, 40, 41, 42, 400])
    def test_many_buckets_are_as_exact_as_few(self, buckets: int) -> None:
        """Among small sums one that 64 bits do not hold, and with it one that they just hold."""
        rows = [(at, at, 7 * at, 1, 0) for at in range(1, buckets)]
        few = [7 * at for at in range(1, buckets)]
        edges = list(range(1, buckets + 2))
        assert self.figures([*rows, (buckets, buckets, MAX, 1, 0)], edges) == [*few, MAX]
        twice = [(buckets, seq, MAX, 1, 0) for seq in (buckets, buckets + 1)]
        assert self.figures([*rows, *twice], edges) == [*few, 2 * MAX]


class TestCount(MetricContract):
    metric = BY_NAME["COUNT"]

    def test_events_count_whatever_their_quantity_and_decimals(self) -> None:
        assert self.figures(ROWS, [0, 2, 4], 3) == [1, 3]


class TestMax(MetricContract):
    metric = BY_NAME["MAX"]

    def test_the_largest_quantity_wins(self) -> None:
        assert self.figures(ROWS, [0, 2, 4]) == [10, 30]

    def test_zero_is_a_quantity_and_not_nothing(self) -> None:
        assert self.figures([(1, 1, 0, 1, 0)], [0, 2]) == [0]


class TestMin(MetricContract):
    metric = BY_NAME["MIN"]

    def test_the_smallest_quantity_wins(self) -> None:
        assert self.figures(ROWS, [0, 2, 4]) == [10, 20]

    def test_the_largest_number_there_is_can_be_a_minimum(self) -> None:
        assert self.figures([(1, 1, MAX, 1, 0)], [0, 2]) == [MAX]


class TestAverage(MetricContract):
    metric = BY_NAME["AVG"]

    def test_the_mean_has_six_places_more_than_the_meter(self) -> None:
        assert self.figures([(1, 1, 1, 1, 0), (1, 2, 1, 1, 0), (1, 3, 0, 1, 0)], [0, 2]) == [Decimal("0.666667")]
        assert AVERAGE_PLACES == reference.AVERAGE_PLACES == 6

    @pytest.mark.parametrize(("odd", "mean"), [(1, "0"), (3, "0.000002"), (5, "0.000002"), (7, "0.000004")])
    def test_half_of_the_last_place_goes_to_the_even_digit(self, odd: int, mean: str) -> None:
        """odd / 2,000,000 lies exactly between two numbers of six places; the count is what `finish` divides by."""
        partial, _ = self.partial([(1, 1, odd, 1, 0)], [0, 2])
        assert self.metric.finish(partial, [2_000_000], 0) == [Decimal(mean)]


class TestLast(MetricContract):
    metric = BY_NAME["LAST"]

    def test_the_latest_event_wins_not_the_latest_arrival(self) -> None:
        assert self.figures(ROWS, [0, 2, 4]) == [10, 21]

    def test_of_events_at_one_instant_the_last_to_arrive_wins(self) -> None:
        assert self.figures(ROWS[:3], [0, 4]) == [20]


class TestUniqueCount(MetricContract):
    metric = BY_NAME["UNIQUE_COUNT"]

    def test_values_count_once_and_a_missing_one_not_at_all(self) -> None:
        assert self.figures(ROWS, [0, 2, 4]) == [1, 2]
        assert self.figures([(1, 1, 5, 1, -1)], [0, 2]) == [0]

    def test_it_says_honestly_that_two_distinct_counts_do_not_add_up(self) -> None:
        assert self.metric.combine is None


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_has_a_class_that_holds_it_to_the_contract(metric: Metric) -> None:
    tested = {found.metric.name for found in MetricContract.__subclasses__()}
    assert metric.name in tested


def test_the_plugin_brings_the_seven_aggregations() -> None:
    assert {metric.name for metric in plugin.metrics} == set(reference.AGGREGATIONS)
    assert {metric.name: metric.empty for metric in METRICS} == reference.EMPTY


def test_only_sums_and_counts_have_shares() -> None:
    """A customer's share of a maximum or of a distinct count means nothing."""
    assert {metric.name for metric in METRICS if metric.additive} == {"SUM", "COUNT"}
