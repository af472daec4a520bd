"""Addresses of pages: every state is a query string with the API's own parameter names, and empty ones are left out.

`canonical` gives the one address of a state, so that a shared link, a history entry and a form without script agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict

from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.query import META
from fluxrate.core.zones import day_of, day_start
from fluxrate.web.formats import at

WINDOW = ("start_date", "end_date", "timezone")
STATE = (
    *WINDOW,
    "meter",
    "currency",
    "kind",
    "age",
    "lost",
    "billing_period",
    "part",
    "period",
    "group_by",
    "breakdown",
    "status",
    "search",
    "meter_id",
    "customer_id",
    "min_quantity",
    "max_quantity",
    "voided",
    "live",
    "page_size",
    "page",
    "as_of",
    "actor",
    "action",
    "next",
    "panels",
    "arrange",
    "limit",
    "format",
)
FLEETING = ("page", "as_of")
PAGE_OF = {"web.panel": "web.dashboard", "web.revenue_section": "web.revenue"}
"""The pages of what is asked for in parts."""


def canonical(path: str, args: Mapping[str, Any]) -> str:
    """The path with the known parameters that say something, in a fixed order; `meta.KEY` has a list of values."""
    kept = [(name, str(args[name])) for name in STATE if args.get(name) not in (None, "")]
    for name in args:
        if name.startswith(META):
            values = args[name] or ()
            kept += [(name, value) for value in ([values] if isinstance(values, str) else values)]
    # A page has hundreds of addresses that differ in one part.
    return f"{path}?{'&'.join(f'{_quoted(name)}={_quoted(value)}' for name, value in kept)}" if kept else path


_quoted = lru_cache(maxsize=4_096)(quote_plus)


def here(**changes: Any) -> str:
    """The page being shown with some parameters changed (None removes one); page and as_of start over."""
    # A part is asked for by itself, but it stands on its page and so do its links.
    page = PAGE_OF.get(request.endpoint or "")
    own = url_for(page) if page else request.path
    path, args = g.get("stands_at") or (own, several(request.args))
    return canonical(path, {name: value for name, value in args.items() if name not in FLEETING} | changes)


def stand_at(path: str, args: Mapping[str, Any]) -> None:
    """Say what `here` starts from where the request does not: a form sends what was typed, a link what it means."""
    g.stands_at = (path, args)


def several(args: MultiDict[str, str]) -> dict[str, Any]:
    """The parameters as `canonical` takes them: metadata filters with all their values, the others with their first."""
    return {name: values if name.startswith(META) else values[0] for name, values in args.lists()}


def local(target: str | None) -> str:
    """The target when it is a path of this site, else the first page; two slashes of either kind would be the start of
    another host.
    """
    plain = target is not None and target.isprintable() and target.startswith("/")
    return target if plain and target and not target.startswith(("//", "/\\")) else "/"


def to_one(endpoint: str, **places: str) -> str:
    """The page of one thing about the same window; `places` are those of its address."""
    return canonical(
        url_for(endpoint, **places),  # type: ignore[arg-type]
        {name: request.args.get(name) for name in WINDOW},
    )


def to_period(subscription: str, instant: int) -> str:
    """The usage of the subscription's billing period that holds the instant, on its page about the same window."""
    asked = {name: request.args.get(name) for name in WINDOW} | {"period": rfc3339(instant)}
    return f"{canonical(url_for('web.subscription', subscription=subscription), asked)}#usage"


def days_around(instant: int, zone: str) -> str:
    """The page being shown, looking at the 30 days that end with the instant's."""
    last = at(instant, zone).date()
    return here(start_date=(last - timedelta(days=29)).isoformat(), end_date=last.isoformat())


def to(endpoint: str, **params: Any) -> str:
    """Another page about the same window."""
    window = {name: request.args.get(name) for name in WINDOW}
    return canonical(url_for(endpoint), window | params)


def edges(start: int, end: int, zone: str) -> dict[str, str]:
    """The two dates that name exactly the range `[start, end)`: whole local days as days, all else as instants in UTC,
    because a local time may come twice.
    """
    first, after = day_of(zone, start), day_of(zone, end)
    if day_start(zone, first) == start and day_start(zone, after) == end:
        return {"start_date": at(start, zone).date().isoformat(), "end_date": at(end - 1, zone).date().isoformat()}
    return {"start_date": rfc3339(start), "end_date": rfc3339(end)}


def events(window: Window, as_of: int, *, start: int | None = None, end: int | None = None, **filters: Any) -> str:
    """The Usage Logs with exactly the events behind a figure: those of the window, or of `[start, end)` within it, that
    pass the filters, as of the sequence that the figure covers. What arrives later changes neither.
    """
    first, last = (window.start if start is None else start), (window.end if end is None else end)
    zone = {"timezone": window.zone if window.zone != "UTC" else None}
    return canonical(url_for("web.logs"), edges(first, last, window.zone) | zone | filters | {"as_of": as_of})
