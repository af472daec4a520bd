"""What the rules of billing records share: a word of a few, and a day. Refuses with Malformed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from fluxrate.core.errors import Malformed
from fluxrate.core.instants import parse_day, parse_instant
from fluxrate.core.text import show
from fluxrate.core.zones import EPOCH, day_of


def one_of(field: str, value: str, known: Sequence[str]) -> str:
    """The value, if it is one of those known."""
    if value not in known:
        raise Malformed(f"{field} is one of {', '.join(known)}, but {show(value)} came.", field=field)
    return value


def day(text: str, field: str, zone: str = "UTC") -> int:
    """A date, or the local date of an instant, as days since 1970-01-01."""
    found = parse_day(text, field)
    return day_of(zone, parse_instant(text, zone, field)) if found is None else found


@lru_cache(4_096)
def date_text(day: int) -> str:
    """The date of so many days since 1970-01-01."""
    return (EPOCH + timedelta(days=day)).date().isoformat()
