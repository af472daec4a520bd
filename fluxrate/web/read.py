"""What a page reads from its query string, forgivingly: a parameter that cannot be read gets a sentence for its field.

The API refuses such a request as a whole; a page must still stand, with a window, its form and the reason beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from werkzeug.datastructures import MultiDict

from fluxrate.core.errors import Malformed
from fluxrate.core.query import Query
from fluxrate.core.text import show
from fluxrate.plugin import services
from fluxrate.web.window_bar import with_defaults

LABELS = {
    "start_date": "From",
    "end_date": "To",
    "timezone": "The time zone",
    "min_quantity": "The minimum",
    "max_quantity": "The maximum",
}
_DATES = ("start_date", "end_date")


def lenient(args: Mapping[str, str], now: int, meta: Sequence[tuple[str, str]] = ()) -> tuple[Query, dict[str, str]]:
    """The query of what can be read, and a sentence for each parameter that cannot; that one takes its default."""
    left, errors = dict(args), dict[str, str]()
    while True:
        try:
            return Query.parse(with_defaults(left, now), now=now, seq_at=_seq_at, meta=meta), errors
        except Malformed as error:
            field = error.field or ""
            if field not in left:
                return Query.parse(with_defaults({}, now), now=now), errors | {field: error.detail}
            errors[field] = sentence(field, error.detail, left)
            del left[field]


def _seq_at(instant: int) -> int:
    return services().store.events.seq_at(instant)


def with_meter(args: Mapping[str, str]) -> dict[str, str]:
    """The query string of a page that has one meter chosen: `meter_id`, as the API calls it, is our own `meter`."""
    found = dict(args)
    named = found.pop("meter_id", None)
    return found if named is None else {"meter": named} | found


def unclear(args: MultiDict[str, str], known: Collection[str]) -> dict[str, str]:
    """A sentence when a parameter is unknown or given twice: left out in silence it would make a wrong figure."""
    unknown = sorted(set(args) - set(known))
    if unknown:
        return {"other": f"This page has no parameter {show(unknown[0])}; it knows {', '.join(known)}."}
    twice = next((name for name, values in args.lists() if len(values) > 1), None)
    return {"other": f"{twice} is given more than once, but this page takes one."} if twice else {}


def sentence(field: str, detail: str, args: Mapping[str, str]) -> str:
    """The refusal in the words of the form: its label for the parameter's name, dates without the API's other forms."""
    if field in _DATES and not _is_date(args[field]):
        return f"{LABELS[field]} is a date such as 2025-01-31, but {show(args[field])} came."
    start, end = (args.get(name, "") for name in _DATES)
    if field == "start_date" and _is_date(start) and _is_date(end) and start > end:
        return f"From is not after To, but {start} is after {end}."
    return detail.replace(field, LABELS.get(field, field), 1)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
