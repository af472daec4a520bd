"""Usage Logs: the raw events of all meters, filtered by a plain GET form that htmx makes live.

The URL is the state. A form in which something cannot be read never changes the list that is shown: the sentence stands
next to its field, and the list keeps the last filters that could be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import Response, redirect, render_template, request

from fluxrate.core.answers import LogPage
from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.core.model import Customer, Meter
from fluxrate.core.query import Query
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.customers import Match, matching
from fluxrate.web.links import WINDOW, canonical
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear
from fluxrate.web.window_bar import window_bar

COUNTED = ("meter_id", "customer_id", "min_quantity", "max_quantity")
"""The filters that the folded form on a narrow screen counts; a window is always set."""
PARAMETERS = (*WINDOW, *COUNTED, "page", "page_size", "as_of")
PAGE_SIZES = (25, 50, 100, 250)
DEFAULT_SIZE = 50
MAX_SIZE = 1000


@dataclass(slots=True)
class Asked:
    """What the query string asks for, as far as it can be read; `errors` has a sentence per field that cannot."""

    args: dict[str, str]
    query: Query
    meters: tuple[Meter, ...]
    errors: dict[str, str]
    meter: Meter | None = None
    match: Match = field(default_factory=Match)
    page: int = 1
    page_size: int = DEFAULT_SIZE

    @property
    def customer(self) -> Customer | None:
        """The one customer that the list is about."""
        return self.match.customer

    @property
    def resolved(self) -> dict[str, str | int | None]:
        """What the address says instead of what was typed: the API's references, and nothing that is the default."""
        return {
            "meter_id": self.meter.meter_name if self.meter else None,
            "customer_id": self.customer.external_id if self.customer else None,
            "timezone": self.query.window.zone if self.query.window.zone != "UTC" else None,
            "page_size": self.page_size if self.page_size != DEFAULT_SIZE else None,
        }

    @property
    def filters(self) -> int:
        """How many filters are set beside the window."""
        return sum(1 for name in COUNTED if self.args.get(name))


@dataclass(frozen=True, slots=True)
class Found:
    """The page of events, and how many there are in the window before any other filter."""

    log: LogPage
    of: int
    newer: int


@page_access
def page() -> Response:
    """`GET /logs`: the page, or for htmx the results with the notes of the form."""
    if not fragments.wanted() and any(value == "" for value in request.args.values()):
        return redirect(canonical(request.path, request.args))  # type: ignore[return-value]
    now = services().clock()
    asked = ask(request.args.to_dict(), now)
    asked.errors |= unclear(request.args, PARAMETERS)
    found = None if asked.errors else _find(asked)
    context = {
        "asked": asked,
        "found": found,
        "bar": window_bar(asked.query.window, asked.args, now),
        "now": now,
        "zone": asked.query.window.zone,
        "sizes": sorted({*PAGE_SIZES, asked.page_size}),
        "metric": _metric_label(asked.meter),
        "pages": around(found.log.page, found.log.total_pages) if found else (),
    }
    if not fragments.wanted():
        return fragments.answer(render_template("logs.html", **context), status=422 if asked.errors else 200)
    url = None if asked.errors else canonical(request.path, asked.args | asked.resolved)
    return fragments.answer(render_template("logs/part.html", **context), url=url, keep=bool(asked.errors))


def ask(args: dict[str, str], now: int) -> Asked:
    """Read the query string."""
    query, errors = lenient(args, now)
    asked = Asked(args, query, tuple(services().catalog.meters()), errors)
    readers = {"meter_id": _meter, "customer_id": _customer, "page": _page, "page_size": _page_size, "as_of": _as_of}
    for name, reader in readers.items():
        try:
            reader(asked, args.get(name, "").strip())
        except FluxrateError as error:
            errors.setdefault(name, error.detail)
    low, high = asked.query.min_quantity, asked.query.max_quantity
    if low is not None and high is not None and low > high:
        errors["min_quantity"] = f"The minimum is at most the maximum, but {low} is more than {high}."
    return asked


def _meter(asked: Asked, text: str) -> None:
    if text:
        asked.meter = next((m for m in asked.meters if text in (m.meter_name, m.id, m.meter_token)), None)
        if asked.meter is None:
            raise Malformed("No meter has this name or id; choose one of the list.")


def _customer(asked: Asked, text: str) -> None:
    asked.match = matching(services().store.customers, text)
    if asked.match.customer is not None:
        asked.query = replace(asked.query, customers=(asked.match.customer.id,))
    elif asked.match.error:
        raise Malformed(asked.match.error)


def _page(asked: Asked, text: str) -> None:
    asked.page = _whole(text, 1, 1 << 40, "The page")


def _page_size(asked: Asked, text: str) -> None:
    asked.page_size = _whole(text, DEFAULT_SIZE, MAX_SIZE, "The page size")


def _as_of(asked: Asked, text: str) -> None:
    newest = services().engine.as_of()
    if asked.query.as_of is not None and asked.query.as_of > newest:
        raise Malformed(f"as_of is at most {newest}, the newest sequence, but {asked.query.as_of} came.")


def _whole(text: str, default: int, most: int, name: str) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and 1 <= int(text) <= most):
        raise Malformed(f"{name} is a whole number from 1 to {most:,}.")
    return int(text)


def _find(asked: Asked) -> Found:
    engine = services().engine
    meters = (asked.meter,) if asked.meter else asked.meters
    log = engine.log(meters, asked.query, page=asked.page, page_size=asked.page_size, figure=True)
    if asked.page > max(log.total_pages, 1):
        log = engine.log(meters, asked.query, page=max(log.total_pages, 1), page_size=asked.page_size, figure=True)
    everything = Query(asked.query.window, as_of=log.as_of)
    of = engine.log(asked.meters, everything, page_size=1).total if asked.filters else log.total
    return Found(log, of, engine.as_of() - log.as_of if asked.query.as_of is not None else 0)


def _metric_label(meter: Meter | None) -> str | None:
    found: Mapping[str, object] = services().registry.metrics.all
    metric = found.get(meter.aggregation_type) if meter else None
    return getattr(metric, "label", None)
