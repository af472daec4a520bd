"""Usage revenue: what the usage of billing periods costs, of one subscription in lines, of all over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluxrate.core.engine import Engine
from fluxrate.core.revenue.book import Book, Entry, Period
from fluxrate.core.revenue.columns import Ended, Shares, currency_of, first_of_each
from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.periods import Periods
from fluxrate.core.revenue.pricing import FITS, Values, most
from fluxrate.core.revenue.usage import FindMeter, Parts, Priced, costs, metered, parts_of, priced, tariffs


@dataclass(frozen=True, slots=True)
class SubscriptionUsage:
    """One billing period of one subscription: its USAGE charges priced, and what they come to in minor units.

    `until` is where the usage ends: now in a period that runs, else the period's end.
    """

    subscription: Subscription
    start: int
    end: int
    until: int
    charges: tuple[Priced, ...]
    total: int
    as_of: int


@dataclass(frozen=True, slots=True)
class UsageBucket:
    """The periods that ended in a bucket, and what their usage cost in minor units."""

    label: str
    amount: int
    periods: int


@dataclass(frozen=True, slots=True)
class UsageRevenue:
    """One currency: what the usage of the periods cost that ended within the window."""

    currency: str
    amount: int
    buckets: tuple[UsageBucket, ...]


def of_subscription(
    engine: Engine,
    meter: FindMeter,
    plans: Mapping[int, Plan],
    subscription: Subscription,
    history: Sequence[State],
    at: int,
    now: int,
    as_of: int | None = None,
) -> SubscriptionUsage:
    """The period that holds the instant `at`, by the plan of that instant; usage until `now` at most."""
    start, end = Periods(subscription, history, plans).at(at)
    until = max(start, min(end, now))
    parts = parts_of(subscription.customer_pk, history, start, until)
    charges = {part.plan: metered(plans[part.plan], tariffs(plans[part.plan]), engine, meter) for part in parts}
    covered = engine.as_of() if as_of is None else as_of
    lines = tuple(
        line for part in parts for line in priced(engine, part, plans[part.plan], charges[part.plan], covered)
    )
    return SubscriptionUsage(subscription, start, end, until, lines, sum(line.amount for line in lines), covered)


@dataclass(frozen=True, slots=True, eq=False)
class _Costs:
    """The periods that ended, and by period (its place) and plan what its usage cost; `first` says that a row is the
    first of its period.
    """

    ended: Ended
    period: Values
    first: Values
    cost: Values
    as_of: int


def over_time(
    book: Book,
    engine: Engine,
    edges: Sequence[int],
    labels: Sequence[str],
    now: int,
    currency: str | None = None,
    as_of: int | None = None,
) -> tuple[list[UsageRevenue], int]:
    """The usage of the periods that ended in the buckets `[edges[i], edges[i + 1])`, one that ends at an edge in the
    bucket before it; and the sequence that is covered.
    """
    costs_ = _costs(book, engine, edges[0], min(edges[-1], now), currency, as_of)
    codes = book.columns.currencies(costs_.ended.keys)[costs_.period]
    bucket = (np.searchsorted(edges, costs_.ended.ends, "left") - 1)[costs_.period]
    found = []
    for code in np.unique(codes).tolist():
        mine = codes == code
        cost, place = costs_.cost[mine], bucket[mine]
        wide = cost.dtype != object and most(cost) * len(cost) >= FITS
        amounts: Values = np.zeros(len(labels), object if wide else cost.dtype)
        np.add.at(amounts, place, cost)
        # A period that two plans share is one period.
        counts = np.bincount(place[costs_.first[mine]], minlength=len(labels))
        found.append(_currency(currency_of(code), amounts.tolist(), counts.tolist(), labels))
    return found, costs_.as_of


def ended(
    book: Book, engine: Engine, since: int, until: int, currency: str | None = None, as_of: int | None = None
) -> tuple[list[tuple[Entry, Period, bool, int]], int]:
    """What the usage cost of the periods that ended after `since` and by `until`; and the sequence that is covered. A
    row for each plan that has a share in a period, of which the first says so: two plans' period is one period.
    """
    costs_ = _costs(book, engine, since, until, currency, as_of)
    of = costs_.ended
    rows = (each[costs_.period].tolist() for each in (of.keys, of.starts, of.ends))
    found = [
        (book.by_key[key], (start, end), first, cost)
        for key, start, end, first, cost in zip(*rows, costs_.first.tolist(), costs_.cost.tolist(), strict=True)
    ]
    return found, costs_.as_of


def _costs(book: Book, engine: Engine, since: int, until: int, currency: str | None, as_of: int | None) -> _Costs:
    columns = book.columns
    keys = columns.on([plan for plan, charges in book.metered.items() if charges], currency)
    of = columns.ended(keys, since, until, book.by_key)
    shares = columns.shares(of)
    order = _by_plan(shares, len(of.keys))
    period, plan = shares.period[order], shares.plan[order]
    new = first_of_each(period, plan)
    customers = columns.customers(of.keys)[period]
    rows = np.column_stack((np.cumsum(new) - 1, customers, shares.starts[order], shares.ends[order]))
    parts, period = Parts(plan[new], rows), period[new]
    covered = engine.as_of() if as_of is None else as_of
    return _Costs(of, period, first_of_each(period), costs(engine, parts, book.metered, covered), covered)


def _by_plan(shares: Shares, periods: int) -> Values:
    """The order of the shares in which those of one period and plan stand together, in order of time."""
    order: Values = np.arange(len(shares.period))
    # Two of one plan stand together anyway.
    many = np.flatnonzero((np.bincount(shares.period, minlength=periods) > 2)[shares.period])
    order[many] = many[np.lexsort((shares.plan[many], shares.period[many]))]
    return order


def _currency(code: str, amounts: Sequence[int], counts: Sequence[int], labels: Sequence[str]) -> UsageRevenue:
    buckets = tuple(UsageBucket(*each) for each in zip(labels, amounts, counts, strict=True))
    return UsageRevenue(code, sum(amounts), buckets)
