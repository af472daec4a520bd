"""Instants to text and back: RFC 3339 on the outside, UTC microseconds inside, no float in between.

Reads dates and datetimes of the years 1900 to 2999, to the microsecond; the last three digits of the nanoseconds
that Go programs send are cut off, not rounded, so that no instant moves into the next second or day. Refuses
with Malformed every other form that Python's own parser would take (week dates, `20250101`, a comma), leap
seconds, and digits that are not ASCII.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fluxrate.core.errors import Malformed
from fluxrate.core.text import show
from fluxrate.core.zones import EPOCH, check_zone, day_start, is_utc, micros

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# An offset may have lost its "+" to URL decoding and start with a space. Seconds in an offset are not RFC
# 3339, but Monrovia's clock had them until 1972, and what `rfc3339` writes must be read again.
_DATETIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]+))?)?)"
    r"([Zz]|[+\- ](?:[01][0-9]|2[0-3])(?::?[0-5][0-9](?::[0-5][0-9])?)?)?"
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
_YEARS = ("1900", "2999")
_CENTURIES = frozenset(map(str, range(19, 30)))
_OFFSETS = frozenset(f"{sign}{hour:02}:{minute:02}" for sign in "+-" for hour in range(24) for minute in range(60))
_WHOLE, _FRACTIONS = 19, (23, 26)
_FRACTION = 9
"""The most digits of a second: nanoseconds. Python's parser drops what lies beyond the microsecond."""


def parse_instant(text: str, zone: str = "UTC", field: str = "timestamp") -> int:
    """A date (its local midnight) or datetime as UTC microseconds; without an offset it is in `zone`.

    Of a time that the clock shows twice this is the first; a time that it skips is read with the offset
    before the skip.
    """
    # What nearly every sender writes, `2025-01-15T10:30:00Z` or with an offset, perhaps with milli- or microseconds:
    # these marks leave Python's parser no choice but that of the digits.
    clock = len(text) - (1 if text[-1:] == "Z" else 6 if text[-6:] in _OFFSETS else len(text))
    if (
        (clock == _WHOLE or (clock in _FRACTIONS and text[19] == "."))
        and text[4:17:3] == "--T::"
        and text[:2] in _CENTURIES
    ):
        try:
            return micros(datetime.fromisoformat(text))
        except ValueError:
            raise _unreadable(text, field) from None
    return _parsed(text, zone, field)


def _parsed(text: str, zone: str, field: str) -> int:
    """As `parse_instant`, for every form there is."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        day = parse_day(text, field)
        if day is None:
            raise _unreadable(text, field)
        return day_start(check_zone(zone), day)
    clock, fraction, offset = match.groups()
    if fraction is not None and len(fraction) > _FRACTION:
        raise Malformed(
            f"{field} has at most {_FRACTION} digits of a second, but {show(text)} has {len(fraction)}.",
            field=field,
        )
    _check_year(text, field)
    try:
        moment = datetime.fromisoformat(clock + _plain(offset))
    except ValueError:
        raise _unreadable(text, field) from None
    if offset is None:
        moment = moment.replace(tzinfo=UTC if is_utc(zone) else ZoneInfo(check_zone(zone)))
    return micros(moment)


def parse_day(text: str, field: str) -> int | None:
    """A date `2025-01-31` as days since 1970-01-01, or None when the text has not the form of a date."""
    if not _DATE.fullmatch(text):
        return None
    _check_year(text, field)
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH_DAY
    except ValueError:
        raise _unreadable(text, field) from None


def rfc3339(micros: int, zone: str = "UTC") -> str:
    """`2013-01-01T10:15:00Z`, or local time with its offset; six digits of a second unless it is whole."""
    if is_utc(zone):
        return (_NAIVE_EPOCH + timedelta(microseconds=micros)).isoformat() + "Z"
    return (EPOCH + timedelta(microseconds=micros)).astimezone(ZoneInfo(zone)).isoformat()


def _plain(offset: str | None) -> str:
    """The offset as Python's parser reads it."""
    if offset is None:
        return ""
    return "+" + offset[1:] if offset[0] == " " else offset.upper()


def _check_year(text: str, field: str) -> None:
    first, last = _YEARS
    if not first <= text[:4] <= last:
        raise Malformed(f"{field} lies in the years {first} to {last}, but {show(text)} came.", field=field)


def _unreadable(text: str, field: str) -> Malformed:
    return Malformed(
        f"{field} is a date such as 2025-01-31 or an RFC 3339 time such as 2025-01-31T10:00:00Z,"
        f" but {show(text)} came.",
        field=field,
    )
