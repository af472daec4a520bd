"""Pages choose a grouping that fits, and compare like with like."""

from __future__ import annotations

import pytest

from fluxrate.core.calendar import Window, parse_instant, parse_window
from fluxrate.core.trends import before, chosen, fitting, for_bars, offered

NOW = parse_instant("2026-11-22T15:30:00Z")


def window(start: str, end: str, zone: str = "UTC") -> Window:
    return parse_window(start, end, zone, NOW)


@pytest.mark.parametrize(
    ("start", "end", "group"),
    [
        ("2026-11-22T09:00:00", "2026-11-22T12:00:00", "minute"),
        ("2026-11-22", "2026-11-22", "hour"),
        ("2026-11-21", "2026-11-22", "hour"),
        ("2026-11-20", "2026-11-22", "day"),
        ("2026-08-25", "2026-11-22", "day"),
        ("2025-11-23", "2026-11-22", "week"),
        ("2020-01-01", "2026-11-22", "month"),
    ],
)
def test_the_grouping_fits_the_window(start, end, group):
    found = window(start, end)
    assert fitting(found) == group
    assert group in offered(found)


def test_no_choice_draws_more_points_than_a_chart_can_show():
    assert offered(window("2026-08-25", "2026-11-22")) == ("day", "week", "month")
    assert offered(window("2026-11-22T10:00:00", "2026-11-22T10:30:00")) == ("minute",)
    assert offered(window("2026-11-22T10:00:00", "2026-11-22T10:01:00")) == ("minute",)


def test_a_past_window_is_compared_with_the_equal_one_before():
    assert before(window("2026-10-01", "2026-10-31"), NOW) == window("2026-08-31", "2026-09-30")


def test_a_running_window_is_compared_with_as_much_as_has_passed():
    found = before(window("2026-11-16", "2026-11-22"), NOW)
    assert found == window("2026-11-09", "2026-11-15T15:30:00")


def test_a_day_before_a_change_of_clock_is_a_whole_day():
    zone = "Europe/Berlin"
    assert before(window("2026-10-25", "2026-10-25", zone), NOW) == window("2026-10-24", "2026-10-24", zone)


def test_a_window_of_hours_is_compared_by_its_length():
    found = before(window("2026-11-01T10:00:00", "2026-11-01T13:00:00"), NOW)
    assert found == window("2026-11-01T07:00:00", "2026-11-01T10:00:00")


def test_a_month_that_has_begun_is_compared_with_the_beginning_of_the_30_days_before() -> None:
    found = before(window("2026-11-01", "2026-11-30"), NOW)
    assert found == window("2026-10-02", "2026-10-23T15:30:00")


def test_what_has_passed_of_a_window_ends_at_the_same_time_of_the_clock() -> None:
    """Also where the clock changed in between: 16:30 in Berlin is another instant of the day in summer."""
    zone = "Europe/Berlin"
    found = before(window("2026-10-19", "2026-11-30", zone), NOW)
    assert found == window("2026-09-06", "2026-10-10T16:30:00", zone)


def test_a_window_that_lies_ahead_is_compared_with_next_to_nothing() -> None:
    found = before(window("2026-12-01", "2026-12-02"), NOW)
    assert found == Window(
        window("2026-11-29", "2026-11-30").start, window("2026-11-29", "2026-11-30").start + 1, "UTC"
    )


def test_an_asked_grouping_is_shown_where_it_suits_and_is_always_among_the_choices() -> None:
    quarter = window("2026-08-25", "2026-11-22")
    assert chosen(quarter, "week") == ("week", ("day", "week", "month"))
    assert chosen(quarter, "minute") == chosen(quarter, None) == ("day", ("day", "week", "month"))


@pytest.mark.parametrize(
    ("group", "expected"), [("day", "day"), ("hour", "day"), ("minute", "day"), ("month", "month")]
)
def test_bars_are_as_many_as_can_be_told_apart(group: str, expected: str) -> None:
    assert for_bars(window("2026-08-25", "2026-11-22"), group) == expected
