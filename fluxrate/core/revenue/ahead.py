"""Revenue ahead: what the current and the next billing periods will come to, and how much of that is certain already.

Of each subscription that is ACTIVE or PAST_DUE now, a period is its fixed charges (as they are now, a whole period of
them) and its expected usage, priced through tiers. Expected usage is what was used in the period so far and, for the
time that is left of it (or the whole of the next one), the rate of the last REACH: usage of its customer from then, or
from the start of the subscription, until now. That is cheap enough for every subscription at once, and four whole
weeks have every weekday alike often. A meter whose parts do not add up is expected to come to what it came to in these
weeks, or so far if that is more. Changes to come (new subscriptions, cancellations) are not foretold.

Certain are the fixed charges, and of the current period what its usage so far costs by itself; of volume tiers, whose
price may fall as usage grows, no more than what is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fluxrate.core.engine import Engine
from fluxrate.core.revenue.book import Book, Entry, Period, Standing
from fluxrate.core.revenue.pricing import Values
from fluxrate.core.revenue.usage import Metered, Part, Parts, Spans, costs, quantities, spans_of
from fluxrate.core.zones import DAY, SECOND

REACH = 28 * DAY
_FITS = 2**62
_LEAST = DAY
"""A rate is taken over a day at least: the first event of a new customer is no measure of a month."""


@dataclass(slots=True)
class Expected:
    """What billing periods come to, in minor units: `used` of the usage has happened."""

    subscriptions: int = 0
    fixed: int = 0
    usage: int = 0
    used: int = 0

    def count(self, fixed: int, usage: int, used: int) -> None:
        """Add a subscription's period."""
        self.subscriptions += 1
        self.fixed += fixed
        self.usage += usage
        self.used += used

    @property
    def total(self) -> int:
        """Fixed charges and expected usage."""
        return self.fixed + self.usage

    @property
    def certain(self) -> int:
        """What of the total will come whatever happens."""
        return self.fixed + self.used


@dataclass(slots=True)
class Ahead:
    """One currency, with the MRR that it carries now beside what its periods come to."""

    currency: str
    mrr: int = 0
    current: Expected = field(default_factory=Expected)
    next: Expected = field(default_factory=Expected)


class _Going:
    """The subscriptions on one plan that will be billed on, as columns; `places` are those of their costs."""

    def __init__(self, stands: Sequence[tuple[int, Entry, Standing]], now: int) -> None:
        self.places = [place for place, _, _ in stands]
        rows = [
            (entry.subscription.customer_pk, found.open or now, entry.subscription.start, found.period[1],
             found.following[1] - found.following[0])
            for _, entry, found in stands
        ]  # fmt: skip
        self.customer, self.open, start, end, self.whole = np.array(rows, np.int64).T
        self.since = np.maximum(now - REACH, start)
        self.length = np.maximum(now - self.since, _LEAST)
        self.left = end - now
        self._stands = stands
        self._now = now

    def so_far(self, *, adds: bool) -> Spans:
        """The time of the period that runs that has passed and was billed under this plan."""
        now = self._now
        if not any(found.spans for _, _, found in self._stands):
            return Spans(_rows(self.customer, self.open, now), len(self.places))
        spans = (
            Part(entry.subscription.customer_pk, found.state.plan_pk, (*found.spans, (found.open or now, now)))
            for _, entry, found in self._stands
        )
        return spans_of(list(spans), adds=adds)

    def lately(self) -> Spans:
        """The time that the rate of usage is taken from."""
        return Spans(_rows(self.customer, self.since, self._now), len(self.places))


def _rows(customers: Values, starts: Values, end: int) -> Values:
    """The rows of Spans with one for each owner."""
    return np.column_stack((np.arange(len(customers)), customers, starts, np.full(len(customers), end)))


def ahead(
    book: Book,
    engine: Engine,
    now: int,
    *,
    currency: str | None = None,
    ends: Period | None = None,
    as_of: int | None = None,
) -> tuple[list[Ahead], int]:
    """What lies ahead in each currency, and the sequence it covers; only of periods whose last instant is within
    `ends`, if given.
    """
    stands, found, covered = standings(book, engine, now, currency, as_of)
    return _summed(book, stands, found, ends), covered


def standings(
    book: Book, engine: Engine, now: int, currency: str | None = None, as_of: int | None = None
) -> tuple[list[tuple[Entry, Standing]], Costs, int]:
    """Every subscription that has begun as it stands, what its usage costs, and the sequence that is covered."""
    entries = [entry for entry in book.entries if currency in (None, entry.subscription.currency)]
    stands = [(entry, found) for entry in entries if (found := entry.standing(now)) is not None]
    covered = engine.as_of() if as_of is None else as_of
    into = Costs(len(stands))
    _over(book, engine, stands, into, covered)
    plans: dict[int, list[tuple[int, Entry, Standing]]] = {}
    for place, (entry, standing) in enumerate(stands):
        if standing.open is not None:
            plans.setdefault(standing.state.plan_pk, []).append((place, entry, standing))
    for plan, mine in plans.items():
        if book.metered[plan]:
            going = _Going(mine, now)
            for each in book.metered[plan]:
                _expect(engine, each, going, into, covered)
    return stands, into, covered


def _summed(book: Book, stands: Sequence[tuple[Entry, Standing]], costs_: Costs, ends: Period | None) -> list[Ahead]:
    sums: dict[str, Ahead] = {}
    rows = zip(stands, costs_.expected, costs_.certain, costs_.later, strict=True)
    for (entry, found), expected, certain, later in rows:
        if found.open is None and not found.others:
            continue
        into = of_currency(sums, entry.subscription.currency)
        fixed, monthly = (0, 0) if found.open is None else book.worth(found.state)
        into.mrr += monthly
        if within(found.period, ends):
            into.current.count(fixed, expected, certain)
        if found.open is not None and within(found.following, ends):
            into.next.count(fixed, later, 0)
    return [sums[code] for code in sorted(sums)]


def of_currency(sums: dict[str, Ahead], code: str) -> Ahead:
    """The sums of a currency, begun where there are none yet."""
    # Asked for each subscription: `setdefault` would begin new ones for each.
    found = sums.get(code)
    if found is None:
        found = sums[code] = Ahead(code)
    return found


class Costs:
    """For each subscription what its usage will cost and has cost in this period, and will cost in the next."""

    def __init__(self, count: int) -> None:
        self.expected = [0] * count
        self.certain = [0] * count
        self.later = [0] * count


def _over(book: Book, engine: Engine, stands: Sequence[tuple[Entry, Standing]], into: Costs, as_of: int) -> None:
    """What is over in the periods that run costs what it costs."""
    parts = [(place, part) for place, (_, found) in enumerate(stands) for part in found.others]
    found = costs(engine, Parts.of([part for _, part in parts]), book.metered, as_of).tolist()
    for (place, _), cost in zip(parts, found, strict=True):
        into.expected[place] += cost
        into.certain[place] += cost


def _expect(engine: Engine, each: Metered, going: _Going, into: Costs, as_of: int) -> None:
    """Add what one charge of a plan is expected to come to for each subscription on it."""
    used = quantities(engine, each, going.so_far(adds=each.adds), as_of)
    lately = quantities(engine, each, going.lately(), as_of)
    if each.adds:
        expected, later = used + _share(lately, going.left, going.length), _share(lately, going.whole, going.length)
    else:
        expected, later = np.maximum(used, lately), lately
    prices = [each.tariff.prices(values, each.places).tolist() for values in (expected, used, later)]
    for place, ahead_, so_far, following in zip(going.places, *prices, strict=True):
        into.expected[place] += ahead_
        into.certain[place] += min(ahead_, so_far)
        into.later[place] += following


def _share(values: Values, parts: Values, wholes: Values) -> Values:
    """`values * part / whole` by seconds of time, to the nearest at the last place of the values."""
    part, whole = parts // SECOND, wholes // SECOND
    wide = int(values.max(initial=0)) * int(part.max(initial=0)) >= _FITS
    found: Values = ((values.astype(object) if wide else values) * part + whole // 2) // whole
    return found


def within(period: Period, ends: Period | None) -> bool:
    """Whether the period's last instant lies within the window."""
    return ends is None or ends[0] < period[1] <= ends[1]
