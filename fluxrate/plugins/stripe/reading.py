"""Reading the objects that Stripe documents: JSON values of the expected type, or Malformed with the field's name.

A reference is the id of an object or, where it was expanded, the object itself. A list is an object with `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from fluxrate.core import text
from fluxrate.core.calendar import rfc3339
from fluxrate.core.errors import Malformed
from fluxrate.core.revenue import money

Thing = Mapping[str, Any]

SECOND = 1_000_000
LONGEST = 255
"""The most characters of a name."""
_LAST = 253_402_300_799
"""The last second of the year 9999."""

# Stripe's own smallest units, where they are not hundredths. ISK and UGX have no minor unit any more, but Stripe goes
# on counting them in hundredths; MGA has one in ISO 4217 that Stripe does not use.
_PLACES = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV"), 0),
    **dict.fromkeys(("XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}


def text_of(thing: Thing, name: str) -> str | None:
    """A text, or None where there is none."""
    found = thing.get(name)
    if found is not None and not isinstance(found, str):
        raise _wrong(thing, name, "a text")
    return found


def name_of(thing: Thing, name: str) -> str | None:
    """A text that something is looked up by, or None. (PostgreSQL takes no NUL, not even in a question.)"""
    found = text_of(thing, name)
    if found is not None and "\0" in found:
        raise _wrong(thing, name, "a text without NUL")
    return found


def needed(thing: Thing, name: str) -> str:
    """A text that has to be there."""
    found = name_of(thing, name)
    if not found:
        raise _wrong(thing, name, "a text")
    return found


def whole_of(thing: Thing, name: str) -> int | None:
    """A whole number, or None."""
    found = thing.get(name)
    if found is not None and (not isinstance(found, int) or isinstance(found, bool)):
        raise _wrong(thing, name, "a whole number")
    return found


def instant_of(thing: Thing, name: str) -> int | None:
    """Seconds since 1970 as UTC microseconds, or None."""
    found = whole_of(thing, name)
    if found is not None and not 0 <= found <= _LAST:
        raise _wrong(thing, name, "a time in seconds since 1970")
    return None if found is None else found * SECOND


def when(instant: int | None) -> str | None:
    """An instant as the rules of billing read it."""
    return None if instant is None else rfc3339(instant)


def inner(thing: Thing, *names: str) -> Thing:
    """An object within an object and so on; an empty one where there is none."""
    for name in names:
        found = thing.get(name)
        if found is not None and not isinstance(found, Mapping):
            raise _wrong(thing, name, "an object")
        thing = found or {}
    return thing


def listed(thing: Thing, name: str) -> list[Thing]:
    """The objects of a list, or of a plain array."""
    found = thing.get(name)
    if isinstance(found, Mapping):
        found = found.get("data")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise _wrong(thing, name, "a list of objects")
    return found


def id_of(thing: Thing, name: str) -> str | None:
    """The id of what is referred to, expanded or not."""
    found = thing.get(name)
    return needed(found, "id") if isinstance(found, Mapping) else name_of(thing, name)


def expanded(thing: Thing, name: str) -> Thing:
    """What is referred to, as far as it was expanded."""
    found = thing.get(name)
    return found if isinstance(found, Mapping) else {}


def note_of(thing: Thing, name: str) -> str | None:
    """A text of the object's metadata; an empty one is none."""
    return name_of(inner(thing, "metadata"), name) or None


def currency_of(thing: Thing) -> str:
    """The object's currency as ISO 4217 writes it."""
    return money.check_currency(needed(thing, "currency"))


def units(minor: int | Decimal, currency: str) -> Decimal:
    """An amount in Stripe's smallest units as one in the currency's own unit, exactly."""
    return Decimal(minor).scaleb(-_PLACES.get(currency, 2))


def amount_of(thing: Thing, name: str, currency: str) -> Decimal | None:
    """An amount in the currency's own unit, or None."""
    found = whole_of(thing, name)
    return None if found is None else units(found, currency)


def price_of(thing: Thing, name: str, currency: str) -> Decimal | None:
    """An amount that may be a fraction of the smallest unit: `NAME_decimal`, else `NAME`; or None."""
    exact = thing.get(f"{name}_decimal")
    if exact is None:
        return amount_of(thing, name, currency)
    try:
        found = Decimal(exact if isinstance(exact, str) else "no")
    except InvalidOperation as why:
        raise _wrong(thing, f"{name}_decimal", "a decimal as text") from why
    if not found.is_finite() or len(found.as_tuple().digits) > 40:
        raise _wrong(thing, f"{name}_decimal", "a decimal as text")
    return units(found, currency)


def tidy(value: str | None, otherwise: str) -> str:
    """A text that people wrote, as one line that our names may hold; `otherwise` where nothing is left."""
    printable = "".join(letter if letter.isprintable() else " " for letter in value or "")
    return " ".join(printable.split())[:LONGEST].strip() or otherwise


def plain(value: Decimal) -> str:
    """The decimal without an exponent."""
    return format(value, "f")


def _wrong(thing: Thing, name: str, expected: str) -> Malformed:
    kind = thing.get("object")
    what = f"{name} of a Stripe {kind}" if isinstance(kind, str) and len(kind) < 40 else f"{name} of a Stripe object"
    return Malformed(f"{text.show(what)[1:-1]} is {expected}, but {text.show(thing.get(name))} came.", field=name)
