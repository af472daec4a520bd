"""What the figures of MRR are made of: the changes behind a movement, and the subscriptions behind a point.

Sums and counts are over everything, the items over as many as are asked for; with all of them they add up to the cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluxrate.core.revenue.mrr import MOVEMENTS, Step, Steps, before, kinds, standing


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


def of_customers(steps: Steps, instant: int, customers: Sequence[int]) -> dict[int, int]:
    """What the subscriptions of each of these customers carry at the instant; those that carry nothing are left out."""
    mine = standing(steps, steps.at <= instant) & (steps.mrr > 0) & np.isin(steps.customer, customers)
    found: dict[int, int] = {}
    for customer, amount in zip(steps.customer[mine].tolist(), steps.mrr[mine].tolist(), strict=True):
        found[customer] = found.get(customer, 0) + amount
    return found


def _who(steps: Steps, place: int) -> tuple[int, int]:
    return int(steps.subscription[place]), int(steps.customer[place])
