"""Buckets, judged by known facts and by a slow walk along the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxrate.core import calendar
from fluxrate.core.calendar import (
    GROUPS,
    MAX_BUCKETS,
    Window,
    bucket_start,
    buckets,
    parse_window,
)
from fluxrate.core.errors import Malformed
from tests.core.clocks import EPOCH, ZONES, local, us
from tests.generated import examples

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# Days on which a clock of these zones did something odd, or will.
ODD_DAYS = (
    date(1972, 1, 7),
    date(1985, 12, 31),
    date(2008, 11, 2),
    date(2010, 11, 7),
    date(2011, 3, 13),
    date(2011, 12, 30),
    date(2018, 2, 18),
    date(2018, 11, 4),
    date(2025, 3, 30),
    date(2025, 4, 6),
    date(2025, 10, 5),
    date(2025, 11, 2),
    date(2026, 2, 15),
    date(2026, 9, 6),
)


def days(zone: str, first: str, last: str) -> Window:
    return parse_window(first, last, zone, 0)


def lengths(window: Window, group: str) -> list[int]:
    return [int(step) for step in np.diff(buckets(window, group).edges)]


def first_day(day: date, group: str) -> date:
    match group:
        case "day":
            return day
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        case _:
            return date(day.year, 1, 1)


def clock_label(instant: int, group: str, zone: str) -> str:
    here = local(instant, zone)
    # The offset of the instant: that of the floored time may differ, in a half hour fallen back.
    here = here.replace(second=0, microsecond=0, tzinfo=timezone(here.utcoffset() or timedelta(0)))
    text = (here.replace(minute=0) if group == "hour" else here).isoformat()
    return text.removesuffix("+00:00") + "Z" if zone == "UTC" else text


def walk(start: int, end: int, zone: str, group: str) -> Iterator[int]:
    """Start, then every half minute where something may happen: every edge of these zones is one of them."""
    at = start
    while at < end:
        yield at
        slow = group in ("hour", "minute") or local(at, zone).hour in (22, 23, 0)
        step = 30 * SECOND if slow else HOUR
        at = (at // step + 1) * step


def reference(window: Window, group: str) -> tuple[list[int], list[str]]:
    edges: list[int] = []
    labels: list[str] = []
    latest = date.min
    clock = group in ("hour", "minute")
    for at in walk(window.start - (0 if clock else 3 * DAY), window.end, window.zone, group):
        if clock:
            label = clock_label(at, group, window.zone)
        else:
            latest = max(latest, local(at, window.zone).date())
            label = first_day(latest, group).isoformat()
        if labels and label == labels[-1]:
            continue
        if at <= window.start:
            edges, labels = [window.start], [label]
        else:
            edges.append(at)
            labels.append(label)
    return [*edges, window.end], labels


@st.composite
def windows(draw: st.DrawFn, longest: int) -> Window:
    some_day = st.dates(date(1970, 1, 8), date(2060, 12, 31))
    day = draw(st.sampled_from(ODD_DAYS) | some_day)
    start = (day.toordinal() - EPOCH.date().toordinal()) * DAY - draw(st.integers(0, DAY))
    length = draw(st.integers(1, longest) | st.integers(1, longest // MINUTE).map(lambda m: m * MINUTE))
    return Window(start, start + length, draw(st.sampled_from(ZONES)))


@examples(120)
@given(window=windows(longest=3 * DAY), group=st.sampled_from(["hour", "minute"]))
@example(window=Window(us("1972-01-06T22:10Z"), us("1972-01-07T03:00Z"), "Africa/Monrovia"), group="minute")
@example(window=Window(us("2025-04-05T12:00Z"), us("2025-04-05T18:00Z"), "Australia/Lord_Howe"), group="hour")
@example(window=Window(us("2010-11-07T00:00Z"), us("2010-11-07T06:00Z"), "America/St_Johns"), group="hour")
def test_hours_and_minutes_are_those_that_a_walk_along_the_clock_finds(window: Window, group: str) -> None:
    found = buckets(window, group)
    assert (found.edges.tolist(), list(found.labels)) == reference(window, group)


@examples(80)
@given(window=windows(longest=70 * DAY), group=st.sampled_from(GROUPS[2:]))
@example(window=Window(us("2011-12-20T00:00Z"), us("2012-01-10T00:00Z"), "Pacific/Apia"), group="day")
@example(window=Window(us("2010-11-07T02:45Z"), us("2010-11-09T00:00Z"), "America/St_Johns"), group="day")
@example(window=Window(us("2008-11-02T04:30Z"), us("2008-11-04T00:00Z"), "America/Havana"), group="day")
@example(window=Window(us("2018-02-18T02:30Z"), us("2018-02-20T00:00Z"), "America/Sao_Paulo"), group="day")
def test_days_and_longer_are_those_that_a_walk_along_the_clock_finds(window: Window, group: str) -> None:
    found = buckets(window, group)
    assert (found.edges.tolist(), list(found.labels)) == reference(window, group)


@examples(300)
@given(window=windows(longest=500 * DAY), group=st.sampled_from(GROUPS[1:]))
def test_buckets_follow_each_other_through_the_window(window: Window, group: str) -> None:
    found = buckets(window, group)
    assert found.edges.dtype == np.int64
    assert found.edges[0] == window.start
    assert found.edges[-1] == window.end
    assert (np.diff(found.edges) > 0).all()
    assert len(found.labels) == len(found.edges) - 1
    assert len(set(found.labels)) == len(found.labels)
    assert all(type(label) is str for label in found.labels)
    parsed = [datetime.fromisoformat(label) for label in found.labels]
    # Equal only where a clock fell back at a minute past the hour: St. John's 00:00-02:30 and 23:00-03:30.
    assert all(a <= b for a, b in pairwise(parsed))


@examples(200)
@given(window=windows(longest=60 * DAY), group=st.sampled_from(GROUPS[1:]))
@example(window=Window(us("2025-04-05T12:00Z"), us("2025-04-05T18:00Z"), "Australia/Lord_Howe"), group="minute")
@example(window=Window(us("2010-11-05T00:00Z"), us("2010-11-09T00:00Z"), "America/St_Johns"), group="day")
def test_bucket_start_is_the_edge_before_an_instant(window: Window, group: str) -> None:
    edges = buckets(window, group).edges.tolist()
    assert bucket_start(window.start, group, window.zone) <= window.start
    for start, end in list(pairwise(edges))[1:30]:
        for instant in (start, (start + end) // 2, end - 1):
            assert bucket_start(instant, group, window.zone) == start


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize(("group", "months"), [("month", 1), ("quarter", 3), ("year", 12)])
def test_ninety_years_of_months_start_at_local_midnights(zone: str, group: str, months: int) -> None:
    found = buckets(days(zone, "1970-01-01", "2059-12-31"), group)
    firsts = [date(1970 + m // 12, m % 12 + 1, 1) for m in range(0, 90 * 12, months)]
    midnights = [datetime(d.year, d.month, d.day, tzinfo=ZoneInfo(zone)) for d in firsts]
    assert list(found.labels) == [d.isoformat() for d in firsts]
    assert found.edges.tolist()[:-1] == [(m - EPOCH) // timedelta(microseconds=1) for m in midnights]


def test_new_york_has_days_of_23_and_25_hours() -> None:
    spring = days("America/New_York", "2025-03-08", "2025-03-10")
    assert lengths(spring, "day") == [24 * HOUR, 23 * HOUR, 24 * HOUR]
    assert lengths(days("America/New_York", "2025-11-02", "2025-11-02"), "day") == [25 * HOUR]


def test_lord_howe_moves_by_half_an_hour() -> None:
    autumn = days("Australia/Lord_Howe", "2025-04-06", "2025-04-06")
    spring = days("Australia/Lord_Howe", "2025-10-05", "2025-10-05")
    assert lengths(autumn, "day") == [24 * HOUR + 30 * MINUTE]
    assert lengths(spring, "day") == [23 * HOUR + 30 * MINUTE]


def test_casablanca_has_25_hours_on_the_eve_of_ramadan() -> None:
    assert lengths(days("Africa/Casablanca", "2026-02-15", "2026-02-15"), "day") == [25 * HOUR]


def test_a_day_without_midnight_starts_at_its_first_instant() -> None:
    window = days("America/Santiago", "2026-09-06", "2026-09-06")
    assert window.period_start == "2026-09-06T01:00:00-03:00"
    assert lengths(window, "day") == [23 * HOUR]


def test_a_day_with_two_midnights_starts_once_at_the_first() -> None:
    window = days("America/Havana", "2025-11-01", "2025-11-03")
    found = buckets(window, "day")
    assert found.labels == ("2025-11-01", "2025-11-02", "2025-11-03")
    assert lengths(window, "day") == [24 * HOUR, 25 * HOUR, 24 * HOUR]


def test_a_skipped_day_has_no_bucket() -> None:
    window = days("Pacific/Apia", "2011-12-29", "2011-12-31")
    assert buckets(window, "day").labels == ("2011-12-29", "2011-12-31")
    with pytest.raises(Malformed, match="before the end"):
        days("Pacific/Apia", "2011-12-30", "2011-12-30")


def test_a_window_that_starts_in_the_hour_fallen_back_over_midnight_belongs_to_the_new_day() -> None:
    # St. John's went from 00:01 on the 7th to 23:01 on the 6th: the 7th had begun a minute before.
    window = Window(us("2010-11-06T23:30:00-03:30"), us("2010-11-08T12:00:00-03:30"), "America/St_Johns")
    assert buckets(window, "day").labels == ("2010-11-07", "2010-11-08")


def test_the_repeated_hour_is_two_buckets_and_the_skipped_hour_none() -> None:
    autumn = buckets(days("America/New_York", "2025-11-02", "2025-11-02"), "hour")
    assert autumn.labels[:4] == (
        "2025-11-02T00:00:00-04:00",
        "2025-11-02T01:00:00-04:00",
        "2025-11-02T01:00:00-05:00",
        "2025-11-02T02:00:00-05:00",
    )
    spring = buckets(days("America/New_York", "2025-03-09", "2025-03-09"), "hour")
    assert spring.labels[1:3] == ("2025-03-09T01:00:00-05:00", "2025-03-09T03:00:00-04:00")
    assert (len(autumn.labels), len(spring.labels)) == (25, 23)


def test_an_hour_bucket_never_spans_a_change_of_offset() -> None:
    window = days("Australia/Lord_Howe", "2025-04-06", "2025-04-06")
    found = buckets(window, "hour")
    assert found.labels[1:4] == (
        "2025-04-06T01:00:00+11:00",
        "2025-04-06T01:00:00+10:30",
        "2025-04-06T02:00:00+10:30",
    )
    assert lengths(window, "hour")[1:4] == [HOUR, HOUR // 2, HOUR]


def test_labels_name_the_calendar_bucket_even_where_the_window_cuts_it() -> None:
    window = parse_window("2025-01-01T10:20:30Z", "2025-01-01T12:00:01Z", "UTC", 0)
    assert buckets(window, "hour").labels == (
        "2025-01-01T10:00:00Z",
        "2025-01-01T11:00:00Z",
        "2025-01-01T12:00:00Z",
    )
    assert buckets(window, "minute").labels[0] == "2025-01-01T10:20:00Z"
    assert buckets(window, "day").labels == ("2025-01-01",)
    assert buckets(window, "week").labels == ("2024-12-30",)
    assert buckets(days("UTC", "2025-05-05", "2025-08-05"), "quarter").labels == ("2025-04-01", "2025-07-01")
    assert buckets(days("UTC", "2025-05-05", "2026-01-01"), "year").labels == ("2025-01-01", "2026-01-01")


def test_a_window_of_a_microsecond_is_one_bucket() -> None:
    window = Window(us("2025-01-01T00:00Z") - 1, us("2025-01-01T00:00Z"), "UTC")
    for group in GROUPS:
        assert len(buckets(window, group).labels) == 1
    assert buckets(window, "day").labels == ("2024-12-31",)


def test_edges_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        buckets(days("UTC", "2025-01-01", "2025-01-02"), "day").edges[0] = 0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
@pytest.mark.parametrize("group", ["minute", "hour", "day", "week"])
def test_too_many_buckets_are_refused_with_their_number_and_a_way_out(zone: str, group: str) -> None:
    with pytest.raises(Malformed, match=r"at most 50,000 buckets.* [0-9,]+ of a .*group_by=month") as caught:
        buckets(days(zone, "1900-01-01", "2999-12-31"), group)
    assert caught.value.field == "group_by"


def test_the_limit_on_buckets_is_exact() -> None:
    start = us("2025-01-01T00:00Z")
    assert len(buckets(Window(start, start + MAX_BUCKETS * MINUTE, "UTC"), "minute").labels) == MAX_BUCKETS
    with pytest.raises(Malformed, match="50,001"):
        buckets(Window(start, start + MAX_BUCKETS * MINUTE + 1, "UTC"), "minute")


def test_an_unknown_group_is_refused() -> None:
    window = days("UTC", "2025-01-01", "2025-01-02")
    with pytest.raises(Malformed, match="fortnight"):
        buckets(window, "fortnight")
    with pytest.raises(Malformed, match="fortnight"):
        bucket_start(window.start, "fortnight", "UTC")


def test_everything_about_time_can_be_had_from_the_calendar() -> None:
    assert all(hasattr(calendar, name) for name in calendar.__all__)
