"""Monthly recurring revenue: what the subscriptions of one currency bring in a month, over time, and what moved it.

A subscription that is ACTIVE or PAST_DUE carries the ACTIVE FIXED charges of its plan, times its quantity, less its
discount, normalised to a month (a year is 12 months, 52 weeks or 365 days), as an exact fraction, rounded half-even to
the minor unit once. Every figure is a sum of these integers, so movements reconcile to the last cent
with no rest to hide.

A point stands at the end of each bucket and includes what happened before that instant. A movement is what one change
of one subscription did to its MRR; contraction and churn are negative, so that the five of a bucket add up to its
MRR less that of the bucket before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.amounts import divide
from fluxrate.core.answers import Bucket
from fluxrate.core.model import Number
from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import WHOLE_DISCOUNT, Plan

CARRYING = ("ACTIVE", "PAST_DUE")
"""The statuses whose subscriptions carry MRR and count as active."""
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation")
RATE_PLACES = 6

# How many of its interval are in a month.
_A_MONTH = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12), "day": Fraction(365, 12)}
_FITS = 2**62

Values = NDArray[Any]


class Step(NamedTuple):
    """From the instant `at` on a subscription carries `mrr` minor units a month, and is active or not."""

    subscription: int
    customer: int
    at: int
    mrr: int
    active: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The end of a bucket `[start, end)`: MRR and active subscriptions there, and the movements within the bucket."""

    label: str
    start: int
    end: int
    mrr: int
    active_subscriptions: int
    movements: tuple[int, ...]
    """In the order of MOVEMENTS."""


@dataclass(frozen=True, slots=True)
class Mrr:
    """One currency over a window. Amounts in minor units; rates to six places, None where nothing was there before.

    What begins with `opening` is of the window's start. `lost_subscriptions` were active there and are not at the end;
    `retained_mrr` is what the subscriptions that carried MRR at the start carry at the end.
    """

    currency: str
    points: tuple[Point, ...]
    opening_mrr: int
    opening_subscriptions: int
    opening_customers: int
    mrr: int
    active_subscriptions: int
    active_customers: int
    lost_subscriptions: int
    retained_mrr: int

    @property
    def buckets(self) -> list[Bucket]:
        """The points as a chart takes them: MRR in the currency's own unit in the place of usage."""
        return [
            Bucket(
                point.start, point.end, point.label, money.amount(point.mrr, self.currency), point.active_subscriptions
            )
            for point in self.points
        ]

    @property
    def arr(self) -> int:
        """Twelve months of the MRR at the end."""
        return 12 * self.mrr

    @property
    def arpa(self) -> int | None:
        """MRR for each customer with an active subscription, to the nearest minor unit; None without any."""
        return mean(self.mrr, self.active_customers)

    @property
    def opening_arpa(self) -> int | None:
        """The same at the window's start."""
        return mean(self.opening_mrr, self.opening_customers)

    @property
    def churn_rate(self) -> Number | None:
        """The share of the subscriptions active at the start that are not at the end."""
        return share(self.lost_subscriptions, self.opening_subscriptions)

    @property
    def net_revenue_retention(self) -> Number | None:
        """What the subscriptions that carried MRR at the start carry at the end, over what they carried."""
        return share(self.retained_mrr, self.opening_mrr)


def of_plan(plan: Plan) -> Fraction:
    """What one unit of the plan is worth in a month, in minor units, exactly."""
    amounts = (
        charge.amount or 0 for charge in plan.charges if (charge.charge_type, charge.status) == ("FIXED", "ACTIVE")
    )
    return sum(amounts) * _A_MONTH[plan.billing_interval] / plan.interval_count


def of_subscription(monthly: Fraction, quantity: int, discount: int) -> int:
    """What a subscription carries: the plan's month times the quantity, less the discount, rounded once."""
    return money.nearest(monthly * quantity * (WHOLE_DISCOUNT - discount) / WHOLE_DISCOUNT)


def steps_of(
    rows: Sequence[tuple[int, int, str, int, int, int]], plans: Mapping[int, Plan], customers: Mapping[int, int]
) -> dict[str, list[Step]]:
    """The steps of each currency, from states (subscription, instant, status, plan, quantity, discount) in order."""
    worth = {pk: of_plan(plan) for pk, plan in plans.items()}
    into: dict[str, list[Step]] = {plan.currency: [] for plan in plans.values()}
    place = {pk: into[plan.currency] for pk, plan in plans.items()}
    known: dict[tuple[int, int, int], int] = {}
    for subscription, at, status, plan, quantity, discount in rows:
        active = status in CARRYING
        carried = 0
        if active:
            terms = (plan, quantity, discount)
            found = known.get(terms)
            if found is None:
                found = known[terms] = of_subscription(worth[plan], quantity, discount)
            carried = found
        place[plan].append(Step(subscription, customers[subscription], at, carried, active))
    return {currency: steps for currency, steps in sorted(into.items()) if steps}


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The steps of one currency as columns, in order of subscription and instant, one a subscription and instant."""

    currency: str
    subscription: Values
    customer: Values
    at: Values
    mrr: Values
    active: Values
    """0 or 1."""
    first: Values
    """Whether the step is the first of its subscription."""

    @property
    def last(self) -> Values:
        """Whether the step is the last of its subscription."""
        return np.concatenate([self.first[1:], [True]])


def arranged(currency: str, steps: Sequence[Step]) -> Steps:
    """The steps of one currency; of two of one subscription and instant the later one in the sequence counts."""
    return extended(None, currency, steps)


def extended(known: Steps | None, currency: str, steps: Sequence[Step]) -> Steps:
    """The steps of one currency that were known, and further ones, which come after them in the sequence."""
    if not steps and known is not None:
        return known
    columns = _columns(steps)
    if known is not None:
        before = (known.subscription, known.customer, known.at, known.mrr, known.active)
        columns = [np.concatenate(each) for each in zip(before, columns, strict=True)]
        if columns[3].dtype == np.int64 and (int(columns[3].max()) or 1) * len(columns[3]) >= _FITS:
            columns[3] = columns[3].astype(object)
    order = np.lexsort((np.arange(len(columns[0])), columns[2], columns[0]))
    key, when = columns[0][order], columns[2][order]
    kept = order[np.concatenate([(key[1:] != key[:-1]) | (when[1:] != when[:-1]), [True]])]
    key = columns[0][kept]
    first = np.concatenate([[True], key[1:] != key[:-1]])
    customers, when, carries, actives = (column[kept] for column in columns[1:])
    return Steps(currency, key, customers, when, carries, actives, first)


def _columns(steps: Sequence[Step]) -> list[Values]:
    subscription, customer, at, carried, active = zip(*steps, strict=True)
    # Sums of large amounts need not fit 64 bits: Python's own integers do, slower.
    wide = (max(carried) or 1) * len(steps) >= _FITS
    columns = [np.array(column, np.int64) for column in (subscription, customer, at)]
    return [*columns, np.array(carried, object if wide else np.int64), np.array(active, np.int64)]


def measure(steps: Steps, edges: Sequence[int], labels: Sequence[str]) -> Mrr:
    """The MRR of one currency in the buckets `[edges[i], edges[i + 1])`."""
    bucket = np.searchsorted(np.asarray(edges, np.int64), steps.at, "right") - 1
    count = len(labels)
    early = bucket < 0
    change = steps.mrr - before(steps, steps.mrr)
    turned = steps.active - before(steps, steps.active)
    moved = [_by_bucket(np.where(kind, change, 0), bucket, count) for kind in kinds(steps)]
    opening = int(change[early].sum())
    carried = (opening + np.cumsum(sum(moved))).tolist()
    actives = (turned[early].sum() + np.cumsum(_by_bucket(turned, bucket, count))).tolist()
    movements = zip(*(each.tolist() for each in moved), strict=True)
    at_start, at_end = standing(steps, early), standing(steps, bucket < count)
    return Mrr(
        steps.currency,
        tuple(Point(*point) for point in zip(labels, edges[:-1], edges[1:], carried, actives, movements, strict=True)),
        opening,
        int(turned[early].sum()),
        _customers(steps, at_start),
        carried[-1],
        actives[-1],
        _customers(steps, at_end),
        *_retained(steps, at_start, at_end),
    )


def at_instant(steps: Steps, instant: int) -> dict[int, int]:
    """What each subscription carries at the instant, by its key; those that carry nothing are left out."""
    found = standing(steps, steps.at <= instant) & (steps.mrr > 0)
    return dict(zip(steps.subscription[found].tolist(), steps.mrr[found].tolist(), strict=True))


def before(steps: Steps, values: Values) -> Values:
    """The value of the step before within the subscription, 0 at its first."""
    return np.where(steps.first, 0, np.concatenate([[0], values[:-1]]))


def standing(steps: Steps, seen: Values) -> Values:
    """The step in force of each subscription, where only those `seen` have happened; a subscription's are in order."""
    follows = np.concatenate([seen[1:], [False]]) & ~steps.last
    return seen & ~follows


def became(steps: Steps, at_start: Values, at_end: Values) -> tuple[Values, Values]:
    """The places of the steps in force at one moment, and for each that of its subscription at a later one."""
    was, ends = np.flatnonzero(at_start), np.flatnonzero(at_end)
    # Whatever stood at the start stands at the end too, as one step or another, and both are in order.
    return was, ends[np.searchsorted(steps.subscription[ends], steps.subscription[was])]


def kinds(steps: Steps) -> tuple[Values, ...]:
    """Which steps are which movement, in the order of MOVEMENTS."""
    was = before(steps, steps.mrr)
    paying, paid = steps.mrr > 0, was > 0
    # How often something was carried until here, less how often until the subscription's first step.
    until = np.cumsum(paying.astype(np.int64)) - paying
    starts = np.flatnonzero(steps.first)
    ever = until > np.repeat(until[starts], np.diff([*starts.tolist(), len(until)]))
    return (
        paying & ~paid & ~ever,
        paid & (steps.mrr > was),
        paying & (steps.mrr < was),
        paid & ~paying,
        paying & ~paid & ever,
    )


def mean(amount: int, count: int) -> int | None:
    """What an amount is for each, to the nearest minor unit, a tie to the even one; None for each of none."""
    return money.nearest(Fraction(amount, count)) if count else None


def share(part: int, whole: int) -> Number | None:
    """The part over the whole, to RATE_PLACES places; None of nothing."""
    return divide(part, whole, 0, RATE_PLACES) if whole else None


def _customers(steps: Steps, at: Values) -> int:
    """How many customers have an active subscription, by the step in force of each subscription."""
    return len(np.unique(steps.customer[at & (steps.active > 0)]))


def _retained(steps: Steps, at_start: Values, at_end: Values) -> tuple[int, int]:
    """The subscriptions lost between two moments, and the MRR kept of those that carried some."""
    was, then = became(steps, at_start, at_end)
    kept = steps.mrr[then][steps.mrr[was] > 0].sum()
    lost = ((steps.active[was] > 0) & (steps.active[then] == 0)).sum()
    return int(lost), int(kept)


def _by_bucket(values: Values, bucket: Values, count: int) -> Values:
    """The sum of the values in each bucket; what lies outside is left out. (`bincount` would add floats.)"""
    sums = np.zeros(count, values.dtype)
    inside = (bucket >= 0) & (bucket < count)
    np.add.at(sums, bucket[inside], values[inside])
    return sums
