"""The window that a page looks at: read from the URL, named in words, with presets and the steps before and after.

Pages default to the last 30 whole days including today, while the API ends at this very second: a page compares days.
The dates stand in the URL as the API's `start_date`, `end_date` and `timezone`: a shared link shows the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from fluxrate.core.calendar import Window, check_zone, parse_instant
from fluxrate.web.formats import at
from fluxrate.web.links import here
from fluxrate.web.periods import span

ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Preset:
    """A named window of whole days that ends today."""

    label: str
    days: int

    def dates(self, today: date) -> tuple[str, str]:
        """Its first and last day as the URL writes them."""
        return (today - ONE * (self.days - 1)).isoformat(), today.isoformat()


PRESETS = (
    Preset("Today", 1),
    Preset("Last 7 days", 7),
    Preset("Last 30 days", 30),
    Preset("Last 90 days", 90),
    Preset("Last 12 months", 365),
)
DEFAULT = PRESETS[2]


@dataclass(frozen=True, slots=True)
class Choice:
    """A preset as a link."""

    label: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class WindowBar:
    """Everything the bar shows; `previous` and `next` are addresses, `next` None when it would lie in the future."""

    label: str
    span: str
    zone: str
    start_date: str
    end_date: str
    choices: tuple[Choice, ...]
    previous: str
    next: str | None


def with_defaults(args: Mapping[str, str], now: int) -> dict[str, str]:
    """The parameters of a page with the default window filled in. Raises Malformed for an unknown zone."""
    filled = {name: value.strip() for name, value in args.items()}
    zone = check_zone(filled.get("timezone") or "UTC")
    if not filled.get("start_date") and not filled.get("end_date"):
        filled["start_date"], filled["end_date"] = DEFAULT.dates(at(now, zone).date())
    return filled


def window_bar(window: Window, args: Mapping[str, str], now: int) -> WindowBar:
    """The bar of a window that has been parsed from `args`."""
    today = at(now, window.zone).date()
    start, end = _texts(window)
    choices = tuple(_choice(preset, today, (start, end)) for preset in PRESETS)
    chosen = next((choice.label for choice in choices if choice.chosen), None)
    words = span(window.start, window.end, window.zone)
    later = shift(window, 1)
    return WindowBar(
        label=chosen or words,
        span=words,
        zone=window.zone,
        start_date=start,
        end_date=end,
        choices=choices,
        previous=_url(shift(window, -1)),
        next=_url(later) if later.start <= now else None,
    )


def shift(window: Window, steps: int) -> Window:
    """The equal window before or after: whole months move by months, whole days by days, others by their length."""
    first, last = at(window.start, window.zone), at(window.end, window.zone)
    if first.time() != time() or last.time() != time():
        length = (window.end - window.start) * steps
        return Window(window.start + length, window.end + length, window.zone)
    if first.day == last.day == 1:
        months = ((last.year - first.year) * 12 + last.month - first.month) * steps
        return _of_days(_add_months(first.date(), months), _add_months(last.date(), months), window.zone)
    days = (last.date() - first.date()) * steps
    return _of_days(first.date() + days, last.date() + days, window.zone)


def _of_days(first: date, after: date, zone: str) -> Window:
    return Window(parse_instant(first.isoformat(), zone), parse_instant(after.isoformat(), zone), zone)


def _add_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, day.day)


def _choice(preset: Preset, today: date, dates: tuple[str, str]) -> Choice:
    start, end = preset.dates(today)
    return Choice(preset.label, here(start_date=start, end_date=end), (start, end) == dates)


def _url(window: Window) -> str:
    start, end = _texts(window)
    return here(start_date=start, end_date=end)


def _texts(window: Window) -> tuple[str, str]:
    """The ends as the URL writes them: dates where they are whole local days, else local times."""
    first, last = at(window.start, window.zone), at(window.end, window.zone)
    if first.time() == time() == last.time():
        return first.date().isoformat(), (last.date() - ONE).isoformat()
    return _text(first), _text(last)


def _text(local: datetime) -> str:
    return local.replace(tzinfo=None).isoformat()
