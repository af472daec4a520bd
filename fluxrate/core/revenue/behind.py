"""What the figures of MRR are made of: the changes behind a movement, the subscriptions behind a point, the customers
behind ARPA, and the subscriptions behind churn and retention.

Sums and counts are over everything, the items over as many as are asked for; with all of them they add up to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluxrate.core.model import Number
from fluxrate.core.revenue.mrr import MOVEMENTS, Step, Steps, Values, became, before, kinds, mean, share, standing

MOST_ITEMS = 10_000
"""Items of a list of one currency that may be asked for at once."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one change of a subscription did to its MRR; `kind` is one of MOVEMENTS."""

    subscription: int
    customer: int
    at: int
    kind: str
    before: int
    mrr: int

    @property
    def amount(self) -> int:
        """By how much; negative in a contraction and a churn."""
        return self.mrr - self.before


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one currency within a window, the first ones first; `amount` is what all of them come to."""

    currency: str
    amount: int
    count: int
    items: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """The subscriptions of one currency that are active just before an instant, those that carry most first."""

    currency: str
    mrr: int
    active_subscriptions: int
    items: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Payer:
    """A customer with active subscriptions: what they carry together, and how many there are."""

    customer: int
    mrr: int
    active_subscriptions: int


@dataclass(frozen=True, slots=True)
class Payers:
    """The customers of one currency with a subscription that is active just before an instant, those that carry most
    first.
    """

    currency: str
    mrr: int
    active_customers: int
    items: tuple[Payer, ...]

    @property
    def arpa(self) -> int | None:
        """MRR for each of these customers, to the nearest minor unit; None without any."""
        return mean(self.mrr, self.active_customers)


@dataclass(frozen=True, slots=True)
class Opening:
    """A subscription that was active at a window's start, where it carried `opening_mrr`; `mrr` is what it carries at
    the end, and `retained_mrr` what of that counts as kept: all of it, or nothing if it carried nothing at the start.
    """

    subscription: int
    customer: int
    opening_mrr: int
    mrr: int
    retained_mrr: int
    lost: bool


@dataclass(frozen=True, slots=True)
class Retention:
    """The subscriptions of one currency that were active at a window's start: those that are lost come first, then the
    others by what became of their MRR, the largest loss first. `count` is how many of them were asked for.
    """

    currency: str
    opening_active_subscriptions: int
    lost_subscriptions: int
    opening_mrr: int
    retained_mrr: int
    count: int
    items: tuple[Opening, ...]

    @property
    def churn_rate(self) -> Number | None:
        """The share of them that is lost."""
        return share(self.lost_subscriptions, self.opening_active_subscriptions)

    @property
    def net_revenue_retention(self) -> Number | None:
        """What is retained of their MRR, over what they carried."""
        return share(self.retained_mrr, self.opening_mrr)


def changes(steps: Steps, start: int, end: int, wanted: Sequence[str], limit: int, skip: int = 0) -> Changes:
    """The changes of the `wanted` kinds within `[start, end)`; the items are those after the first `skip` ones."""
    inside = (steps.at >= start) & (steps.at < end)
    was = before(steps, steps.mrr)
    kind = np.full(len(steps.at), -1)
    for place, of_kind in enumerate(kinds(steps)):
        if MOVEMENTS[place] in wanted:
            kind[inside & of_kind] = place
    found = np.flatnonzero(kind >= 0)
    shown = found[np.lexsort((steps.subscription[found], steps.at[found]))][skip : skip + limit].tolist()
    items = tuple(
        Change(*_who(steps, i), int(steps.at[i]), MOVEMENTS[kind[i]], int(was[i]), int(steps.mrr[i])) for i in shown
    )
    return Changes(steps.currency, int((steps.mrr - was)[found].sum()), len(found), items)


def carried(steps: Steps, end: int, limit: int, skip: int = 0) -> Carried:
    """What a point at `end` is made of; the items are those after the first `skip` ones."""
    places = np.flatnonzero(standing(steps, steps.at < end) & (steps.active > 0))
    shown = places[np.argsort(-steps.mrr[places], kind="stable")][skip : skip + limit].tolist()
    items = tuple(Step(*_who(steps, i), int(steps.at[i]), int(steps.mrr[i]), True) for i in shown)
    return Carried(steps.currency, int(steps.mrr[places].sum()), len(places), items)


def payers(steps: Steps, end: int, limit: int, skip: int = 0) -> Payers:
    """The customers of a point at `end`; the items are those after the first `skip` ones."""
    active = np.flatnonzero(standing(steps, steps.at < end) & (steps.active > 0))
    customers, place, counts = np.unique(steps.customer[active], return_inverse=True, return_counts=True)
    carried: Values = np.zeros(len(customers), steps.mrr.dtype)
    np.add.at(carried, place, steps.mrr[active])
    shown = np.argsort(-carried, kind="stable")[skip : skip + limit].tolist()
    items = tuple(Payer(int(customers[i]), int(carried[i]), int(counts[i])) for i in shown)
    return Payers(steps.currency, int(carried.sum()), len(customers), items)


def retention(steps: Steps, start: int, end: int, limit: int, skip: int = 0, *, lost: bool | None = None) -> Retention:
    """What became by `end` of what was active at `start`; the items are those after the first `skip` ones, only of
    those that are `lost` or only of the others, if either is asked for.
    """
    at_start = standing(steps, steps.at < start) & (steps.active > 0)
    was, then = became(steps, at_start, standing(steps, steps.at < end))
    opening, left, gone = steps.mrr[was], steps.mrr[then], steps.active[then] == 0
    retained: Values = np.where(opening > 0, left, 0)
    wanted = np.arange(len(was)) if lost is None else np.flatnonzero(gone == lost)
    wanted = wanted[np.argsort((left - opening)[wanted], kind="stable")]
    wanted = wanted[np.argsort(~gone[wanted], kind="stable")]
    items = tuple(
        Opening(*_who(steps, was[i]), int(opening[i]), int(left[i]), int(retained[i]), bool(gone[i]))
        for i in wanted[skip : skip + limit].tolist()
    )
    sums = (len(was), int(gone.sum()), int(opening.sum()), int(retained.sum()))
    return Retention(steps.currency, *sums, len(wanted), items)


def of_customers(steps: Steps, instant: int, customers: Sequence[int]) -> dict[int, int]:
    """What the subscriptions of each of these customers carry at the instant; those that carry nothing are left out."""
    mine = standing(steps, steps.at <= instant) & (steps.mrr > 0) & np.isin(steps.customer, customers)
    found: dict[int, int] = {}
    for customer, amount in zip(steps.customer[mine].tolist(), steps.mrr[mine].tolist(), strict=True):
        found[customer] = found.get(customer, 0) + amount
    return found


def _who(steps: Steps, place: int) -> tuple[int, int]:
    return int(steps.subscription[place]), int(steps.customer[place])
