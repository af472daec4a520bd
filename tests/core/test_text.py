"""Names, identifiers, slugs and the display of bad input."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.errors import RuleBroken
from fluxrate.core.text import clean, identifier, show, slug

FORBIDDEN = [
    "\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x80", "\x9f", "\u2028", "\u2029", "\u202a", "\u202e",
    "\u2066", "\u2069", "\ud800", "\udfff",
]  # fmt: skip


def test_a_name_is_stripped_and_composed() -> None:
    assert clean("  Cafe\u0301 Zürich ", "name") == "Café Zürich"


@pytest.mark.parametrize("value", ["日本語", "שלום\u200f", "O'Brien & Söhne <b>", "🚀 rocket", "x" * 255])
def test_names_of_the_world_are_taken(value: str) -> None:
    assert clean(value, "name") == unicodedata.normalize("NFC", value)
    assert identifier(value, "external_id") == value


@pytest.mark.parametrize("bad", FORBIDDEN)
def test_characters_that_break_stores_and_screens_are_refused_and_named(bad: str) -> None:
    for check in (clean, identifier):
        for value in (f"a{bad}b", bad, f"a{bad}"):
            with pytest.raises(RuleBroken, match=rf"name holds .* is U\+{ord(bad):04X}\.") as caught:
                check(value, "name")
            assert caught.value.field == "name"
            assert caught.value.detail.isprintable()


@pytest.mark.parametrize("value", ["", " ", "\u00a0\u3000"])
def test_an_empty_name_is_refused(value: str) -> None:
    for check in (clean, identifier):
        with pytest.raises(RuleBroken, match="not empty"):
            check(value, "name")


def test_a_name_that_is_too_long_is_refused_with_both_lengths() -> None:
    for check in (clean, identifier):
        with pytest.raises(RuleBroken, match=r"at most 255 characters, .* has 256"):
            check("x" * 256, "name")
        with pytest.raises(RuleBroken, match="at most 3"):
            check("abcd", "name", longest=3)


def test_an_identifier_is_never_changed() -> None:
    decomposed = "cafe\u0301"
    assert identifier(decomposed, "external_id") == decomposed
    for value in (" a", "a ", "\u00a0a"):
        with pytest.raises(RuleBroken, match="no space at either end"):
            identifier(value, "external_id")


@given(st.text())
def test_what_is_accepted_can_be_stored_anywhere(value: str) -> None:
    for check in (clean, identifier):
        try:
            kept = check(value, "name")
        except RuleBroken:
            continue
        assert kept.encode("utf-8").decode("utf-8") == kept
        assert check(kept, "name") == kept
        assert 0 < len(kept) <= 255
        assert "\0" not in kept


@pytest.mark.parametrize("value", ["api-calls", "a", "0", "v1.requests_total", "x" * 63])
def test_a_slug_is_taken_as_it_is(value: str) -> None:
    assert slug(value, "meter_name") == value


@pytest.mark.parametrize(
    "value", ["", "A", "Api", "-a", ".a", "_a", "a b", "a/b", "a\n", "é", "x" * 64, "a%00", "..", "а"]
)
def test_anything_else_is_no_slug(value: str) -> None:
    with pytest.raises(RuleBroken, match="meter_name is 1 to 63"):
        slug(value, "meter_name")


def test_short_input_is_shown_whole() -> None:
    assert show("abc") == "'abc'"
    assert show(12) == "12"
    assert show(None) == "None"
    assert show("x" * 58) == repr("x" * 58)


def test_long_input_is_cut_and_marked() -> None:
    assert show("x" * 59) == "'" + "x" * 55 + "...'"
    assert show("\0" * 20).endswith("...'")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING)
def test_whatever_came_is_shown_on_one_short_printable_line(value: object) -> None:
    shown = show(value)
    assert len(shown) <= 60
    assert shown.isprintable()


def test_monstrous_input_is_shown_too() -> None:
    for value in (10**5000, "\ud800" * 10**6, b"\0" * 10**6, json.loads("[" * 900 + "]" * 900)):
        shown = show(value)
        assert len(shown) <= 60
        assert shown.isprintable()
