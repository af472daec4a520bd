"""Which zones exist, and the stretches of constant offset, judged by zoneinfo."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from fluxrate.core.calendar import check_zone
from fluxrate.core.errors import Malformed
from fluxrate.core.text import show
from fluxrate.core.zones import segments

ZONES = (
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/Santiago",
    "America/Havana",
    "America/Sao_Paulo",
    "Africa/Monrovia",
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(text: str) -> int:
    """The instant of an ISO text with offset, by Python alone."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def local(instant: int, zone: str) -> datetime:
    return (EPOCH + timedelta(microseconds=instant)).astimezone(ZoneInfo(zone))


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
