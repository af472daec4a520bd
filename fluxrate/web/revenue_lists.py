"""What a figure of the revenue page is made of, line by line: the changes behind a movement, the subscriptions behind
MRR, churn and retention, the customers behind ARPA, the billing periods behind usage revenue and the forecast, the
invoices behind what is unpaid. The sum at the top is the figure, to the cent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from flask import Response, render_template, request

from fluxrate.core.calendar import Window
from fluxrate.core.query import FLAGS, choice
from fluxrate.core.revenue.at_risk import days_of
from fluxrate.core.revenue.behind import MOST_ITEMS
from fluxrate.core.revenue.mrr import MOVEMENTS
from fluxrate.core.revenue.parts import AMOUNTS, BILLING_PERIODS
from fluxrate.core.revenue.reading import Named
from fluxrate.core.revenue.words import date_text
from fluxrate.core.zones import day_of
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.links import WINDOW
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear
from fluxrate.web.revenue import currency_asked
from fluxrate.web.revenue_words import AGE_NAMES, AGES, GIVEN_UP, KINDS, PARTS, PERIODS, csv
from fluxrate.web.window_bar import window_bar

PAGE_SIZE = 50
MOST_PAGES = 2_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of the parts of a figure: `total` in minor units is the figure, `count` how many parts it has; `of` is
    what they were found in, None where there is nothing.
    """

    title: str
    of: Any
    total: int
    count: int
    items: Sequence[Any]
    names: Named[Any]
    csv: str


def _listed(title: str, found: Named[Any], total: str, count: str, table: str) -> Listed:
    """What was found in the one currency; `total` and `count` are its attributes."""
    mine = next(iter(found.data), None)
    if mine is None:
        return Listed(title, None, 0, 0, (), found, table)
    return Listed(title, mine, attrgetter(total)(mine), attrgetter(count)(mine), mine.items, found, table)


@page_access
def changes() -> Response:
    """`GET /revenue/changes`: the changes within the window, of one `kind` of movement or of all."""
    asked = _Asked((*WINDOW, "currency", "kind", "page"))
    kind = asked.one_of("kind", MOVEMENTS)
    found = services().revenue.changes(asked.window, kind=kind, **asked.piece)
    title = f"{KINDS[kind]} MRR" if kind else "Changes of MRR"
    listed = _listed(title, found, "amount", "count", asked.csv("mrr/changes", kind=kind))
    return asked.answer("revenue/changes.html", listed, kind=kind, kinds=KINDS)


@page_access
def subscriptions() -> Response:
    """`GET /revenue/subscriptions`: the active subscriptions at the window's end, and what each carries."""
    asked = _Asked((*WINDOW, "currency", "page"))
    found = services().revenue.carriers(asked.window.end, **asked.piece)
    table = asked.csv("mrr/subscriptions")
    listed = _listed("Active subscriptions", found, "mrr", "active_subscriptions", table)
    return asked.answer("revenue/subscriptions.html", listed)


@page_access
def customers() -> Response:
    """`GET /revenue/customers`: the customers with active subscriptions at the window's end, and what they carry."""
    asked = _Asked((*WINDOW, "currency", "page"))
    found = services().revenue.payers(asked.window.end, **asked.piece)
    listed = _listed("Active customers", found, "mrr", "active_customers", asked.csv("mrr/customers"))
    return asked.answer("revenue/customers.html", listed)


@page_access
def retention() -> Response:
    """`GET /revenue/retention`: the subscriptions that were active at the window's start, all of them or those that are
    `lost` or not, and what became of their MRR.
    """
    asked = _Asked((*WINDOW, "currency", "lost", "page"))
    lost = asked.one_of("lost", FLAGS)
    found = services().revenue.retention(asked.window, lost=None if lost is None else lost == "true", **asked.piece)
    title = {None: "Churn and retention", "true": "Lost subscriptions", "false": "Kept subscriptions"}[lost]
    listed = _listed(title, found, "retained_mrr", "count", asked.csv("mrr/retention", lost=lost))
    return asked.answer("revenue/retention.html", listed, lost=lost)


@page_access
def billed_periods() -> Response:
    """`GET /revenue/usage`: the billing periods that ended within the window, and what their usage cost."""
    asked = _Asked((*WINDOW, "currency", "page"))
    found, _ = services().revenue.billed_periods(asked.window, asked.now, **asked.piece)
    listed = _listed("Usage revenue", found, "amount", "billing_periods", asked.csv("usage/periods"))
    return asked.answer("revenue/billed_periods.html", listed)


@page_access
def expected_periods() -> Response:
    """`GET /revenue/forecast`: the billing periods that run now or the next ones, in order of one `part` of what they
    will come to.
    """
    asked = _Asked((*WINDOW, "currency", "billing_period", "part", "page"))
    period = asked.one_of("billing_period", BILLING_PERIODS) or "current"
    part = asked.one_of("part", AMOUNTS) or "total"
    found, _ = services().revenue.expected_periods(asked.now, billing_period=period, by=part, **asked.piece)
    table = asked.csv("forecast/subscriptions", billing_period=period)
    listed = _listed("Forecast", found, f"ahead.{period}.{part}", "count", table)
    return asked.answer(
        "revenue/expected_periods.html",
        listed,
        billing_period=period,
        part=part,
        whole=getattr(listed.of.ahead, period).total if listed.of else 0,
        periods=PERIODS,
        parts=PARTS,
    )


@page_access
def at_risk() -> Response:
    """`GET /revenue/at-risk`: the subscriptions with unpaid invoices now, and what they carry."""
    asked = _Asked((*WINDOW, "currency", "page"))
    found = services().revenue.at_risk(
        asked.now,
        asked.window.zone,
        currency=asked.currency,
        limit=asked.skipped + PAGE_SIZE,
        with_subscriptions=True,
    )
    listed = _listed("Subscriptions at risk", found, "amount_due", "subscriptions", asked.csv("at-risk/subscriptions"))
    behind = listed.of.behind[asked.skipped :] if listed.of else ()
    return asked.answer("revenue/behind.html", replace(listed, items=behind))


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
    days = {"start_date": first and date_text(first), "end_date": last and date_text(last)}
    table = asked.csv("at-risk", **days)
    title = f"Unpaid, {AGE_NAMES[age].lower()}" if age in AGES else AGE_NAMES[age] if age else "Unpaid invoices"
    listed = _listed(title, found, "amount_due", "invoices", table)
    if age == GIVEN_UP and listed.of:
        of = listed.of
        listed = replace(listed, total=of.uncollectible, count=of.given_up_invoices, items=of.given_up)
    return asked.answer("revenue/invoices.html", replace(listed, items=listed.items[asked.skipped :]), age=age)


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

    @property
    def piece(self) -> dict[str, Any]:
        """Which currency and which of its parts, as every list takes it."""
        return {"currency": self.currency, "limit": PAGE_SIZE, "skip": self.skipped}

    def csv(self, name: str, **more: Any) -> str:
        """The API's table of the same, whole."""
        return csv(self.window, self.currency, name, **more)

    def one_of(self, name: str, known: tuple[str, ...]) -> str | None:
        """A parameter that is one of a few texts; a sentence where it is none."""
        sent = self.args.get(name)
        if sent and sent not in known:
            self.errors[name] = f"{name} is one of {', '.join(known)}, or left out."
            return None
        return choice(name, sent, known)

    def answer(self, template: str, found: Listed, **more: Any) -> Response:
        """The page."""
        behind = [key for item in found.items if (key := getattr(item, "subscription", None)) is not None]
        html = render_template(
            template,
            plans=services().store.subscriptions.plan_names(behind),
            bar=window_bar(self.window, self.args, self.now),
            found=found,
            names=found.names,
            most=MOST_ITEMS,
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
