"""Windows: from the two dates of a query to a half-open range, and back to a period."""

from __future__ import annotations

import pytest

from fluxrate.core.calendar import Window, parse_window
from fluxrate.core.errors import Malformed
from tests.core.clocks import us

DAY = 86_400_000_000


def parse_days(zone: str, first: str, last: str) -> Window:
    return parse_window(first, last, zone, 0)


def test_dates_cover_whole_days_and_the_period_ends_with_the_last_second() -> None:
    window = parse_days("UTC", "2025-01-01", "2025-01-31")
    assert (window.start, window.end) == (us("2025-01-01T00:00Z"), us("2025-02-01T00:00Z"))
    assert (window.period_start, window.period_end) == ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59Z")


def test_dates_are_those_of_the_zone() -> None:
    window = parse_days("Europe/Berlin", "2025-03-30", "2025-03-30")
    assert (window.start, window.end) == (us("2025-03-30T00:00+01:00"), us("2025-03-31T00:00+02:00"))
    assert window.period_start == "2025-03-30T00:00:00+01:00"
    assert window.period_end == "2025-03-30T23:59:59+02:00"


def test_a_datetime_is_an_instant_and_without_offset_it_is_in_the_zone() -> None:
    window = parse_window("2025-01-01T00:00:00", "2025-01-02T00:00:00Z", "America/New_York", 0)
    assert (window.start, window.end) == (us("2025-01-01T05:00Z"), us("2025-01-02T00:00Z"))


def test_the_period_is_told_in_whole_seconds() -> None:
    window = parse_window("2025-01-01T00:00:00.250000Z", "2025-01-01T00:00:09.000001Z", "UTC", 0)
    assert (window.period_start, window.period_end) == ("2025-01-01T00:00:00Z", "2025-01-01T00:00:09Z")


@pytest.mark.parametrize("absent", [None, ""])
def test_the_default_is_the_thirty_days_before_now(absent: str | None) -> None:
    now = us("2025-03-15T12:00:00.5Z")
    assert parse_window(absent, absent, "UTC", now) == Window(now - 30 * DAY, now, "UTC")


def test_the_default_start_is_thirty_days_before_the_end() -> None:
    window = parse_window(None, "2025-01-31", "UTC", us("2026-01-01T00:00Z"))
    assert window.start == us("2025-01-02T00:00Z")
    berlin = parse_window(None, "2025-04-10", "Europe/Berlin", 0)
    assert berlin.period_start == "2025-03-12T00:00:00+01:00"


def test_a_start_after_the_end_is_refused_and_told() -> None:
    for start, end in [("2025-02-01", "2025-01-01"), ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z")]:
        with pytest.raises(Malformed, match=r"starts 2025-.* ends 2025-") as caught:
            parse_window(start, end, "UTC", 0)
        assert caught.value.field == "start_date"
    with pytest.raises(Malformed, match=r"\(now\)"):
        parse_window("2025-02-01", None, "UTC", us("2025-01-01T00:00Z"))


def test_an_error_names_the_parameter_and_the_zone_is_checked() -> None:
    with pytest.raises(Malformed, match="end_date") as caught:
        parse_window("2025-01-01", "soon", "UTC", 0)
    assert caught.value.field == "end_date"
    with pytest.raises(Malformed, match="timezone"):
        parse_window("2025-01-01", None, "Mars/Olympus", 0)
