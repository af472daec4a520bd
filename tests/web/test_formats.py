"""Figures, times and ids are written exactly, grouped, and never through a float."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fluxrate.core.zones import DAY, HOUR, MINUTE, SECOND
from fluxrate.web import formats

NOON = 1_763_726_400 * SECOND  # 2025-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (None, "–"),
        (343180156, "343,180,156"),
        (-1234, "−1,234"),
        (Decimal("1234.50"), "1,234.5"),
        (Decimal("1E+6"), "1,000,000"),
        (Decimal("0.000000000000000001"), "0.000000000000000001"),
        (123456789012345678, "123,456,789,012,345,678"),
        (Decimal("123456789012345678901234567.12345678"), "123,456,789,012,345,678,901,234,567.12345678"),
    ],
)
def test_a_figure_keeps_every_digit(value, shown):
    assert formats.number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (2500, "2,500"), (250_000, "250k"), (1_500_000, "1.5M"), (2 * 10**9, "2B")]
)
def test_an_axis_label_is_short(value, shown):
    assert formats.rounded(value) == shown


@pytest.mark.parametrize(
    ("value", "before", "text", "way"),
    [
        (104, 100, "+4.0%", "up"),
        (96, 100, "−4.0%", "down"),
        (100, 100, "no change", "same"),
        (5, 0, "from 0", "up"),
        (None, 5, "–", "none"),
        (2500, 100, "+2,400%", "up"),
        (Decimal("1.5"), Decimal(1), "+50.0%", "up"),
    ],
)
def test_a_change_has_a_true_sign(value, before, text, way):
    assert formats.change(value, before) == formats.Change(text, way)


def test_a_share_above_nothing_never_reads_nothing():
    assert formats.share(Decimal("0.0002")) == "<0.1%"
    assert formats.share(Decimal(0)) == "0.0%"
    assert formats.share(Decimal("0.334")) == "33.4%"
    assert formats.share(None) == "–"


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (3 * SECOND, "now"),
        (40 * SECOND, "40 s ago"),
        (5 * MINUTE, "5 min ago"),
        (23 * HOUR, "23 h ago"),
        (-2 * HOUR, "in 2 h"),
        (2 * DAY, "19 Nov 13:00"),
        (400 * DAY, "17 Oct 2024 14:00"),
    ],
)
def test_a_time_is_relative_under_a_day_and_local_beyond(ago, shown):
    assert formats.when(NOON - ago, NOON, "Europe/Berlin") == shown


def test_the_exact_time_stands_in_the_title_with_its_zone():
    html = str(formats.moment(NOON + 1, NOON, "America/New_York"))
    assert 'title="2025-11-21 07:00:00.000001 -05:00 America/New_York"' in html
    assert 'datetime="2025-11-21T12:00:00.000001Z"' in html


def test_a_long_id_loses_its_middle_only():
    assert formats.shorten("01a203c7-4a63-7000-8000-0000000629d7") == "01a203c7…29d7"
    assert formats.shorten("short") == "short"


def test_metadata_becomes_pairs_of_text_with_exact_numbers():
    text = '{"region": "eu", "n": 0.1000000000000000055511, "deep": {"a": [1]}, "none": null}'
    assert dict(formats.metadata(text)) == {
        "region": "eu",
        "n": "0.1000000000000000055511",
        "deep": '{"a": [1]}',
        "none": "null",
    }
    assert formats.metadata(None) == ()


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        ("key:billing", "the key billing"),
        ("key:a: b", "the key a: b"),
        ("key:sk_live_0123456789ab a b", "the key a b (sk_live_0123456789ab)"),
        ("cli", "the command line"),
        ("nobody", "nobody"),
        ("user:ada@example.com", "ada@example.com"),
    ],
)
def test_who_did_something_reads_as_words(actor, shown):
    assert formats.by(actor) == shown


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (62_349_000, "62.3 MB"),
        (999_000_000, "999 MB"),
        (12_000_000_000, "12 GB"),
        (3 * 10**12, "3 TB"),
    ],
)
def test_bytes_read_at_a_glance(count, text):
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00041, "0.41 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (3_600 * 3 + 60 * 20 + 5, "3 h 20 min"),
        (86_400, "1 d"),
        (86_400 * 400 + 3_600 * 5, "400 d 5 h"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert formats.duration(seconds) == text


def test_a_long_figure_is_broken_between_its_groups_alone():
    assert formats.breakable(1_234_567) == "1,234,567"
    assert formats.breakable(9_007_199_254_740_993) == "9,<wbr>007,<wbr>199,<wbr>254,<wbr>740,<wbr>993"
    assert formats.breakable(None) == "–"
