"""`GET /revenue`: one currency over one window, in sections that are each asked for and limited by themselves: the
figures, MRR with what moved it, usage apart, what is unpaid, what lies ahead, whose usage fell.

Currencies are tabs and never added together. Every figure leads to what it is made of (`web/revenue_lists`), and every
table is there as CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from flask import Response, redirect, render_template, request, url_for

from fluxrate.core import calendar, trends
from fluxrate.core.answers import Bucket
from fluxrate.core.calendar import Window
from fluxrate.core.decline import RULE, declines
from fluxrate.core.errors import NotFound
from fluxrate.core.revenue import money
from fluxrate.core.revenue.at_risk import AtRisk
from fluxrate.core.revenue.mrr import MOVEMENTS, Mrr
from fluxrate.core.text import show
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import boxes, fragments, periods
from fluxrate.web.bars import Series
from fluxrate.web.boxes import Box, Wanted
from fluxrate.web.links import WINDOW, canonical
from fluxrate.web.movements import Moved
from fluxrate.web.read import lenient, unclear
from fluxrate.web.revenue_words import COLOURS, KINDS, PERIODS, SHOWN_ORDER, csv, listed
from fluxrate.web.window_bar import window_bar

ASKED = (*WINDOW, "currency", "group_by")
PARAMETERS = (*ASKED, "panels")
MOST_ROWS = 20
"""Rows of a table of this page; the rest is in its list or its CSV."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query string asks about, as far as it can be read; `errors` has a sentence for each part that cannot.

    `currencies` has those of subscriptions, the one shown unless said first; none where nobody ever subscribed.
    """

    window: Window
    group: str
    currency: str
    currencies: tuple[str, ...]
    now: int
    args: Mapping[str, str]
    errors: dict[str, str]

    def url(self, section: Section) -> str:
        """The address of a section about the same."""
        kept = {name: self.args[name] for name in ASKED if name in self.args and name not in self.errors}
        return canonical(url_for("web.revenue_section", name=section.name), kept)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; `data` gives what `template` shows."""

    name: str
    title: str
    data: Callable[[Asked], Mapping[str, Any] | None]
    height: int
    place: str = "wide"
    seconds: float = field(default=5.0)

    @property
    def template(self) -> str:
        """A file of its own for each."""
        return f"revenue/{self.name}.html"


@page_access
def page() -> Response:
    """`GET /revenue`."""
    asked = _asked(PARAMETERS)
    inline = request.args.get("panels", "")
    if inline not in ("", "all"):
        asked.errors["panels"] = f"panels is all or left out, but {show(inline)} came."
    shown = SECTIONS if asked.currencies else SECTIONS[-1:]
    html = render_template(
        "revenue.html",
        bar=window_bar(asked.window, asked.args, asked.now),
        boxes=_made(shown, asked) if inline else [Box(one, asked.url(one), one.height) for one in shown],
        inline=inline,
        host=request.host_url,
        **_known(asked),
    )
    return fragments.answer(html, status=422 if asked.errors else 200)


@page_access
def section(name: str) -> Response:
    """`GET /revenue/sections/<name>`: one of them; a browser without htmx is sent to its page."""
    found = next((one for one in SECTIONS if one.name == name), None)
    if found is None:
        raise NotFound(f"The revenue page has no section {show(name)}.")
    if not fragments.wanted():
        return redirect(f"{canonical(url_for('web.revenue'), request.args.to_dict())}#panel-{name}")  # type: ignore[return-value]
    asked = _asked(ASKED)
    if asked.errors:
        refused = Box(found, asked.url(found), failed=" ".join(asked.errors.values()))
        return fragments.answer(boxes.answered([refused]), status=422)
    return fragments.answer(boxes.answered(_made([found], asked)))


def figures(asked: Asked) -> Mapping[str, Any] | None:
    """The headline figures at the window's end, and what they were at its start."""
    found = _mrr(asked)
    return None if found is None else {"found": found}


def mrr(asked: Asked) -> Mapping[str, Any] | None:
    """MRR at the end of each bucket, and the movements that led there."""
    found = _mrr(asked)
    if found is None:
        return None
    buckets = [bucket for bucket in found.buckets if bucket.start < asked.now]
    points = found.points[: len(buckets)]
    drawn = periods.points(buckets, asked.group, asked.window.zone, asked.now)
    groups = offered(asked.window)
    return {
        "found": found,
        "buckets": buckets,
        "drawn": drawn,
        # MRR stands at the end of a bucket, so one that the window cuts off is as good as any.
        "line": [replace(point, state="") if point.state == "part" else point for point in drawn],
        "rows": points,
        "moved": [_moved(place, points, asked) for place in SHOWN_ORDER],
        "totals": {kind: sum(point.movements[i] for point in points) for i, kind in enumerate(MOVEMENTS)},
        "group": asked.group,
        "groups": groups if asked.group in groups else (*groups, asked.group),
    }


def at_risk(asked: Asked) -> Mapping[str, Any]:
    """What is unpaid now, whatever the window."""
    found = services().revenue.at_risk(
        asked.now, asked.window.zone, currency=asked.currency, limit=MOST_ROWS, with_subscriptions=True
    )
    mine: AtRisk | None = next(iter(found.data), None)
    largest = max((due for due, _ in mine.buckets), default=0) if mine else 0
    behind = mine.behind if mine else ()
    plans = services().store.subscriptions.plan_names([one.subscription for one in behind])
    return {"found": mine, "names": found, "plans": plans, "largest": largest}


def usage(asked: Asked) -> Mapping[str, Any]:
    """What the usage of billing periods cost, by when they ended."""
    window, code = asked.window, asked.currency
    found, _ = services().revenue.usage(window, asked.group, asked.now, code)
    mine = next(iter(found), None)
    edges = calendar.buckets(window, asked.group).edges.tolist()
    buckets = [
        Bucket(start, end, one.label, money.amount(one.amount, code), one.periods)
        for start, end, one in zip(edges, edges[1:], mine.buckets if mine else (), strict=False)
    ]
    drawn = periods.points(buckets, asked.group, window.zone, asked.now)
    series = [Series("Usage revenue", [point.value for point in drawn])]
    return {"found": mine, "drawn": drawn, "buckets": buckets, "series": series, "group": asked.group}


def ahead(asked: Asked) -> Mapping[str, Any]:
    """What the billing periods that run now and the next ones will come to."""
    found, _ = services().revenue.forecast(asked.now, currency=asked.currency)
    mine = next(iter(found), None)
    each = (mine.current, mine.next) if mine else ()
    shares = [Decimal(one.certain) / one.total if one.total else None for one in each]
    return {"found": mine, "shares": shares, "periods": PERIODS}


def decline(asked: Asked) -> Mapping[str, Any]:
    """The customers whose usage fell, by the last whole days of the window, with what they carry in this currency."""
    parts = services()
    meters = [meter for meter in parts.catalog.meters() if meter.status == "ACTIVE"]
    end, zone = min(asked.window.end, asked.now), asked.window.zone
    found = declines(parts.engine, parts.store, meters, end, zone, as_of=None, limit=MOST_ROWS)
    carries = parts.revenue.of_customers(end, [item.customer.pk for item in found.items])
    return {"found": found, "carries": carries.get(asked.currency, {}), "rule": RULE}


SECTIONS = (
    Section("figures", "Figures", figures, 140, place="main"),
    Section("mrr", "Monthly recurring revenue", mrr, 690),
    Section("usage", "Usage revenue", usage, 265),
    Section("at_risk", "Revenue at risk", at_risk, 590),
    Section("ahead", "Revenue forecast", ahead, 243),
    Section("decline", "Usage decline", decline, 300),
)


def offered(window: Window) -> tuple[str, ...]:
    """The groupings worth a choice: what recurs by the month does not move by the hour, but within a day or two."""
    found = trends.offered(window)
    fine = ("minute",) if trends.fitting(window) == "hour" else ("minute", "hour")
    return tuple(name for name in found if name not in fine) or (trends.fitting(window),)


def currency_asked(args: Mapping[str, str], errors: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """The currency of the query string, else that of most subscriptions, and all there are; "" where there is none."""
    known = tuple(services().revenue.currencies())
    wanted = args.get("currency", "").strip().upper()
    if wanted and wanted not in known:
        there = f"there are {', '.join(sorted(known))}" if known else "there are none yet"
        errors["currency"] = f"currency is one that subscriptions are in ({there}), but {show(wanted)} came."
    return wanted if wanted in known else next(iter(known), ""), known


def _asked(known: Sequence[str]) -> Asked:
    args, now = request.args.to_dict(), services().clock()
    query, errors = lenient(args, now)
    errors |= unclear(request.args, known)
    currency, currencies = currency_asked(args, errors)
    groups = offered(query.window)
    group = query.group_by if query.group_by in groups else trends.fitting(query.window)
    return Asked(query.window, group, currency, currencies, now, args, errors)


def _known(asked: Asked) -> dict[str, Any]:
    """What every template of the page may use."""
    window = asked.window
    return {
        "asked": asked,
        "args": asked.args,
        "errors": asked.errors,
        "window": window,
        "currency": asked.currency,
        "now": asked.now,
        "zone": window.zone,
        "kinds": KINDS,
        "movements": MOVEMENTS,
        "order": SHOWN_ORDER,
        "listed": partial(listed, window, asked.currency),
        "csv": partial(csv, window, asked.currency),
    }


def _made(shown: Sequence[Section], asked: Asked) -> list[Box]:
    return boxes.made([Wanted(one, asked.url(one), partial(one.data, asked)) for one in shown], _known(asked))


def _mrr(asked: Asked) -> Mrr | None:
    return next(iter(services().revenue.mrr(asked.window, asked.group, asked.currency)), None)


def _moved(place: int, points: Sequence[Any], asked: Asked) -> Moved:
    kind = MOVEMENTS[place]
    values = [money.amount(point.movements[place], asked.currency) for point in points]
    return Moved(KINDS[kind], COLOURS[kind], values, listed(asked.window, asked.currency, "changes", kind=kind))
