"""Which zones exist, and the stretches of constant offset, judged by zoneinfo."""

from __future__ import annotations

import zoneinfo
from datetime import date, timedelta
from itertools import pairwise

import pytest

from fluxrate.core.calendar import check_zone
from fluxrate.core.errors import Malformed
from fluxrate.core.text import show
from fluxrate.core.zones import DAY, clock_at, first_at, segments, skipped_days
from tests.core.clocks import EPOCH, ZONES, local, us


def test_only_the_bundled_zone_data_rules() -> None:
    assert zoneinfo.TZPATH == ()


@pytest.mark.parametrize("name", [*ZONES, "US/Central", "GMT", "Etc/UTC", "Asia/Calcutta"])
def test_names_and_aliases_of_zones_are_taken(name: str) -> None:
    assert check_zone(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "../x", "/etc/localtime", "America", "America/", "localtime", "posixrules",
        "Factory", "utc", "europe/berlin", "Europe/Berlin ", "Europe/Berlin\n", "UTC\0", "\0",
        "\ud800", "UTC+2", "+02:00", "zones", "Europe//Berlin", "Europe/../Europe/Berlin",
        "A" * 100_000, "__init__.py", "CON",
    ],
    ids=show,
)  # fmt: skip
def test_anything_else_is_no_zone_and_says_so(name: str) -> None:
    with pytest.raises(Malformed, match="timezone is an IANA name") as caught:
        check_zone(name)
    assert caught.value.field == "timezone"
    assert len(caught.value.detail) < 200
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize("zone", [*ZONES, "Asia/Gaza", "Antarctica/Troll", "Europe/Dublin"])
def test_segments_have_the_offset_that_the_zone_has_at_both_ends(zone: str) -> None:
    start, end = us("1969-12-20T00:00Z"), us("2061-01-01T00:00Z")
    found = segments(zone, start, end)
    assert (found[0][0], found[-1][1]) == (start, end)
    for (_, stop, offset), (begin, _, following) in pairwise(found):
        assert stop == begin
        assert offset != following
    for begin, stop, offset in found:
        for instant in (begin, (begin + stop) // 2, stop - 1):
            assert local(instant, zone).utcoffset() == timedelta(microseconds=offset)


def on_clock(text: str) -> int:
    """What a clock shows, as if it were UTC."""
    return us(text + "Z")


@pytest.mark.parametrize(
    ("zone", "shown", "first"),
    [
        ("UTC", "2025-01-01T10:00", "2025-01-01T10:00+00:00"),
        ("America/New_York", "2025-11-02T01:30", "2025-11-02T01:30-04:00"),
        ("America/New_York", "2025-03-09T02:30", "2025-03-09T03:00-04:00"),
        ("Australia/Lord_Howe", "2025-04-06T01:45", "2025-04-06T01:45+11:00"),
        ("Australia/Lord_Howe", "2025-10-05T02:10", "2025-10-05T02:30+11:00"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31T00:00+14:00"),
        ("America/Santiago", "2026-09-06T00:00", "2026-09-06T01:00-03:00"),
    ],
)
def test_a_time_of_the_clock_is_the_first_instant_that_shows_it_or_a_later_one(
    zone: str, shown: str, first: str
) -> None:
    assert first_at(zone, on_clock(shown)) == us(first)


@pytest.mark.parametrize("zone", ZONES)
def test_what_the_clock_shows_is_local_time(zone: str) -> None:
    for instant in range(us("2025-01-01T00:00Z"), us("2026-01-01T00:00Z"), 7 * 3_600_000_000):
        assert clock_at(zone, instant) == us(f"{local(instant, zone).replace(tzinfo=None).isoformat()}Z")


def test_skipped_days_are_those_that_the_clock_never_showed() -> None:
    def found(zone: str, first: str, last: str) -> list[str]:
        span = (on_clock(f"{day}T00:00") // DAY for day in (first, last))
        return [date.fromordinal(day + EPOCH.toordinal()).isoformat() for day in skipped_days(zone, *span)]

    assert found("Pacific/Apia", "1990-01-01", "2040-01-01") == ["2011-12-30"]
    assert found("Pacific/Apia", "2011-12-30", "2011-12-31") == ["2011-12-30"]
    assert found("Pacific/Apia", "2011-12-31", "2012-01-01") == found("Pacific/Apia", "2011-12-29", "2011-12-30") == []
    assert found("Pacific/Apia", "2011-12-30", "2011-12-30") == []
    assert found("Pacific/Kwajalein", "1960-01-01", "2000-01-01") == ["1993-08-21"]
    assert found("Pacific/Kiritimati", "1970-01-01", "2040-01-01") == ["1994-12-31"]
    others = [zone for zone in ZONES if zone not in ("Pacific/Apia", "Pacific/Kiritimati")]
    assert [found(zone, "1970-01-01", "2040-01-01") for zone in others] == [[]] * len(others)
