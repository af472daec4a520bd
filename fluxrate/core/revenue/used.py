"""Usage revenue: what the usage of billing periods costs, of one subscription in lines, of all over time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fluxrate.core.engine import Engine
from fluxrate.core.revenue.book import Book, Entry, Period
from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.periods import Periods
from fluxrate.core.revenue.usage import FindMeter, Part, Priced, costs, metered, parts_of, parts_within, priced, tariffs


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


def over_time(
    book: Book, engine: Engine, edges: Sequence[int], labels: Sequence[str], now: int, currency: str | None = None
) -> tuple[list[UsageRevenue], int]:
    """The usage of the periods that ended in the buckets `[edges[i], edges[i + 1])`, one that ends at an edge in the
    bucket before it; and the sequence that is covered.
    """
    rows, as_of = ended(book, engine, edges[0], min(edges[-1], now), currency)
    sums: dict[str, list[list[int]]] = {}
    for entry, (_, end), first, cost in rows:
        bucket = sums.setdefault(entry.subscription.currency, [[0, 0] for _ in labels])[bisect_left(edges, end) - 1]
        bucket[0] += cost
        bucket[1] += first
    return [_currency(code, each, labels) for code, each in sorted(sums.items())], as_of


def ended(
    book: Book, engine: Engine, since: int, until: int, currency: str | None = None
) -> tuple[list[tuple[Entry, Period, bool, int]], int]:
    """What the usage cost of the periods that ended after `since` and by `until`; and the sequence that is covered. A
    row for each plan that has a share in a period, of which the first says so: two plans' period is one period.
    """
    places: list[tuple[Entry, Period, bool]] = []
    parts: list[Part] = []
    for entry in book.entries:
        if currency in (None, entry.subscription.currency) and any(book.metered[each.plan] for each in entry.billed):
            customer = entry.subscription.customer_pk
            for period in entry.ended(since, until):
                for place, part in enumerate(parts_within(customer, entry.billed, *period)):
                    parts.append(part)
                    places.append((entry, period, not place))
    as_of = engine.as_of()
    found = costs(engine, parts, book.metered, as_of)
    return [(*place, cost) for place, cost in zip(places, found, strict=True)], as_of


def _currency(code: str, sums: Sequence[Sequence[int]], labels: Sequence[str]) -> UsageRevenue:
    buckets = tuple(UsageBucket(label, *each) for label, each in zip(labels, sums, strict=True))
    return UsageRevenue(code, sum(each.amount for each in buckets), buckets)
