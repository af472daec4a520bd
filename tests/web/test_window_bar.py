"""The window of a page: whole days by default, presets and steps as addresses, words for what is shown."""

from __future__ import annotations

import pytest
from flask import Flask

from fluxrate.core.calendar import Window, parse_instant, parse_window
from fluxrate.core.errors import Malformed
from fluxrate.web.periods import span
from fluxrate.web.window_bar import shift, window_bar, with_defaults

NOW = parse_instant("2026-11-22T15:30:00Z")


def window(start, end, zone="UTC") -> Window:
    return parse_window(start, end, zone, NOW)


def bar(start, end, zone="UTC"):
    args = {"start_date": start, "end_date": end, "timezone": zone}
    with Flask("x").test_request_context("/", query_string={**args, "meter": "m", "page": "7", "as_of": "5"}):
        return window_bar(window(start, end, zone), args, NOW)


def test_a_page_without_dates_shows_thirty_whole_days_with_today():
    filled = with_defaults({}, NOW)
    assert (filled["start_date"], filled["end_date"]) == ("2026-10-24", "2026-11-22")


def test_today_is_the_day_of_the_zone():
    assert with_defaults({"timezone": "Pacific/Kiritimati"}, NOW)["end_date"] == "2026-11-23"


def test_an_unknown_zone_is_refused_by_name():
    with pytest.raises(Malformed) as caught:
        with_defaults({"timezone": "Mars/Olympus"}, NOW)
    assert caught.value.field == "timezone"


def test_the_bar_names_a_preset_and_keeps_the_rest_of_the_address():
    found = bar("2026-11-16", "2026-11-22")
    assert found.label == "Last 7 days"
    assert found.previous == "/?start_date=2026-11-09&end_date=2026-11-15&timezone=UTC&meter=m"
    assert found.next is None
    assert [choice.chosen for choice in found.choices] == [False, True, False, False, False]


def test_a_window_of_its_own_is_named_by_its_dates():
    found = bar("2026-02-01", "2026-02-03")
    assert found.label == "1 Feb – 3 Feb 2026"
    assert found.next == "/?start_date=2026-02-04&end_date=2026-02-06&timezone=UTC&meter=m"


@pytest.mark.parametrize(
    ("start", "end", "steps", "expected"),
    [
        ("2026-02-01", "2026-02-28", -1, ("2026-01-01", "2026-01-31")),
        ("2026-01-01", "2026-03-31", 1, ("2026-04-01", "2026-06-30")),
        ("2026-02-02", "2026-02-03", -1, ("2026-01-31", "2026-02-01")),
        ("2026-03-29", "2026-03-29", -1, ("2026-03-28", "2026-03-28")),
    ],
)
def test_steps_follow_the_calendar_across_a_change_of_clock(start, end, steps, expected):
    zone = "Europe/Berlin"
    assert shift(window(start, end, zone), steps) == window(*expected, zone)


def test_a_window_of_hours_steps_by_its_length():
    found = shift(window("2026-02-02T10:00:00", "2026-02-02T13:00:00"), -1)
    assert found == window("2026-02-02T07:00:00", "2026-02-02T10:00:00")


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-02-01", "2026-02-01", "1 Feb 2026"),
        ("2025-12-30", "2026-01-02", "30 Dec 2025 – 2 Jan 2026"),
        ("2026-02-02T10:00:00", "2026-02-02T13:00:00", "2 Feb 10:00 – 2 Feb 2026 13:00"),
    ],
)
def test_a_window_in_words(start, end, words):
    found = window(start, end)
    assert span(found.start, found.end, "UTC") == words
