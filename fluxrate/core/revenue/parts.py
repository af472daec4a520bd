"""What usage revenue and the revenue forecast are made of: billing periods, each of one subscription.

As in `behind`: sums and counts are over everything, the items over as many as are asked for; all of them add up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest

from fluxrate.core.engine import Engine
from fluxrate.core.revenue import ahead, used
from fluxrate.core.revenue.ahead import Ahead
from fluxrate.core.revenue.book import Book, Entry, Period

BILLING_PERIODS = ("current", "next")
AMOUNTS = ("total", "fixed", "usage", "certain")
"""What a billing period is expected to come to, each of which is a figure of the forecast."""


@dataclass(slots=True)
class BilledPeriod:
    """A billing period `[start, end)` that is over, and what its usage cost in minor units."""

    subscription: int
    customer: int
    start: int
    end: int
    amount: int


@dataclass(frozen=True, slots=True)
class BilledPeriods:
    """The periods of one currency that ended within a window, those that cost most first."""

    currency: str
    amount: int
    billing_periods: int
    items: tuple[BilledPeriod, ...]


@dataclass(frozen=True, slots=True)
class ExpectedPeriod:
    """What one billing period of a subscription is expected to come to, in minor units; `billing_period` says whether
    it is the current one or the next.
    """

    subscription: int
    customer: int
    billing_period: str
    start: int
    end: int
    fixed: int
    usage: int
    certain: int

    @property
    def total(self) -> int:
        """Fixed charges and expected usage."""
        return self.fixed + self.usage


@dataclass(frozen=True, slots=True)
class ExpectedPeriods:
    """The billing periods that a currency's forecast is the sum of, those that come to most first; `count` is how many
    of them were asked for.
    """

    ahead: Ahead
    count: int
    items: tuple[ExpectedPeriod, ...]

    @property
    def currency(self) -> str:
        """Of all of it."""
        return self.ahead.currency


def billed(
    book: Book, engine: Engine, window: Period, now: int, currency: str | None = None, *, limit: int, skip: int = 0
) -> tuple[list[BilledPeriods], int]:
    """What usage revenue over the window is made of, and the sequence that is covered; the items are those after the
    first `skip` ones.
    """
    rows, as_of = used.ended(book, engine, window[0], min(window[1], now), currency)
    found: dict[str, list[BilledPeriod]] = {}
    for entry, (start, end), first, cost in rows:
        mine = found.setdefault(entry.subscription.currency, [])
        if first:
            mine.append(BilledPeriod(entry.subscription.pk, entry.subscription.customer_pk, start, end, 0))
        mine[-1].amount += cost
    return [_billed(code, periods, limit, skip) for code, periods in sorted(found.items())], as_of


def expected(
    book: Book,
    engine: Engine,
    now: int,
    *,
    currency: str | None = None,
    ends: Period | None = None,
    billing_period: str | None = None,
    by: str = "total",
    limit: int,
    skip: int = 0,
) -> tuple[list[ExpectedPeriods], int]:
    """What the forecast is made of, and the sequence that is covered; only of periods that end within `ends`, if given.

    The items are those after the first `skip` ones, in order of the amount `by`, of one `billing_period` if given.
    """
    stands, costs, as_of = ahead.standings(book, engine, now, currency)
    sums: dict[str, Ahead] = {}
    found: dict[str, list[ExpectedPeriod]] = {}
    rows = zip(stands, costs.expected, costs.certain, costs.later, strict=True)
    for (entry, standing), usage, certain, later in rows:
        if standing.open is None and not standing.others:
            continue
        code = entry.subscription.currency
        into, mine = sums.setdefault(code, Ahead(code)), found.setdefault(code, [])
        fixed, monthly = (0, 0) if standing.open is None else book.worth(standing.state)
        into.mrr += monthly
        if ahead.within(standing.period, ends):
            into.current.count(fixed, usage, certain)
            mine.append(_period(entry, "current", standing.period, fixed, usage, certain))
        if standing.open is not None and ahead.within(standing.following, ends):
            into.next.count(fixed, later, 0)
            mine.append(_period(entry, "next", standing.following, fixed, later, 0))
    return [
        _expected(sums[code], (item for item in mine if billing_period in (None, item.billing_period)), by, limit, skip)
        for code, mine in sorted(found.items())
    ], as_of


def _billed(code: str, periods: list[BilledPeriod], limit: int, skip: int) -> BilledPeriods:
    first = nsmallest(skip + limit, periods, key=lambda one: (-one.amount, one.end, one.subscription))
    return BilledPeriods(code, sum(one.amount for one in periods), len(periods), tuple(first[skip:]))


def _expected(found: Ahead, items: Iterable[ExpectedPeriod], by: str, limit: int, skip: int) -> ExpectedPeriods:
    periods = list(items)
    first = nsmallest(skip + limit, periods, key=lambda one: (-getattr(one, by), one.end, one.subscription))
    return ExpectedPeriods(found, len(periods), tuple(first[skip:]))


def _period(entry: Entry, name: str, period: Period, fixed: int, usage: int, used_: int) -> ExpectedPeriod:
    who = entry.subscription
    return ExpectedPeriod(who.pk, who.customer_pk, name, *period, fixed, usage, fixed + used_)
