"""Instants to text and back, judged by Python's own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import instants
from fluxrate.core.errors import Malformed
from fluxrate.core.instants import parse_instant, rfc3339
from fluxrate.core.text import show
from tests.core.clocks import EPOCH, ZONES, us
from tests.generated import examples


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01t00:00:00z", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01 00:00:00+00", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01T00:00:00+02:00", "2024-12-31T22:00:00+00:00"),
        ("2025-01-01T00:00:00 02:00", "2024-12-31T22:00:00+00:00"),
        ("2025-01-01T00:00:00 0200", "2024-12-31T22:00:00+00:00"),
        ("2025-01-01 00:00:00 02:00", "2024-12-31T22:00:00+00:00"),
        ("2025-01-01T00:00:00-0730", "2025-01-01T07:30:00+00:00"),
        ("2025-01-01T10:15", "2025-01-01T10:15:00+00:00"),
        ("2025-01-01", "2025-01-01T00:00:00+00:00"),
        ("2025-01-01T00:00:00.1Z", "2025-01-01T00:00:00.100000+00:00"),
        ("2025-01-01T23:59:59.999999Z", "2025-01-01T23:59:59.999999+00:00"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00+00:00"),
        ("2999-12-31T23:59:59.999999Z", "2999-12-31T23:59:59.999999+00:00"),
        ("2024-02-29", "2024-02-29T00:00:00+00:00"),
        ("1971-01-01T00:00:00-00:44:30", "1971-01-01T00:44:30+00:00"),
    ],
)
def test_rfc_3339_and_its_usual_spellings_are_read(text: str, same: str) -> None:
    assert parse_instant(text) == us(same)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "now", "2025", "2025-01", "20250101", "2025-W01-1", "2025-001",
        "20250101T000000Z", "1735689600", "2025-1-1", "2025-13-01", "2025-02-29", "2025-00-10",
        "2025-01-01T", "2025-01-01T10", "2025-01-01T24:00:00", "2025-01-01T10:60:00Z",
        "2016-12-31T23:59:60Z", "2025-01-01T10:00:00,5Z", "2025-01-01T10:00:00.Z",
        "2025-01-01T10:00:00ZZ", "2025-01-01T10:00:00Z ", " 2025-01-01", "2025-01-01\n",
        "2025-01-01T10:00:00Z\n", "2025-01-01T10:00:00+24:00", "2025-01-01T10:00:00+02:60",
        "2025-01-01T10:00:00+2", "2025-01-01Z", "2025-01-01T10:00:00  02:00", "٢٠٢٥-٠١-٠١",
        "2025-01-0١", "２０２５-01-01", "2025-01-01\0", "-2025-01-01", "2025\u201101\u201101",
        "2025-01-01T10:00:00 UTC", "9" * 100_000,
    ],
    ids=show,
)  # fmt: skip
def test_every_other_form_is_refused_by_name(text: str) -> None:
    with pytest.raises(Malformed, match=r"^created_at ") as caught:
        parse_instant(text, field="created_at")
    assert caught.value.field == "created_at"
    assert len(caught.value.detail) < 250


@pytest.mark.parametrize("text", ["1899-12-31", "3000-01-01", "0000-01-01", "9999-12-31T23:59:59-12:00"])
def test_years_that_no_event_has_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(Malformed, match="1900 to 2999"):
        parse_instant(text)


@pytest.mark.parametrize("offset", ["Z", "+00:00", " 00:00", ""])
@pytest.mark.parametrize("digits", ["123456789", "12345699", "1234569", "123456"])
def test_nanoseconds_are_cut_to_the_microsecond(digits: str, offset: str) -> None:
    assert parse_instant(f"2025-01-01T00:00:00.{digits}{offset}") == us("2025-01-01T00:00:00.123456Z")


def test_nanoseconds_never_move_an_instant_into_the_next_day() -> None:
    assert parse_instant("2025-01-01T23:59:59.999999999Z") == us("2025-01-01T23:59:59.999999Z")


def test_more_than_nanoseconds_are_refused_by_number() -> None:
    with pytest.raises(Malformed, match=r"at most 9 digits.* has 10"):
        parse_instant("2025-01-01T00:00:00.1234567890Z")


def test_of_a_repeated_time_the_first_is_meant_and_a_skipped_one_keeps_the_old_offset() -> None:
    assert parse_instant("2025-11-02T01:30:00", "America/New_York") == us("2025-11-02T01:30-04:00")
    assert parse_instant("2025-03-09T02:30:00", "America/New_York") == us("2025-03-09T03:30-04:00")
    assert parse_instant("2026-09-06", "America/Santiago") == us("2026-09-06T04:00Z")


def test_an_unknown_zone_is_refused_where_it_is_needed() -> None:
    for text in ("2025-01-01", "2025-01-01T00:00:00"):
        with pytest.raises(Malformed, match="timezone"):
            parse_instant(text, "Mars/Olympus")


@examples(300)
@given(st.text(alphabet="0123456789-:TZ+. zW,", max_size=32))
def test_what_is_read_is_what_python_reads(text: str) -> None:
    try:
        found = parse_instant(text)
    except Malformed:
        return
    plain = text.upper() if " " not in text[11:] else text[:11] + text[11:].replace(" ", "+")
    moment = datetime.fromisoformat(plain)
    assert found == (moment.replace(tzinfo=moment.tzinfo or UTC) - EPOCH) // timedelta(microseconds=1)


@examples(300)
@given(st.integers(us("1900-01-02T00:00Z"), us("2999-12-30T00:00Z")), st.sampled_from(ZONES))
def test_an_instant_survives_the_way_out_and_back(instant: int, zone: str) -> None:
    text = rfc3339(instant, zone)
    assert parse_instant(text) == instant
    assert datetime.fromisoformat(text) == EPOCH + timedelta(microseconds=instant)


def test_instants_are_written_as_rfc_3339() -> None:
    instant = us("2013-01-01T10:15:00Z")
    assert rfc3339(instant) == "2013-01-01T10:15:00Z"
    assert rfc3339(instant, "Etc/UTC") == "2013-01-01T10:15:00Z"
    assert rfc3339(instant + 120_000) == "2013-01-01T10:15:00.120000Z"
    assert rfc3339(instant, "Asia/Kathmandu") == "2013-01-01T16:00:00+05:45"
    assert rfc3339(instant, "Europe/London") == "2013-01-01T10:15:00+00:00"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999999Z"


@given(
    st.datetimes(),
    st.sampled_from(("", ".5", ".123", ".123456", ".1234567", ",123")),
    st.sampled_from(
        ("Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "+05:60", " 05:30", "+0530", "+05", "")
    ),
)
def test_the_short_way_reads_as_the_long_one(moment, fraction, offset):
    """What nearly every sender writes is read without the pattern, to the same instant or the same refusal."""
    text = moment.replace(microsecond=0).isoformat() + fraction + offset

    def read(reader):
        try:
            return reader(text, "UTC", "timestamp")
        except Malformed as refused:
            return refused.detail

    assert read(instants.parse_instant) == read(instants._parsed)
