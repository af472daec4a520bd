"""How figures, times and ids are written on the pages: exact digits, grouped; only what says so is rounded.

Every function takes plain values and gives plain text, so that Jinja escapes it like any other text. The exceptions
are `moment`, which gives a `<time>` element with the exact instant in its title, and `breakable`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from fluxrate.core.credentials import KEY_START
from fluxrate.core.model import COMMAND_LINE, Number
from fluxrate.core.revenue.money import amount
from fluxrate.core.zones import EPOCH

MINUS = "−"
UNKNOWN = "–"
ELLIPSIS = "…"
MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
LONG_FIGURE = 13
_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


@dataclass(frozen=True, slots=True)
class Change:
    """How far a figure moved: `text` is a signed percentage or a word, `way` one of "up", "down", "same", "none"."""

    text: str
    way: str


def number(value: Number | None) -> str:
    """Every digit of an exact figure in groups of three, with a true minus sign; a dash when it is unknown."""
    if value is None:
        return UNKNOWN
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", MINUS)


def breakable(value: Number | None) -> str:
    """As `number`; a long figure may be broken between its groups, where it would else break anywhere."""
    text = number(value)
    return Markup(",<wbr>").join(text.split(",")) if len(text) > LONG_FIGURE else text


def money(minor: int | None, currency: str, *, signed: bool = False) -> str:
    """An amount in minor units with all the places of its currency, without its code; a dash when it is unknown."""
    if minor is None:
        return UNKNOWN
    text = f"{amount(minor, currency):,f}".replace("-", MINUS)
    return f"+{text}" if signed and minor > 0 else text


def words(status: str) -> str:
    """A status of the API in words: PAST_DUE reads Past due."""
    return status.replace("_", " ").capitalize()


def rounded(value: Number) -> str:
    """An axis label: at most a few digits and a scale, such as 1.5M. Only for round numbers, where it loses nothing."""
    size = abs(Decimal(value))
    for scale, letter in _SCALES:
        if size >= scale and size >= 10_000:
            return f"{number(Decimal(value) / scale)}{letter}"
    return number(value)


def is_long(value: Number | None) -> bool:
    """Whether a headline figure needs the smaller size."""
    return len(number(value)) > LONG_FIGURE


def share(fraction: Decimal | None) -> str:
    """A fraction of the whole as a percentage with one decimal; what is more than nothing never reads 0.0%."""
    if fraction is None:
        return UNKNOWN
    percent = fraction * 100
    if 0 < percent < Decimal("0.1"):
        return "<0.1%"
    return f"{percent:.1f}%"


def percent(fraction: Decimal) -> str:
    """The same as a plain number for an attribute of a drawing, between 0 and 100."""
    return f"{min(max(fraction * 100, Decimal(0)), Decimal(100)):.2f}"


def size(count: int) -> str:
    """Bytes in three digits and a unit, such as 62.3 MB; for reading at a glance, the exact count goes in a title."""
    for scale, letter in _SCALES:
        if count >= scale:
            return f"{_three_digits(count / scale)} {letter.replace('B', 'G')}B"
    return f"{count} B"


def duration(seconds: float) -> str:
    """How long something took or goes on, in the two largest units that say something: 0.4 ms, 12 s, 3 h 20 min."""
    if seconds < 1:
        return f"{_three_digits(seconds * 1000)} ms"
    if seconds < 60:
        return f"{_three_digits(seconds)} s"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days:,} d {hours} h" if hours else f"{days:,} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def _three_digits(value: float) -> str:
    places = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def capitalize_first(text: str) -> str:
    """Only the first letter changed; Jinja's own filter would lower the rest of a name."""
    return text[:1].upper() + text[1:]


def change(value: Number | None, before: Number | None) -> Change:
    """The change from `before` to `value` as a signed percentage with one decimal."""
    if value is None or before is None:
        return Change(UNKNOWN, "none")
    if value == before:
        return Change("no change", "same")
    if before == 0:
        return Change("from 0", "up" if value > 0 else "down")
    percent = (Decimal(value) - Decimal(before)) / abs(Decimal(before)) * 100
    text = f"{abs(percent):,.0f}" if abs(percent) >= 1000 else f"{abs(percent):.1f}"
    return Change(f"+{text}%", "up") if percent > 0 else Change(f"{MINUS}{text}%", "down")


def shorten(text: str, head: int = 8, tail: int = 4) -> str:
    """A long id with its middle left out; the whole belongs in a title or behind a copy button."""
    return text if len(text) <= head + tail + 3 else f"{text[:head]}{ELLIPSIS}{text[-tail:]}"


def clip(text: str, limit: int) -> str:
    """The start of a text that may be of any length."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def at(instant: int, zone: str) -> datetime:
    """The local time of an instant; exact to the microsecond, as integers all the way."""
    seconds, rest = divmod(instant, MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest).astimezone(ZoneInfo(zone))


def exact(instant: int, zone: str) -> str:
    """The instant in full with offset and zone, as it stands in titles and detail rows."""
    local = at(instant, zone)
    shown = local.strftime("%Y-%m-%d %H:%M:%S") + (f".{local.microsecond:06d}" if local.microsecond else "")
    offset = local.strftime("%z")
    return f"{shown} UTC" if zone == "UTC" else f"{shown} {offset[:3]}:{offset[3:5]} {zone}"


def day(number: int) -> str:
    """The date of so many days since 1970-01-01, as records have it: "30 Jun 2025"."""
    date = EPOCH + timedelta(days=number)
    return f"{date.day} {date:%b %Y}"


def when(instant: int, now: int, zone: str) -> str:
    """Relative under a day, else day and time; the year only where it is another one."""
    apart = now - instant
    if abs(apart) < DAY:
        return _relative(apart // MICROSECONDS)
    local = at(instant, zone)
    year = "" if local.year == at(now, zone).year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {local:%H:%M}"


def moment(instant: int, now: int, zone: str) -> Markup:
    """A `<time>` element that reads `when` and carries the exact instant."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at(instant, "UTC").isoformat().replace("+00:00", "Z"), exact(instant, zone), when(instant, now, zone)
    )


def metadata(text: str | None) -> tuple[tuple[str, str], ...]:
    """An event's metadata as pairs of plain texts: strings as sent, all else as its own JSON, digit for digit."""
    if not text:
        return ()
    found = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return tuple((key, _plain(bytes(value))) for key, value in found.items())


def pretty(text: str) -> str:
    """JSON with a line for each value; every number keeps the digits that were sent."""
    return msgspec.json.format(text, indent=2)


def named(actor: str) -> tuple[str | None, str]:
    """Who did something, as `model.By.actor` keeps it, in words for people: the public part of a key, and a name."""
    kind, _, name = actor.partition(":")
    if kind != "key":
        return None, "the command line" if actor == COMMAND_LINE.actor else name or actor
    # Voids of before there was an audit trail have the name alone.
    prefix, _, rest = name.partition(" ")
    return (prefix, f"the key {rest}") if rest and prefix.startswith(KEY_START) else (None, f"the key {name}")


def by(actor: str) -> str:
    """The same as one text."""
    prefix, name = named(actor)
    return f"{name} ({prefix})" if prefix else name


def _plain(value: bytes) -> str:
    found: str = msgspec.json.decode(value, type=str) if value.startswith(b'"') else value.decode()
    return found


def _relative(seconds: int) -> str:
    size = abs(seconds)
    if size < 10:
        return "now"
    for length, unit in ((3600, "h"), (60, "min"), (1, "s")):
        if size >= length:
            return f"{size // length} {unit} ago" if seconds > 0 else f"in {size // length} {unit}"
    return "now"
