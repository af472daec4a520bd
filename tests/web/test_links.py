"""The addresses of events: whatever range a figure is of, the two dates of its link give back exactly that range."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fluxrate.core.calendar import Window, buckets, parse_window
from fluxrate.core.zones import DAY
from fluxrate.web.links import edges

ZONES = {
    "Europe/Berlin": "2026-10-25",
    "Australia/Lord_Howe": "2026-04-05",
    "America/Santiago": "2026-09-06",
    "America/Havana": "2026-11-01",
    "Pacific/Apia": "2011-12-30",
    "Asia/Kathmandu": "2026-01-01",
    "UTC": "2026-01-01",
}


@pytest.mark.parametrize("group", ["hour", "day", "week", "month"])
@pytest.mark.parametrize(("zone", "change"), ZONES.items())
def test_the_dates_of_a_bucket_are_that_bucket_also_where_the_clock_changes(zone, change, group):
    day = parse_window(change, None, zone, 1 << 60).start
    around = Window(day - 3 * DAY - 1, day + 4 * DAY + 7, zone)
    cut = buckets(around, group).edges.tolist()
    for start, end in pairwise(cut):
        found = edges(start, end, zone)
        window = parse_window(found["start_date"], found["end_date"], zone, 0)
        assert (window.start, window.end) == (start, end), found


def test_whole_days_are_named_as_days():
    window = parse_window("2026-10-24", "2026-10-26", "Europe/Berlin", 0)
    assert edges(window.start, window.end, window.zone) == {"start_date": "2026-10-24", "end_date": "2026-10-26"}
    found = edges(window.start, window.end - 1, window.zone)
    assert found == {"start_date": "2026-10-23T22:00:00Z", "end_date": "2026-10-26T22:59:59.999999Z"}
