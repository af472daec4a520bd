"""Usage Logs: the raw events of all meters, filtered by a plain GET form that htmx makes live.

The URL is the state. A form in which something cannot be read never changes the list that is shown: the sentence stands
next to its field, and the list keeps the last filters that could be read. A list says which sequence it is as of; what
has come since is offered, or shown at once where the list follows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Response, make_response, redirect, render_template, request
from werkzeug.datastructures import MultiDict

from fluxrate.core.answers import LogPage
from fluxrate.core.errors import Malformed, RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.query import Query, choice
from fluxrate.http import exports
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.formats import at, metadata
from fluxrate.web.links import FLEETING, canonical, stand_at
from fluxrate.web.log_filters import PAGE_SIZES, Asked, ask, is_canonical, whole
from fluxrate.web.pages import around
from fluxrate.web.window_bar import window_bar

PATH = "/logs"
SUGGESTED = 40
LONGEST = 80
"""Metadata that is suggested for the filter: so many pairs of the page, none longer than this."""


@dataclass(frozen=True, slots=True)
class Found:
    """The page of events, how many there are in the window before any other filter, and what has come since."""

    log: LogPage
    of: int
    newer: int

    @property
    def first_time(self) -> int | None:
        """When the first event of the page happened."""
        return self.log.rows[0].event.timestamp if self.log.rows else None


@page_access
def page() -> Response:
    """`GET /logs`: the page, or for htmx the results with the notes of the form."""
    now = services().clock()
    asked = ask(request.args, now)
    found = _found(asked)
    url = _address(asked, found)
    if not fragments.wanted() and not asked.errors and (asked.at is not None or not is_canonical(request.args)):
        return redirect(url)  # type: ignore[return-value]
    context = _context(asked, found, now)
    if not fragments.wanted():
        return fragments.answer(render_template("logs.html", **context), status=422 if asked.errors else 200)
    html = render_template("logs/part.html", **context)
    return fragments.answer(html, url=None if asked.errors else url, keep=bool(asked.errors))


@page_access
def news() -> Response:
    """`GET /logs/news`: how many events came after `since` that the list would show, or the list where it follows.

    204 where nothing came.
    """
    sent = MultiDict(request.args)
    since = whole(sent.pop("since", ""), 1, 1 << 62, "The sequence")
    now = services().clock()
    asked = ask(sent, now)
    if asked.errors or services().engine.as_of() <= since:
        return make_response("", 204)
    count = _newer(asked, since)
    found = _found(asked) if count and asked.follows else None
    if found:
        return fragments.answer(
            render_template("logs/results.html", **(_context(asked, found, now) | {"since": since}))
        )
    if not count or asked.follows:
        return make_response("", 204)
    stand_at(PATH, asked.state)
    return fragments.answer(
        render_template("logs/news.html", newer=count, asked=asked, news_url=_news_url(asked, since))
    )


@page_access
def export() -> Response:
    """`GET /logs/export?format=csv` or `ndjson`: every event of the list as a file, streamed."""
    sent = MultiDict(request.args)
    kind = choice("format", sent.pop("format", ""), tuple(exports.TYPES))
    if kind is None:
        raise Malformed(f"format is one of {', '.join(exports.TYPES)}, but none came.", field="format")
    asked = ask(sent, services().clock())
    if asked.errors:
        raise Malformed(next(iter(asked.errors.values())))
    return exports.download(services(), asked.chosen, asked.query, kind)


def _found(asked: Asked) -> Found | None:
    if asked.errors:
        return None
    try:
        return _find(asked)
    except RuleBroken as error:
        asked.errors[error.field or "other"] = error.detail
        return None


def _find(asked: Asked) -> Found:
    engine, size = services().engine, asked.page_size
    log = engine.log(asked.chosen, asked.query, page=asked.page, page_size=size, figure=True, at=asked.at)
    if log.page > max(log.total_pages, 1):
        log = engine.log(asked.chosen, asked.query, page=max(log.total_pages, 1), page_size=size, figure=True)
    everything = Query(asked.query.window, as_of=log.as_of)
    of = engine.count(asked.meters, everything) if asked.filters else log.total
    return Found(log, of, 0 if asked.query.as_of is None else _newer(asked, log.as_of))


def _newer(asked: Asked, since: int) -> int:
    """How many events of the list came after a sequence; of a list of voided ones, how many were voided."""
    engine = services().engine
    if engine.as_of() <= since:
        return 0
    # A list without voided events may lose as many as came, so all that came are counted.
    query = replace(asked.query, as_of=None, voided=asked.query.voided or None)
    return engine.count(asked.chosen, query) - engine.count(asked.chosen, replace(query, as_of=since))


def _address(asked: Asked, found: Found | None) -> str:
    state = asked.state
    if found and asked.at is not None:
        state |= {"page": found.log.page, "as_of": found.log.as_of}
    return canonical(PATH, state)


def _news_url(asked: Asked, since: int) -> str:
    state = {name: value for name, value in asked.state.items() if name not in FLEETING}
    return _with(canonical(f"{PATH}/news", state), f"since={since}")


def _with(url: str, more: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{more}"


def _context(asked: Asked, found: Found | None, now: int) -> dict[str, Any]:
    state, zone = asked.state, asked.query.window.zone
    stand_at(PATH, state)
    return {
        "asked": asked,
        "found": found,
        "bar": window_bar(asked.query.window, asked.args, now),
        "now": now,
        "zone": zone,
        "since": None,
        "sizes": sorted({*PAGE_SIZES, asked.page_size}),
        "metric": _metric_label(asked.meter),
        "pages": around(found.log.page, found.log.total_pages) if found else (),
    } | (_about(asked, found, zone) if found else {"pairs": ()})


def _about(asked: Asked, found: Found, zone: str) -> dict[str, Any]:
    """What only a list that was found has."""
    # A window without dates in its address is another one tomorrow; an export and a jump stay in this one.
    first, as_of = found.first_time, found.log.as_of
    kept = parse_qsl(urlsplit(canonical(PATH, asked.state | {"as_of": as_of, "page": None, "live": None})).query)
    return {
        "jump": None if first is None else at(first, zone).strftime("%Y-%m-%dT%H:%M"),
        "pairs": _common_pairs(found),
        "kept": kept,
        "news_url": _news_url(asked, as_of),
        "export_url": f"{PATH}/export?{urlencode(kept)}",
    }


def _common_pairs(found: Found) -> list[str]:
    """The metadata that the events of the page have, the most common first."""
    seen: Counter[str] = Counter()
    for row in found.log.rows:
        seen.update(f"{key}={value}" for key, value in metadata(row.event.metadata))
    return [text for text, _ in seen.most_common(SUGGESTED) if len(text) <= LONGEST]


def _metric_label(meter: Meter | None) -> str | None:
    known: Mapping[str, object] = services().registry.metrics.all
    metric = known.get(meter.aggregation_type) if meter else None
    return getattr(metric, "label", None)
