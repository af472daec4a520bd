"""From the store to revenue figures: the one door for pages and API."""

from __future__ import annotations

from dataclasses import dataclass

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.model import Customer
from fluxrate.core.revenue import at_risk, mrr
from fluxrate.core.revenue.at_risk import AtRisk
from fluxrate.core.revenue.mrr import Mrr, Steps
from fluxrate.core.store import Store
from fluxrate.core.zones import day_of


@dataclass(frozen=True, slots=True)
class Risks:
    """What is at risk in each currency, and the public names behind the keys of its items."""

    data: list[AtRisk]
    subscriptions: dict[int, str]
    invoices: dict[int, str]
    customers: dict[int, Customer]


class Revenue:
    """Revenue figures of one store, safe to use from many threads.

    The steps of all subscriptions are kept from one question to the next: they are only added to, and taken away with
    their subscription, so their number and their last key say whether they are still the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: tuple[tuple[int, int], list[Steps]] = ((-1, -1), [])

    def mrr(self, window: Window, group: str, currency: str | None = None) -> list[Mrr]:
        """The MRR over the window in buckets of `group`, of every currency that a subscription is in, or of one."""
        buckets = calendar.buckets(window, group)
        edges = buckets.edges.tolist()
        found = (steps for steps in self.steps() if currency in (None, steps.currency))
        return [mrr.measure(steps, edges, buckets.labels) for steps in found]

    def at_risk(
        self,
        now: int,
        zone: str,
        *,
        currency: str | None = None,
        first_day: int | None = None,
        last_day: int | None = None,
        limit: int = 1_000,
    ) -> Risks:
        """What is at risk now; only invoices that fall due from `first_day` to `last_day`, if these are given."""
        rows = self._store.invoices.unpaid(currency=currency, first_day=first_day, last_day=last_day)
        carried = self.carried(now)
        data = at_risk.measure(rows, carried, day_of(zone, now), limit)
        items = [item for each in data for item in each.items]
        return Risks(
            data,
            self._store.subscriptions.ids_of([item.subscription for item in items]),
            self._store.invoices.ids_of([item.invoice for item in items]),
            self._store.customers.by_pks([item.customer for item in items]),
        )

    def carried(self, instant: int) -> dict[int, int]:
        """The MRR that each subscription carries at the instant, by its key, in the minor unit of its own currency."""
        found: dict[int, int] = {}
        for steps in self.steps():
            found |= mrr.at_instant(steps, instant)
        return found

    def steps(self) -> list[Steps]:
        """What every subscription carried since when, by currency."""
        edition = self._store.subscriptions.edition()
        known, kept = self._kept
        if known == edition:
            return kept
        # The states first: whatever they point at was there before them. What came after the edition was read is read
        # again next time.
        rows = self._store.subscriptions.histories()
        plans = {plan.pk: plan for plan in self._store.plans.all()}
        found = mrr.steps_of(rows, plans, self._store.subscriptions.customers())
        kept = [mrr.arranged(currency, steps) for currency, steps in found.items()]
        self._kept = (edition, kept)
        return kept
