"""Decimal text to scaled integers and back, judged by Python's Decimal and Fraction."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxrate.core.amounts import (
    MAX_SCALED,
    divide,
    number_text,
    parse_decimal,
    scale_json_number,
    scale_text,
    to_number,
    to_text,
)
from fluxrate.core.errors import Malformed
from fluxrate.core.text import show

PLACES = st.integers(0, 18)
SCALED = st.integers(0, MAX_SCALED)
WIDE = Context(prec=400)

NO_PLAIN_DECIMALS = [
    "", " ", "1 ", " 1", "1\n", "+1", ".5", "5.", "1,5", "1_0", "1e3", "1E-7", "NaN", "nan",
    "Infinity", "-Infinity", "inf", "0x10", "١٢", "１２", "²", "1.5.0", "--1", "one", "1\0",
    "\ud800", "٣.٥",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "decimals", "scaled"),
    [
        ("0", 6, 0),
        ("100", 0, 100),
        ("100", 6, 100_000_000),
        ("1.5", 6, 1_500_000),
        ("0.000001", 6, 1),
        ("1.500000000000", 6, 1_500_000),
        ("1.0", 0, 1),
        ("007", 2, 700),
        ("0" * 5000 + "1", 0, 1),
        ("1." + "0" * 5000, 0, 1),
        ("9223372036854775807", 0, MAX_SCALED),
        ("9.223372036854775807", 18, MAX_SCALED),
    ],
    ids=show,
)
def test_text_is_scaled_exactly(text: str, decimals: int, scaled: int) -> None:
    assert scale_text(text, decimals) == scaled


@pytest.mark.parametrize("text", NO_PLAIN_DECIMALS)
def test_text_that_is_no_plain_decimal_is_refused(text: str) -> None:
    for read in (lambda: scale_text(text, 6, field="amount"), lambda: parse_decimal(text, field="amount")):
        with pytest.raises(Malformed, match="amount is a decimal number") as caught:
            read()
        assert caught.value.field == "amount"
        assert caught.value.detail.isprintable()


def test_more_places_than_the_meter_keeps_are_refused_by_name() -> None:
    with pytest.raises(Malformed, match=r"quantity has at most 2 decimal places.*'1\.255' has 3"):
        scale_text("1.255", 2)


@pytest.mark.parametrize(
    ("text", "decimals"),
    [("9223372036854775808", 0), ("9.223372036854775808", 18), ("10", 18), ("9" * 100_000, 0), ("9" * 19, 6)],
    ids=show,
)
def test_what_64_bits_cannot_hold_is_refused_by_name(text: str, decimals: int) -> None:
    for read in (scale_text, scale_json_number):
        with pytest.raises(Malformed, match=r"quantity is at most .* is too large"):
            read(text, decimals)


@pytest.mark.parametrize("text", ["-1", "-0.5", "-9223372036854775809"])
def test_a_negative_quantity_is_refused(text: str) -> None:
    for read in (scale_text, scale_json_number):
        with pytest.raises(Malformed, match="is not negative"):
            read(text, 6)


@pytest.mark.parametrize(
    ("text", "decimals", "scaled"),
    [
        ("5", 0, 5),
        ("-0", 6, 0),
        ("-0.0e5", 6, 0),
        ("0e999999999", 6, 0),
        ("1e3", 2, 100_000),
        ("1.5E+2", 0, 150),
        ("0.30000000000000004", 6, 300_000),
        ("0.5", 0, 0),
        ("1.5", 0, 2),
        ("2.5", 0, 2),
        ("2.50000000000000000000000000001", 0, 3),
        ("0.05", 0, 0),
        ("0.0000005", 6, 0),
        ("0.0000015", 6, 2),
        ("0.51", 0, 1),
        ("9223372036854775807.4", 0, MAX_SCALED),
        ("922337203685477580.7e1", 0, MAX_SCALED),
        ("1" + "0" * 5000 + "e-5000", 0, 1),
        ("0." + "0" * 5000 + "1e5001", 0, 1),
    ],
    ids=show,
)
def test_a_json_number_is_rounded_half_to_even(text: str, decimals: int, scaled: int) -> None:
    assert scale_json_number(text, decimals) == scaled


def test_rounding_up_past_64_bits_is_refused() -> None:
    with pytest.raises(Malformed, match="too large"):
        scale_json_number("9223372036854775807.5", 0)


@pytest.mark.parametrize("text", ["-1e-9", "-1e999999999", "-1e-999999999"])
def test_a_negative_json_number_is_refused_however_small(text: str) -> None:
    with pytest.raises(Malformed, match="is not negative"):
        scale_json_number(text, 6)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "-Infinity", "1_0", "١", "+1", "e5", "1e", '"1"', "true"])
def test_what_is_no_json_number_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="quantity is a JSON number"):
        scale_json_number(text, 6)


def test_huge_exponents_are_never_written_out() -> None:
    """As a number with a thousand million digits each of these would take gigabytes, and the test would not end."""
    assert scale_json_number("1e-999999999", 6) == 0
    assert scale_json_number("1e-" + "9" * 10_000, 6) == 0
    for text in ("1e999999999", "1e" + "9" * 10_000, "1e+20"):
        with pytest.raises(Malformed, match="too large"):
            scale_json_number(text, 6)


@given(st.decimals(min_value=0, max_value=10**20, allow_nan=False, allow_infinity=False), PLACES)
@example(Decimal("9223372036854775807.5"), 0)
@example(Decimal("9223372036854775806.5"), 0)
def test_json_numbers_round_as_decimal_does(value: Decimal, decimals: int) -> None:
    expected = int(value.scaleb(decimals, WIDE).to_integral_value(ROUND_HALF_EVEN, WIDE))
    if expected > MAX_SCALED:
        with pytest.raises(Malformed):
            scale_json_number(str(value), decimals)
    else:
        assert scale_json_number(str(value), decimals) == expected


@given(st.integers(0, 10**25), st.integers(-45, 5), PLACES)
def test_json_numbers_with_exponents_round_as_fractions_do(digits: int, exponent: int, decimals: int) -> None:
    expected = round(Fraction(digits) * Fraction(10) ** (exponent + decimals))
    if expected > MAX_SCALED:
        with pytest.raises(Malformed):
            scale_json_number(f"{digits}e{exponent}", decimals)
    else:
        assert scale_json_number(f"{digits}e{exponent}", decimals) == expected


@given(SCALED, PLACES)
def test_an_amount_survives_the_way_out_and_back(scaled: int, decimals: int) -> None:
    text = to_text(scaled, decimals)
    assert scale_text(text, decimals) == scaled
    assert scale_json_number(text, decimals) == scaled
    assert scale_json_number(str(to_number(scaled, decimals)), decimals) == scaled
    assert number_text(to_number(scaled, decimals)) == text


@given(st.integers(-(10**60), 10**60), PLACES)
def test_a_figure_is_exact_and_as_short_as_it_can_be(scaled: int, decimals: int) -> None:
    number = to_number(scaled, decimals)
    assert Fraction(number) == Fraction(scaled, 10**decimals)
    if Fraction(number).denominator == 1:
        assert type(number) is int
    else:
        assert type(number) is Decimal
        assert not to_text(scaled, decimals).endswith("0")
    assert "E" not in to_text(scaled, decimals)


@pytest.mark.parametrize(
    ("scaled", "decimals", "text"),
    [
        (100_000_000, 6, "100"),
        (1_500_000, 6, "1.5"),
        (1, 7, "0.0000001"),
        (0, 6, "0"),
        (-1_500_000, 6, "-1.5"),
        (100, 0, "100"),
        (MAX_SCALED, 18, "9.223372036854775807"),
    ],
)
def test_quantities_are_written_plainly(scaled: int, decimals: int, text: str) -> None:
    assert to_text(scaled, decimals) == text


def test_a_tiny_figure_is_one_json_number_however_it_is_written() -> None:
    tiny = to_number(1, 7)
    written = msgspec.json.Encoder(decimal_format="number").encode(tiny)
    assert Decimal(written.decode()) == Decimal("0.0000001")
    assert number_text(tiny) == "0.0000001"
    assert number_text(12) == "12"


@given(st.integers(-(10**30), 10**30), st.integers(-(10**9), 10**9).filter(bool), PLACES, PLACES)
@example(5, 10, 0, 0)
@example(15, 10, 0, 0)
@example(-5, 10, 0, 0)
@example(-15, 10, 0, 0)
def test_a_quotient_is_rounded_half_to_even(top: int, bottom: int, decimals: int, places: int) -> None:
    exact = Fraction(top, 10**decimals) / bottom
    assert Fraction(divide(top, bottom, decimals, places)) == Fraction(round(exact * 10**places), 10**places)


def test_a_whole_quotient_is_an_int_and_nothing_has_no_average() -> None:
    assert divide(6_000_000, 3, 6, 6) == 2
    assert type(divide(6_000_000, 3, 6, 6)) is int
    assert divide(1_000_000, 3, 6, 4) == Decimal("0.3333")
    with pytest.raises(ZeroDivisionError):
        divide(1, 0, 6, 6)


def test_bounds_are_plain_decimals_of_bounded_length() -> None:
    assert parse_decimal("12.50", field="min_quantity") == Decimal("12.5")
    assert parse_decimal("9" * 36 + "." + "9" * 36, field="min_quantity").as_tuple().exponent == -36
    for text in ("9" * 37, "0." + "1" * 37, "-1", "9" * 100_000):
        with pytest.raises(Malformed, match="min_quantity") as caught:
            parse_decimal(text, field="min_quantity")
        assert len(caught.value.detail) < 200
