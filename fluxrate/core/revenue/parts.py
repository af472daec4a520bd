"""What usage revenue and the revenue forecast are made of: billing periods, each of one subscription.

As in `behind`: sums and counts are over everything, the items over as many as are asked for; all of them add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from fluxrate.core.engine import Engine
from fluxrate.core.revenue import ahead, used
from fluxrate.core.revenue.ahead import Ahead
from fluxrate.core.revenue.book import Book, Period

BILLING_PERIODS = ("current", "next")
AMOUNTS = ("total", "fixed", "usage", "certain")
"""What a billing period is expected to come to, each of which is a figure of the forecast."""

_OF = {"total": (1, 1, 0), "fixed": (1, 0, 0), "usage": (0, 1, 0), "certain": (0, 0, 1)}
"""How many times fixed charges, usage and what is certain are in each of them."""

# There are as many periods as twice all subscriptions, of which few are shown: plain ones, in the order they sort in.
_Billed = list[int]
"""Less the amount, end, subscription, customer, start."""
_Expected = tuple[int, int, int, int, str, int, int, int, int]
"""Less the amount that is sorted by, end, subscription, customer, current or next, start, fixed, usage, certain."""


@dataclass(frozen=True, slots=True)
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
    book: Book,
    engine: Engine,
    window: Period,
    now: int,
    currency: str | None = None,
    *,
    limit: int,
    skip: int = 0,
    as_of: int | None = None,
) -> tuple[list[BilledPeriods], int]:
    """What usage revenue over the window is made of, and the sequence that is covered; the items are those after the
    first `skip` ones.
    """
    rows, covered = used.ended(book, engine, window[0], min(window[1], now), currency, as_of)
    found: dict[str, list[_Billed]] = {}
    for entry, (start, end), first, cost in rows:
        who = entry.subscription
        mine = found.setdefault(who.currency, [])
        if first:
            mine.append([-cost, end, who.pk, who.customer_pk, start])
        else:
            mine[-1][0] -= cost
    return [_billed(code, periods, limit, skip) for code, periods in sorted(found.items())], covered


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
    as_of: int | None = None,
) -> tuple[list[ExpectedPeriods], int]:
    """What the forecast is made of, and the sequence that is covered; only of periods that end within `ends`, if given.

    The items are those after the first `skip` ones, in order of the amount `by`, of one `billing_period` if given.
    """
    stands, costs, covered = ahead.standings(book, engine, now, currency, as_of)
    sums: dict[str, Ahead] = {}
    found: dict[str, list[_Expected]] = {}
    of_fixed, of_usage, of_certain = _OF[by]
    rows = zip(stands, costs.expected, costs.certain, costs.later, strict=True)
    for (entry, standing), usage, used_, later in rows:
        if standing.open is None and not standing.others:
            continue
        who = entry.subscription
        into, mine = ahead.of_currency(sums, who.currency), found.setdefault(who.currency, [])
        fixed, monthly = (0, 0) if standing.open is None else book.worth(standing.state)
        into.mrr += monthly
        periods = [("current", into.current, standing.period, usage, used_)]
        if standing.open is not None:
            periods.append(("next", into.next, standing.following, later, 0))
        for name, sum_, (start, end), expects, has in periods:
            if ahead.within((start, end), ends):
                sum_.count(fixed, expects, has)
                if billing_period in (None, name):
                    amount = of_fixed * fixed + of_usage * expects + of_certain * (fixed + has)
                    mine.append((-amount, end, who.pk, who.customer_pk, name, start, fixed, expects, fixed + has))
    return [_expected(sums[code], mine, limit, skip) for code, mine in sorted(found.items())], covered


def _billed(code: str, periods: Sequence[_Billed], limit: int, skip: int) -> BilledPeriods:
    items = tuple(
        BilledPeriod(subscription, customer, start, end, -minus)
        for minus, end, subscription, customer, start in nsmallest(skip + limit, periods)[skip:]
    )
    return BilledPeriods(code, -sum(one[0] for one in periods), len(periods), items)


def _expected(found: Ahead, periods: Sequence[_Expected], limit: int, skip: int) -> ExpectedPeriods:
    items = tuple(
        ExpectedPeriod(subscription, customer, name, start, end, *amounts)
        for _, end, subscription, customer, name, start, *amounts in nsmallest(skip + limit, periods)[skip:]
    )
    return ExpectedPeriods(found, len(periods), items)
