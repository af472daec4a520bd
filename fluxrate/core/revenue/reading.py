"""From the store to revenue figures: the one door for pages and API."""

from __future__ import annotations

from dataclasses import dataclass

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.catalog import Catalog
from fluxrate.core.engine import Engine
from fluxrate.core.model import Customer
from fluxrate.core.revenue import ahead, at_risk, mrr, used
from fluxrate.core.revenue.ahead import Ahead
from fluxrate.core.revenue.at_risk import AtRisk
from fluxrate.core.revenue.book import Books
from fluxrate.core.revenue.model import Subscription
from fluxrate.core.revenue.mrr import Mrr, Steps
from fluxrate.core.revenue.used import SubscriptionUsage, UsageRevenue
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

    def __init__(self, store: Store, engine: Engine, catalog: Catalog) -> None:
        self._store = store
        self._engine = engine
        self._meter = catalog.meter
        self._books = Books(store, engine, catalog.meter)
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

    def forecast(
        self, now: int, *, currency: str | None = None, ends: tuple[int, int] | None = None
    ) -> tuple[list[Ahead], int]:
        """What the current and the next billing periods will come to in each currency, and the sequence it covers; only
        periods that end within the range `ends`, if it is given.
        """
        found, as_of = ahead.ahead(self._books.now(), self._engine, now, currency=currency, ends=ends)
        carried = {steps.currency: sum(mrr.at_instant(steps, now).values()) for steps in self.steps()}
        for each in found:
            each.mrr = carried.get(each.currency, 0)
        return found, as_of

    def usage(
        self, window: Window, group: str, now: int, currency: str | None = None
    ) -> tuple[list[UsageRevenue], int]:
        """What the usage of billing periods cost that ended within the window, in buckets of `group`; and the sequence
        it covers.
        """
        buckets = calendar.buckets(window, group)
        return used.over_time(self._books.now(), self._engine, buckets.edges.tolist(), buckets.labels, now, currency)

    def usage_of(self, subscription: Subscription, at: int, now: int, as_of: int | None = None) -> SubscriptionUsage:
        """What the USAGE charges of one subscription come to in the billing period that holds the instant `at`."""
        plans = {plan.pk: plan for plan in self._store.plans.all()}
        history = self._store.subscriptions.history(subscription.pk)
        return used.of_subscription(self._engine, self._meter, plans, subscription, history, at, now, as_of)

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
