"""What a figure of the revenue page is made of, line by line: the changes behind a movement, the subscriptions behind
MRR, the invoices behind what is unpaid. The sum at the top is the figure, to the cent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, render_template, request

from fluxrate.core.calendar import Window
from fluxrate.core.query import choice
from fluxrate.core.revenue.at_risk import Item, days_of
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.revenue.words import date_text
from fluxrate.core.zones import day_of
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.links import WINDOW
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear
from fluxrate.web.revenue import currency_asked
from fluxrate.web.revenue_words import AGE_NAMES, AGES, GIVEN_UP, KINDS, csv
from fluxrate.web.window_bar import window_bar

PAGE_SIZE = 50
MOST_PAGES = 2_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the parts of a figure: `total` in minor units is the figure, `count` how many parts it has."""

    title: str
    total: int
    count: int
    items: Sequence[Any]
    names: Any
    csv: str


@page_access
def changes() -> Response:
    """`GET /revenue/changes`: the changes within the window, of one `kind` of movement or of all."""
    asked = _Asked((*WINDOW, "currency", "kind", "page"))
    kind = asked.one_of("kind", MOVEMENTS)
    found = services().revenue.changes(
        asked.window, kind=kind, currency=asked.currency, limit=PAGE_SIZE, skip=asked.skipped
    )
    mine = next(iter(found.data), None)
    return asked.answer(
        "revenue/changes.html",
        Listed(
            f"{KINDS[kind]} MRR" if kind else "Changes of MRR",
            mine.amount if mine else 0,
            mine.count if mine else 0,
            mine.items if mine else (),
            found,
            csv(asked.window, asked.currency, "mrr/changes", kind=kind),
        ),
        kind=kind,
        kinds=KINDS,
    )


@page_access
def subscriptions() -> Response:
    """`GET /revenue/subscriptions`: the active subscriptions at the window's end, and what each carries."""
    asked = _Asked((*WINDOW, "currency", "page"))
    found = services().revenue.carriers(asked.window.end, currency=asked.currency, limit=PAGE_SIZE, skip=asked.skipped)
    mine = next(iter(found.data), None)
    return asked.answer(
        "revenue/subscriptions.html",
        Listed(
            "Active subscriptions",
            mine.mrr if mine else 0,
            mine.active_subscriptions if mine else 0,
            mine.items if mine else (),
            found,
            csv(asked.window, asked.currency, "mrr/subscriptions"),
        ),
    )


@page_access
def invoices() -> Response:
    """`GET /revenue/invoices`: the unpaid invoices of subscriptions now, of one `age` or of all."""
    asked = _Asked((*WINDOW, "currency", "age", "page"))
    age = asked.one_of("age", (*AGES, GIVEN_UP))
    today = day_of(asked.window.zone, asked.now)
    first, last = days_of(AGES.index(age), today) if age in AGES else (None, None)
    found = services().revenue.at_risk(
        asked.now,
        asked.window.zone,
        currency=asked.currency,
        first_day=first,
        last_day=last,
        limit=asked.skipped + PAGE_SIZE,
        with_subscriptions=age == GIVEN_UP,
    )
    mine = next(iter(found.data), None)
    items: Sequence[Item] = ()
    total = count = 0
    if mine is not None and age == GIVEN_UP:
        items, total, count = mine.given_up, mine.uncollectible, mine.given_up_invoices
    elif mine is not None:
        items, total, count = mine.items, mine.amount_due, mine.invoices
    days = {"start_date": first and date_text(first), "end_date": last and date_text(last)}
    table = csv(asked.window, asked.currency, "at-risk", **days)
    title = f"Unpaid, {AGE_NAMES[age].lower()}" if age in AGES else AGE_NAMES[age] if age else "Unpaid invoices"
    return asked.answer(
        "revenue/invoices.html", Listed(title, total, count, items[asked.skipped :], found, table), age=age
    )


class _Asked:
    """What the query string of a list asks about, read forgivingly."""

    def __init__(self, known: Sequence[str]) -> None:
        self.args: Mapping[str, str] = request.args.to_dict()
        self.now = services().clock()
        query, self.errors = lenient(self.args, self.now)
        self.errors |= unclear(request.args, known)
        self.window: Window = query.window
        self.currency, self.currencies = currency_asked(self.args, self.errors)
        number = self.args.get("page", "")
        self.page = min(max(int(number), 1), MOST_PAGES) if number.isascii() and number.isdigit() else 1

    @property
    def skipped(self) -> int:
        """How many items stand on the pages before."""
        return (self.page - 1) * PAGE_SIZE

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        """A parameter that is one of a few texts; a sentence where it is none."""
        sent = self.args.get(name)
        if sent and sent not in known:
            self.errors[name] = f"{name} is one of {', '.join(known)}, or left out."
            return None
        return choice(name, sent, known)

    def answer(self, template: str, found: Listed, **more: Any) -> Response:
        """The page."""
        behind = [item.subscription for item in found.items]
        html = render_template(
            template,
            plans=services().store.subscriptions.plan_names(behind),
            bar=window_bar(self.window, self.args, self.now),
            found=found,
            names=found.names,
            page=self.page,
            pages=around(self.page, min(math.ceil(found.count / PAGE_SIZE), MOST_PAGES)),
            currency=self.currency,
            currencies=self.currencies,
            args=self.args,
            errors=self.errors,
            now=self.now,
            window=self.window,
            zone=self.window.zone,
            **more,
        )
        return fragments.answer(html, status=422 if self.errors else 200)
