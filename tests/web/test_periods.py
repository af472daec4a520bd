"""Buckets are named by the calendar, and what is not whole says so."""

from __future__ import annotations

import pytest

from fluxrate.core import calendar
from fluxrate.core.answers import Bucket
from fluxrate.core.calendar import parse_instant, parse_window
from fluxrate.web.periods import points

NOW = parse_instant("2026-11-22T15:30:00Z")


def drawn(start, end, group, zone="UTC"):
    found = calendar.buckets(parse_window(start, end, zone, NOW), group)
    edges = found.edges.tolist()
    buckets = [Bucket(a, b, label, 1, 1) for a, b, label in zip(edges, edges[1:], found.labels, strict=False)]
    return points(buckets, group, zone, NOW)


def test_the_running_bucket_is_so_far_and_the_future_is_left_out():
    found = drawn("2026-11-20", "2026-11-25", "day")
    assert [(p.period, p.state) for p in found] == [
        ("Fri 20 Nov", ""),
        ("Sat 21 Nov", ""),
        ("Sun 22 Nov", "so far"),
    ]


def test_a_bucket_that_the_window_cuts_is_part():
    found = drawn("2026-10-07", "2026-10-20", "week")
    assert [(p.period, p.state) for p in found] == [
        ("Week of 7 Oct", "part"),
        ("Week of 12 Oct", ""),
        ("Week of 19 Oct", "part"),
    ]


@pytest.mark.parametrize(
    ("start", "end", "group", "ticks"),
    [
        ("2026-11-20", "2026-11-20", "hour", ["20 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]),
        ("2026-01-01", "2026-06-30", "month", ["Jan 2026", "Feb", "Mar", "Apr", "May", "Jun"]),
        ("2026-10-01", "2026-10-30", "day", ["1 Oct", "6 Oct", "11 Oct", "16 Oct", "21 Oct", "26 Oct"]),
    ],
)
def test_ticks_stand_at_round_places(start, end, group, ticks):
    assert [p.tick for p in drawn(start, end, group) if p.tick] == ticks


def test_the_year_is_named_where_there_are_two():
    assert drawn("2025-12-31", "2026-01-01", "day")[0].period == "Wed 31 Dec 2025"


def test_the_repeated_hour_is_two_points():
    found = drawn("2026-10-25T01:00:00", "2026-10-25T04:00:00", "hour", "Europe/Berlin")
    assert [p.period for p in found] == ["25 Oct 01:00", "25 Oct 02:00", "25 Oct 02:00", "25 Oct 03:00"]
