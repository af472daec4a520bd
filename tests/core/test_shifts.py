"""Windows moved back, judged by known facts and by the slow way along the clock."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fluxrate.core.calendar import GROUPS, Window, buckets, parse_window
from fluxrate.core.shifts import earlier, partners
from tests.core.clocks import EPOCH, ZONES, us
from tests.core.walking import DAY, QUARTER, expected, expected_partners, shown
from tests.generated import examples

# Days on which a clock of these zones did something odd or will, and days that another month or year lacks.
ODD_DAYS = (
    date(1985, 12, 31),
    date(2011, 12, 29),
    date(2011, 12, 31),
    date(2012, 12, 30),
    date(2024, 2, 29),
    date(2025, 3, 31),
    date(2025, 3, 9),
    date(2025, 3, 30),
    date(2025, 4, 6),
    date(2025, 9, 7),
    date(2025, 10, 5),
    date(2025, 10, 26),
    date(2025, 11, 2),
    date(2026, 2, 15),
    date(2040, 2, 29),
    date(2044, 11, 6),
)

LONGEST = {"minute": 1, "hour": 3, "day": 70, "week": 150, "month": 200, "quarter": 400, "year": 800}
"""How many days the windows of a group have at most here."""


@st.composite
def windows(draw: st.DrawFn, group: str) -> Window:
    """A window of quarters of an hour near an odd day, of whole days half of the time."""
    zone = draw(st.sampled_from(ZONES))
    day = draw(st.sampled_from(ODD_DAYS) | st.dates(date(1972, 1, 8), date(2060, 12, 31)))
    day -= timedelta(days=draw(st.integers(0, 3)))
    longest = LONGEST[group] * 96
    if draw(st.booleans()):
        last = day + timedelta(days=draw(st.integers(0, LONGEST[group] - 1)))
        days = shown(zone, day, 0) | shown(zone, last + timedelta(days=1), 1)
        after = next(one for one in sorted(days) if one > last)
        assume(day in days and last in days)
        return Window(days[day], days[after], zone)
    start = (day.toordinal() - EPOCH.date().toordinal()) * DAY + draw(st.integers(-60, 120)) * QUARTER
    return Window(start, start + draw(st.integers(1, 12) | st.integers(1, longest)) * QUARTER, zone)


def days(zone: str, first: str, last: str) -> Window:
    return parse_window(first, last, zone, 0)


@examples(70)
@given(data=st.data(), group=st.sampled_from(GROUPS[1:]))
def test_the_window_before_is_the_one_found_by_counting(data: st.DataObject, group: str) -> None:
    """As many buckets back as are needed to end before the window starts, each edge at its place in its bucket."""
    window = data.draw(windows(group))
    found = earlier(window, "previous", group)
    assert (found.start, found.end) == expected(window, "previous", group)
    assert found.zone == window.zone
    assert found.start < found.end <= window.start


@examples(20)
@given(window=windows("minute"))
def test_minutes_are_counted_too(window: Window) -> None:
    found = earlier(window, "previous", "minute")
    assert (found.start, found.end) == expected(window, "previous", "minute")


@examples(70)
@given(data=st.data(), group=st.sampled_from(GROUPS))
def test_the_year_before_has_the_same_dates(data: st.DataObject, group: str) -> None:
    """The dates and times of day of a year earlier, or by week those of 52 weeks earlier."""
    window = data.draw(windows(group))
    found = earlier(window, "year", group)
    assert (found.start, found.end) == expected(window, "year", group)


@examples(70)
@given(data=st.data(), group=st.sampled_from(GROUPS), compare=st.sampled_from(["previous", "year"]))
def test_a_bucket_stands_for_the_one_in_its_place_or_of_its_name(data: st.DataObject, group: str, compare: str) -> None:
    """Days a year apart and hours of whole days pair by name, all others in order; nothing is counted twice."""
    window = data.draw(windows(group))
    past = earlier(window, compare, group)
    found = partners(window, past, compare, group)
    assert found == expected_partners(window, past, compare, group)
    used = [each for each in found if each is not None]
    assert used == sorted(set(used))


@pytest.mark.parametrize(
    ("zone", "first", "last", "group", "compare", "start", "end"),
    [
        ("UTC", "2025-01-01", "2025-01-31", "day", "previous", "2024-12-01T00:00:00Z", "2024-12-31T23:59:59Z"),
        ("UTC", "2025-03-01", "2025-03-31", "day", "previous", "2025-01-29T00:00:00Z", "2025-02-28T23:59:59Z"),
        ("UTC", "2025-03-01", "2025-03-31", "month", "previous", "2025-02-01T00:00:00Z", "2025-02-28T23:59:59Z"),
        ("UTC", "2025-01-01", "2025-03-31", "month", "previous", "2024-10-01T00:00:00Z", "2024-12-31T23:59:59Z"),
        ("UTC", "2025-04-01", "2025-06-30", "quarter", "previous", "2025-01-01T00:00:00Z", "2025-03-31T23:59:59Z"),
        ("UTC", "2024-01-01", "2024-12-31", "year", "previous", "2023-01-01T00:00:00Z", "2023-12-31T23:59:59Z"),
        ("UTC", "2025-01-06", "2025-01-19", "week", "previous", "2024-12-23T00:00:00Z", "2025-01-05T23:59:59Z"),
        ("UTC", "2025-01-06", "2025-01-19", "week", "year", "2024-01-08T00:00:00Z", "2024-01-21T23:59:59Z"),
        ("UTC", "2021-01-04", "2021-01-10", "week", "year", "2020-01-06T00:00:00Z", "2020-01-12T23:59:59Z"),
        ("UTC", "2024-02-29", "2024-02-29", "day", "year", "2023-02-28T00:00:00Z", "2023-02-28T23:59:59Z"),
        ("UTC", "2024-02-01", "2024-02-29", "day", "year", "2023-02-01T00:00:00Z", "2023-02-28T23:59:59Z"),
        ("UTC", "2024-02-28", "2024-02-28", "day", "year", "2023-02-28T00:00:00Z", "2023-02-28T23:59:59Z"),
        ("UTC", "2025-02-01", "2025-02-28", "month", "year", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"),
        ("UTC", "2025-01-31", "2025-01-31", "month", "previous", "2024-12-31T00:00:00Z", "2024-12-31T23:59:59Z"),
        ("UTC", "2025-03-31", "2025-03-31", "month", "previous", "2025-02-28T00:00:00Z", "2025-02-28T23:59:59Z"),
        ("UTC", "2025-03-30", "2025-03-30", "month", "previous", "2025-02-28T00:00:00Z", "2025-02-28T23:59:59Z"),
        (
            "America/New_York", "2025-03-01", "2025-03-30", "day", "previous",
            "2025-01-30T00:00:00-05:00", "2025-02-28T23:59:59-05:00",
        ),
        (
            "America/New_York", "2025-03-10", "2025-03-10", "hour", "previous",
            "2025-03-09T00:00:00-05:00", "2025-03-09T23:59:59-04:00",
        ),
        (
            "America/New_York", "2025-03-09T14:30:00", "2025-03-10T14:30:00", "day", "previous",
            "2025-03-08T14:30:00-05:00", "2025-03-09T14:29:59-04:00",
        ),
        (
            "America/New_York", "2025-03-09T14:30:00", "2025-03-10T14:30:00", "hour", "previous",
            "2025-03-08T13:30:00-05:00", "2025-03-09T14:29:59-04:00",
        ),
        (
            "Europe/Berlin", "2025-01-01T00:00:00", "2025-01-15T09:20:00", "month", "previous",
            "2024-12-01T00:00:00+01:00", "2024-12-15T09:19:59+01:00",
        ),
        (
            "Europe/Berlin", "2025-01-01T00:00:00", "2025-01-15T09:20:00", "day", "previous",
            "2024-12-17T00:00:00+01:00", "2024-12-31T09:19:59+01:00",
        ),
        (
            "Asia/Kathmandu", "1986-01-01", "1986-01-01", "hour", "previous",
            "1985-12-31T00:00:00+05:30", "1985-12-31T23:59:59+05:30",
        ),
        (
            "Australia/Lord_Howe", "2025-04-06T10:20:00", "2025-04-07T10:20:00", "hour", "previous",
            "2025-04-05T11:20:00+11:00", "2025-04-06T10:19:59+10:30",
        ),
        (  # The hour that is cut to its second half has no tenth minute.
            "Australia/Lord_Howe", "2025-04-06T02:10:00", "2025-04-06T03:00:00", "hour", "previous",
            "2025-04-06T01:30:00+10:30", "2025-04-06T01:59:59+10:30",
        ),
        (
            "Australia/Lord_Howe", "2025-04-06T01:40:00+11:00", "2025-04-06T01:50:00+10:30", "hour", "previous",
            "2025-04-05T23:40:00+11:00", "2025-04-06T00:49:59+11:00",
        ),
        (
            "Pacific/Apia", "2012-12-30", "2013-01-04", "day", "year",
            "2011-12-29T00:00:00-10:00", "2012-01-04T23:59:59+14:00",
        ),
        (
            "Pacific/Apia", "2011-12-31", "2012-01-04", "day", "previous",
            "2011-12-25T00:00:00-10:00", "2011-12-29T23:59:59-10:00",
        ),
        (
            "Pacific/Apia", "2012-12-30", "2012-12-30", "day", "year",
            "2011-12-29T00:00:00-10:00", "2011-12-29T23:59:59-10:00",
        ),
        (
            "Africa/Casablanca", "2026-02-15", "2026-02-15", "day", "year",
            "2025-02-15T00:00:00+01:00", "2025-02-15T23:59:59+01:00",
        ),
        (
            "America/New_York", "2044-11-06", "2044-11-12", "day", "previous",
            "2044-10-30T00:00:00-04:00", "2044-11-05T23:59:59-04:00",
        ),
    ],
)  # fmt: skip
def test_known_windows(zone: str, first: str, last: str, group: str, compare: str, start: str, end: str) -> None:
    found = earlier(days(zone, first, last), compare, group)
    assert (found.period_start, found.period_end) == (start, end)


def pairs(zone: str, first: str, last: str, group: str, compare: str) -> dict[str, str | None]:
    window = days(zone, first, last)
    past = earlier(window, compare, group)
    then = buckets(past, group).labels
    found = partners(window, past, compare, group)
    return {
        label: None if at is None else then[at] for label, at in zip(buckets(window, group).labels, found, strict=True)
    }


def test_the_hour_that_a_day_before_lacks_has_no_partner_and_the_others_have_that_of_their_name() -> None:
    found = pairs("America/New_York", "2025-03-10", "2025-03-10", "hour", "previous")
    assert found["2025-03-10T02:00:00-04:00"] is None
    assert found["2025-03-10T01:00:00-04:00"] == "2025-03-09T01:00:00-05:00"
    assert found["2025-03-10T03:00:00-04:00"] == "2025-03-09T03:00:00-04:00"
    assert found["2025-03-10T23:00:00-04:00"] == "2025-03-09T23:00:00-04:00"


def test_the_repeated_hour_pairs_with_the_first_of_its_name_and_then_with_none() -> None:
    found = pairs("America/New_York", "2025-11-02", "2025-11-02", "hour", "previous")
    assert found["2025-11-02T01:00:00-04:00"] == "2025-11-01T01:00:00-04:00"
    assert found["2025-11-02T01:00:00-05:00"] is None
    assert found["2025-11-02T02:00:00-05:00"] == "2025-11-01T02:00:00-04:00"
    back = pairs("America/New_York", "2025-11-03", "2025-11-03", "hour", "previous")
    assert back["2025-11-03T01:00:00-05:00"] == "2025-11-02T01:00:00-04:00"
    assert back["2025-11-03T02:00:00-05:00"] == "2025-11-02T02:00:00-05:00"


def test_the_leap_day_has_no_partner_where_the_day_before_has_it() -> None:
    found = pairs("UTC", "2024-02-27", "2024-03-02", "day", "year")
    assert found == {
        "2024-02-27": "2023-02-27",
        "2024-02-28": "2023-02-28",
        "2024-02-29": None,
        "2024-03-01": "2023-03-01",
        "2024-03-02": "2023-03-02",
    }
    assert pairs("UTC", "2024-02-29", "2024-03-01", "day", "year") == {
        "2024-02-29": "2023-02-28",
        "2024-03-01": "2023-03-01",
    }
    assert pairs("UTC", "2025-02-28", "2025-03-01", "day", "year") == {
        "2025-02-28": "2024-02-28",
        "2025-03-01": "2024-03-01",
    }


def test_a_skipped_day_is_nobodys_partner() -> None:
    found = pairs("Pacific/Apia", "2012-12-29", "2012-12-31", "day", "year")
    assert found == {"2012-12-29": "2011-12-29", "2012-12-30": None, "2012-12-31": "2011-12-31"}
    assert list(pairs("Pacific/Apia", "2011-12-31", "2012-01-01", "day", "previous").items()) == [
        ("2011-12-31", "2011-12-28"),
        ("2012-01-01", "2011-12-29"),
    ]


def test_weeks_pair_with_the_monday_of_52_weeks_before() -> None:
    found = pairs("Europe/Berlin", "2020-12-28", "2021-01-10", "week", "year")
    assert found == {"2020-12-28": "2019-12-30", "2021-01-04": "2020-01-06"}


@examples(30)
@given(st.integers(1, 23 * 4), st.sampled_from(GROUPS))
@example(4, "day")
def test_a_window_on_a_clock_that_goes_back_is_moved_whole(quarters: int, group: str) -> None:
    """Even when its end shows an earlier time of day than its start, the earlier window is not empty."""
    start = us("2025-11-02T01:45:00-04:00")
    window = Window(start, start + quarters * QUARTER, "America/New_York")
    for compare in ("previous", "year"):
        found = earlier(window, compare, group)
        assert found.start < found.end <= window.start


def test_windows_before_1970_and_of_centuries_are_moved_too() -> None:
    found = earlier(days("America/New_York", "1900-01-01T10:00:00", "1900-01-03"), "previous", "hour")
    assert (found.period_start, found.end) == ("1899-12-29T20:00:00-05:00", us("1900-01-01T10:00:00-05:00"))
    found = earlier(days("UTC", "1900-01-01", "2999-12-31"), "previous", "year")
    assert found.period_start == "0800-01-01T00:00:00Z"
