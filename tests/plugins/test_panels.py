"""The built-in panels choose a grouping that fits, and compare like with like."""

from __future__ import annotations

import pytest

from fluxrate.core.calendar import Window, parse_instant, parse_window
from fluxrate.plugins.panels import before, fitting, offered

NOW = parse_instant("2026-11-22T15:30:00Z")


def window(start: str, end: str, zone: str = "UTC") -> Window:
    return parse_window(start, end, zone, NOW)


@pytest.mark.parametrize(
    ("start", "end", "group"),
    [
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
    assert offered(window("2026-11-22T10:00:00", "2026-11-22T10:30:00")) == ("hour",)


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
