"""Money: decimal text to integers in a currency's minor unit and back, exactly.

An amount is at most MOST in either direction, so that sums of hundreds of thousands of them fit 64 bits in SQL. Refuses
with Malformed what is no amount, and a code that ISO 4217 does not list.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from fractions import Fraction

from fluxrate.core.errors import Malformed
from fluxrate.core.text import show

MOST = 10**13
"""The largest amount in minor units: a hundred billion in a currency of two places."""
PRICE_PLACES = 12
"""The most decimal places of the price of one unit of usage."""

# ISO 4217, list one: the codes of currencies in use, by how many places their minor unit has.
_PLACES_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_PLACES_2 = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF "
    "CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF "
    "IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
    "MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
    "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_PLACES_3 = "BHD IQD JOD KWD LYD OMR TND"
_PLACES_4 = "CLF UYW"
_PLACES = {
    code: places
    for places, codes in ((0, _PLACES_0), (2, _PLACES_2), (3, _PLACES_3), (4, _PLACES_4))
    for code in codes.split()
}
_UNITS = {code: Decimal(1).scaleb(-own) for code, own in _PLACES.items()}
_EXACT = Context(prec=1_000)
_PLAIN = re.compile(r"(-?)([0-9]{1,36})(?:\.([0-9]{1,36}))?")


def check_currency(code: str, field: str = "currency") -> str:
    """The code in capitals, if ISO 4217 lists it; raises Malformed."""
    found = code.upper()
    if found not in _PLACES:
        raise Malformed(f"{field} is a code of ISO 4217 such as USD, but {show(code)} came.", field=field)
    return found


def places(currency: str) -> int:
    """How many decimal places the currency's minor unit has."""
    return _PLACES[currency]


def parse(text: str, currency: str, field: str, *, signed: bool = False) -> int:
    """An amount such as "12.50" in minor units; a negative one only if `signed`. Raises Malformed."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise Malformed(f'{field} is a decimal amount such as "12.50", but {show(text)} came.', field=field)
    sign, whole, fraction = match.groups("")
    own, fraction = places(currency), fraction.rstrip("0")
    if len(fraction) > own:
        raise Malformed(f"{field} has at most {own} decimal places in {currency}, but {show(text)} came.", field=field)
    minor = int(whole + fraction.ljust(own, "0"))
    if sign and minor and not signed:
        raise Malformed(f"{field} is not negative, but {show(text)} came.", field=field)
    if minor > MOST:
        raise Malformed(f"{field} is at most {amount(MOST, currency)} {currency}, but {show(text)} came.", field=field)
    return -minor if sign else minor


def price(text: str, field: str) -> Decimal:
    """The exact price of a unit, or a bound of a tier: not negative, at most PRICE_PLACES places. Raises Malformed."""
    match = _PLAIN.fullmatch(text)
    if match is None or match[1] or len((match[3] or "").rstrip("0")) > PRICE_PLACES or len(match[2]) > 18:
        raise Malformed(
            f'{field} is a decimal number such as "0.0025", not negative, of at most {PRICE_PLACES} places, '
            f"but {show(text)} came.",
            field=field,
        )
    return Decimal(text)


def amount(minor: int, currency: str) -> Decimal:
    """The amount in the currency's own unit, with all the places of the currency."""
    return _EXACT.multiply(minor, _UNITS[currency])


def nearest(exact: Fraction) -> int:
    """The nearest integer, a tie to the even one."""
    return round(exact)
