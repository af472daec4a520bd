"""Decimal text to scaled integers and back, exactly; a binary float never occurs.

A scaled integer counts the meter's smallest unit: with 6 decimals "1.5" is 1_500_000. What comes in fits a
signed 64-bit integer or is refused by name; what goes out may be larger (sums are Python integers). Text
arrives from strangers: its digits are counted before any number is built, so a huge token or exponent costs
no more than reading it. Refuses with Malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, Inexact, localcontext
from functools import lru_cache

from fluxrate.core.errors import Malformed
from fluxrate.core.model import Number
from fluxrate.core.text import show

MAX_SCALED = 2**63 - 1

_EXACT = 200
"""Digits to subtract with: more than any figure has; one that had more would raise, not be rounded."""

_UNROUNDED = Context(prec=_EXACT, traps=[Inexact])
"""Refuses to round; the usual one rounds to 28 digits without a word. Threads share its flags, which nobody reads."""

_DIGITS = len(str(MAX_SCALED))
_POWERS = tuple(int(10**places) for places in range(_DIGITS))
_BOUND = re.compile(r"[0-9]{1,36}(?:\.[0-9]{1,36})?")
_PLAIN = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_JSON = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_FAR = 10**9
"""An exponent beyond this is as good as this: no text that fits a request can make up for it."""


def parse_decimal(text: str, *, field: str) -> Decimal:
    """A bound such as `min_quantity`: ASCII digits, perhaps a fraction, at most 36 on either side."""
    if not _BOUND.fullmatch(text):
        raise Malformed(
            f"{field} is a decimal number such as 12.5, not negative and without exponent, but {show(text)} came.",
            field=field,
        )
    return Decimal(text)


def scale_text(text: str, decimals: int, *, field: str = "quantity") -> int:
    """A quantity sent as a string, scaled exactly; zeros beyond the meter's places are fine.

    Raises Malformed for anything but plain decimal text, a negative, too many places, or more than 64 bits
    hold.
    """
    short = short_scaled(text, decimals)
    return _scaled_text(text, decimals, field) if short is None else short


def _scaled_text(text: str, decimals: int, field: str) -> int:
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise Malformed(
            f"{field} is a decimal number such as 12.5 without exponent, but {show(text)} came.", field=field
        )
    sign, whole, fraction = match.groups("")
    if sign:
        raise _negative(text, field)
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        raise Malformed(
            f"{field} has at most {decimals} decimal places on this meter, but {show(text)} has {len(fraction)}.",
            field=field,
        )
    digits = (whole + fraction.ljust(decimals, "0")).lstrip("0")
    return _fitting(digits, text, decimals, field)


def scale_json_number(text: str, decimals: int, *, field: str = "quantity") -> int:
    """The text of a JSON number, scaled and rounded half to even to the meter's places.

    Rounds the decimal that was written, never its nearest float. Raises Malformed for a negative (-0 is 0),
    for more than 64 bits hold, and for what is no JSON number (NaN, Infinity).
    """
    short = short_scaled(text, decimals)
    return _scaled_number(text, decimals, field) if short is None else short


def _scaled_number(text: str, decimals: int, field: str) -> int:
    match = _JSON.fullmatch(text)
    if match is None:
        raise Malformed(f"{field} is a JSON number such as 12.5, but {show(text)} came.", field=field)
    sign, whole, fraction, exponent = match.groups("")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return 0
    if sign:
        raise _negative(text, field)
    # The value is 0.DIGITS times ten to the `point`, in units of the meter's smallest unit.
    point = len(digits) - len(fraction) + _exponent(exponent) + decimals
    if point > _DIGITS:
        raise _too_large(text, decimals, field)
    if point < 0:
        return 0
    kept, rest = digits[:point].ljust(point, "0"), digits[point:].rstrip("0")
    scaled = _fitting(kept, text, decimals, field)
    if rest > "5" or (rest == "5" and scaled & 1):
        scaled += 1
    if scaled > MAX_SCALED:
        raise _too_large(text, decimals, field)
    return scaled


def to_number(scaled: int, decimals: int) -> Number:
    """The exact figure: an int where it is whole, else a Decimal without trailing zeros.

    `str()` of a Decimal below 0.000001 uses an exponent ("1E-7"), which is a valid JSON number; `number_text`
    never does.
    """
    whole, part = divmod(scaled, 10**decimals)
    # Built from text: every operation on a Decimal (normalize, scaleb) rounds to 28 digits.
    return Decimal(to_text(scaled, decimals)) if part else whole


def to_numbers(scaled: Sequence[int], decimals: int) -> list[Number]:
    """`to_number` of each, for figures that are not negative: many times as fast on an answer of many buckets."""
    if not decimals:
        return list(scaled)
    unit, place = 10**decimals, _place(decimals)
    times, stripped = _UNROUNDED.multiply, _UNROUNDED.normalize
    return [
        times(value, place) if value % 10 else stripped(times(value, place)) if value % unit else value // unit
        for value in scaled
    ]


@lru_cache(maxsize=64)
def _place(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def minus(whole: Number, parts: Iterable[Number]) -> Number:
    """Exactly what the parts leave of the whole, without trailing zeros."""
    with localcontext(Context(prec=_EXACT, traps=[Inexact])):
        left = sum((-Decimal(part) for part in parts), Decimal(whole))
        return int(left) if left == left.to_integral_value() else left.normalize()


def plus(parts: Iterable[Number]) -> Number:
    """Exactly what the parts come to, without trailing zeros."""
    with localcontext(Context(prec=_EXACT, traps=[Inexact])):
        found = sum(map(Decimal, parts), Decimal(0))
        return int(found) if found == found.to_integral_value() else found.normalize()


def number_text(number: Number) -> str:
    """Plain decimal text of a figure, without an exponent."""
    return format(number, "f") if isinstance(number, Decimal) else str(number)


def to_text(scaled: int, decimals: int) -> str:
    """Plain decimal text without exponent or trailing zeros: "100", "1.5", "0.0000001"."""
    whole, part = divmod(abs(scaled), 10**decimals)
    sign = "-" if scaled < 0 else ""
    if not part:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{part:0{decimals}d}".rstrip("0")


def divide(numerator: int, denominator: int, decimals: int, places: int) -> Number:
    """`numerator`, scaled by `decimals`, over a plain `denominator`, half to even to `places` places.

    Raises ZeroDivisionError for a zero denominator: the figure of nothing is the caller's to name.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    divisor = denominator * 10**decimals
    quotient, rest = divmod(numerator * 10**places, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and quotient & 1):
        quotient += 1
    return to_number(quotient, places)


def short_scaled(text: str, decimals: int) -> int | None:
    """The scaled value of a few plain digits with no more places than the meter's, which nothing need be asked about;
    None for all other text.
    """
    if len(text) + decimals >= _DIGITS or not text.isascii():
        return None
    if text.isdigit():
        return int(text) * _POWERS[decimals]
    whole, _, fraction = text.partition(".")
    if whole.isdigit() and fraction.isdigit() and len(fraction) <= decimals:
        return int(whole + fraction) * _POWERS[decimals - len(fraction)]
    return None


def _exponent(text: str) -> int:
    digits = text.lstrip("+-").lstrip("0")
    size = _FAR if len(digits) > 9 else int(digits or "0")
    return -size if text.startswith("-") else size


def _fitting(digits: str, text: str, decimals: int, field: str) -> int:
    """The integer of stripped digits; they are counted first, as int() is quadratic and ends at 4,300."""
    if len(digits) > _DIGITS or int(digits or "0") > MAX_SCALED:
        raise _too_large(text, decimals, field)
    return int(digits or "0")


def _negative(text: str, field: str) -> Malformed:
    return Malformed(f"{field} is not negative, but {show(text)} came.", field=field)


def _too_large(text: str, decimals: int, field: str) -> Malformed:
    largest = to_text(MAX_SCALED, decimals)
    return Malformed(
        f"{field} is at most {largest} on this meter ({decimals} decimal places), but {show(text)} is too large.",
        field=field,
    )
