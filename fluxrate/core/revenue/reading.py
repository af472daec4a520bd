"""From the store to revenue figures: the one door for pages and API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.catalog import Catalog
from fluxrate.core.engine import Engine
from fluxrate.core.model import Customer
from fluxrate.core.revenue import ahead, at_risk, behind, mrr, parts, used
from fluxrate.core.revenue.ahead import Ahead
from fluxrate.core.revenue.at_risk import AtRisk
from fluxrate.core.revenue.behind import Carried, Changes, Payers, Retention
from fluxrate.core.revenue.book import Books
from fluxrate.core.revenue.model import Subscription
from fluxrate.core.revenue.mrr import MOVEMENTS, Mrr, Steps
from fluxrate.core.revenue.parts import BilledPeriods, ExpectedPeriods
from fluxrate.core.revenue.timeline import Timeline
from fluxrate.core.revenue.used import SubscriptionUsage, UsageRevenue
from fluxrate.core.store import Store
from fluxrate.core.zones import day_of

Found = TypeVar("Found")

_IDS_KEPT = 100_000


class _Item(Protocol):
    @property
    def subscription(self) -> int: ...

    @property
    def customer(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Named(Generic[Found]):
    """What was found in each currency, and the public names behind the keys of its items."""

    data: list[Found]
    subscriptions: dict[int, str]
    customers: dict[int, Customer]
    invoices: dict[int, str] = field(default_factory=dict)


Risks = Named[AtRisk]


class _Ids:
    """Public ids by key, kept: a key never has another one, and is given to nothing else."""

    def __init__(self, read: Callable[[Sequence[int]], dict[int, str]]) -> None:
        self._read = read
        self._known: dict[int, str] = {}

    def of(self, keys: Iterable[int]) -> dict[int, str]:
        """The ids of these keys, perhaps among others; a key without a row is left out."""
        known, wanted = self._known, set(keys)
        missing = wanted.difference(known)
        if missing:
            found = self._read(sorted(missing))
            # Another one, because somebody else may be reading this one.
            known = found | (known if len(known) < _IDS_KEPT else {key: known[key] for key in wanted & known.keys()})
            self._known = known
        return known


class Revenue:
    """Revenue figures of one store, safe to use from many threads."""

    def __init__(self, store: Store, engine: Engine, catalog: Catalog) -> None:
        self._store = store
        self._engine = engine
        self._meter = catalog.meter
        self._books = Books(store, engine, catalog.meter)
        self._timeline = Timeline(store)
        self._invoices = _Ids(store.invoices.ids_of)
        self._subscriptions = _Ids(store.subscriptions.ids_of)

    def mrr(self, window: Window, group: str, currency: str | None = None) -> list[Mrr]:
        """The MRR over the window in buckets of `group`, of every currency that a subscription is in, or of one."""
        buckets = calendar.buckets(window, group)
        edges = buckets.edges.tolist()
        return [mrr.measure(steps, edges, buckets.labels) for steps in self._of(currency)]

    def at_risk(
        self,
        now: int,
        zone: str,
        *,
        currency: str | None = None,
        first_day: int | None = None,
        last_day: int | None = None,
        limit: int = 1_000,
        with_subscriptions: bool = False,
    ) -> Risks:
        """What is at risk now; only invoices that fall due from `first_day` to `last_day`, if these are given.

        `with_subscriptions` lists the subscriptions behind them too, and what is given up.
        """
        rows = self._store.invoices.unpaid(currency=currency, first_day=first_day, last_day=last_day)
        carried = self.carried(now)
        data = at_risk.measure(rows, carried, day_of(zone, now), limit, behind=with_subscriptions)
        items = [item for each in data for item in (*each.items, *each.given_up)]
        behind_them: list[_Item] = [*items, *(each for one in data for each in one.behind)]
        return self._named(data, behind_them, self._invoices.of(item.invoice for item in items))

    def changes(
        self, window: Window, *, kind: str | None = None, currency: str | None = None, limit: int = 1_000, skip: int = 0
    ) -> Named[Changes]:
        """The changes within the window that its movements are the sums of, or those of one kind of movement."""
        wanted = MOVEMENTS if kind is None else (kind,)
        start, end = window.start, window.end
        data = [behind.changes(each, start, end, wanted, limit, skip) for each in self._of(currency)]
        return self._named(data, [item for each in data for item in each.items])

    def carriers(self, end: int, *, currency: str | None = None, limit: int = 1_000, skip: int = 0) -> Named[Carried]:
        """The active subscriptions that the MRR of a point at this instant is the sum of."""
        data = [behind.carried(each, end, limit, skip) for each in self._of(currency)]
        return self._named(data, [item for each in data for item in each.items])

    def payers(self, end: int, *, currency: str | None = None, limit: int = 1_000, skip: int = 0) -> Named[Payers]:
        """The customers with active subscriptions that ARPA at this instant is the quotient of."""
        data = [behind.payers(each, end, limit, skip) for each in self._of(currency)]
        return Named(data, {}, self._store.customers.by_pks([item.customer for each in data for item in each.items]))

    def retention(
        self,
        window: Window,
        *,
        lost: bool | None = None,
        currency: str | None = None,
        limit: int = 1_000,
        skip: int = 0,
    ) -> Named[Retention]:
        """The subscriptions active at the window's start, and what became of them: churn rate and net revenue retention
        are made of them. The items are only those that are `lost` or only the others, if either is asked for.
        """
        start, end = window.start, window.end
        data = [behind.retention(each, start, end, limit, skip, lost=lost) for each in self._of(currency)]
        return self._named(data, [item for each in data for item in each.items])

    def currencies(self) -> list[str]:
        """The currencies of subscriptions, the one with the most changes first."""
        return [each.currency for each in sorted(self.steps(), key=lambda each: (-len(each.at), each.currency))]

    def of_customers(self, instant: int, customers: Sequence[int]) -> dict[str, dict[int, int]]:
        """By currency what each of these customers carries at the instant, by its key."""
        return {each.currency: behind.of_customers(each, instant, customers) for each in self.steps()}

    def forecast(
        self,
        now: int,
        *,
        currency: str | None = None,
        ends: tuple[int, int] | None = None,
        as_of: int | None = None,
    ) -> tuple[list[Ahead], int]:
        """What the current and the next billing periods will come to in each currency, and the sequence it covers; only
        periods that end within the range `ends`, if it is given. Usage is as it was known at `as_of`.
        """
        return ahead.ahead(self._books.now(), self._engine, now, currency=currency, ends=ends, as_of=as_of)

    def usage(
        self, window: Window, group: str, now: int, currency: str | None = None, as_of: int | None = None
    ) -> tuple[list[UsageRevenue], int]:
        """What the usage of billing periods cost that ended within the window, in buckets of `group`; and the sequence
        it covers. Usage is as it was known at `as_of`.
        """
        cut, book = calendar.buckets(window, group), self._books.now()
        return used.over_time(book, self._engine, cut.edges.tolist(), cut.labels, now, currency, as_of)

    def expected_periods(
        self,
        now: int,
        *,
        currency: str | None = None,
        ends: tuple[int, int] | None = None,
        billing_period: str | None = None,
        by: str = "total",
        limit: int = 1_000,
        skip: int = 0,
        as_of: int | None = None,
    ) -> tuple[Named[ExpectedPeriods], int]:
        """The billing periods that the forecast is the sum of, and the sequence it covers; see `parts.expected`."""
        data, covered = parts.expected(
            self._books.now(),
            self._engine,
            now,
            currency=currency,
            ends=ends,
            billing_period=billing_period,
            by=by,
            limit=limit,
            skip=skip,
            as_of=as_of,
        )
        return self._named(data, [item for each in data for item in each.items]), covered

    def billed_periods(
        self,
        window: Window,
        now: int,
        *,
        currency: str | None = None,
        limit: int = 1_000,
        skip: int = 0,
        as_of: int | None = None,
    ) -> tuple[Named[BilledPeriods], int]:
        """The billing periods that ended within the window, which its usage revenue is the sum of; and the sequence it
        covers.
        """
        book, period = self._books.now(), (window.start, window.end)
        data, covered = parts.billed(book, self._engine, period, now, currency, limit=limit, skip=skip, as_of=as_of)
        return self._named(data, [item for each in data for item in each.items]), covered

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

    def steps(self) -> tuple[Steps, ...]:
        """What every subscription carried since when, by currency."""
        return self._timeline.steps()

    def _of(self, currency: str | None) -> list[Steps]:
        return [each for each in self.steps() if currency in (None, each.currency)]

    def _named(self, data: list[Found], items: Iterable[_Item], invoices: dict[int, str] | None = None) -> Named[Found]:
        keys = [(item.subscription, item.customer) for item in items]
        return Named(
            data,
            self._subscriptions.of(subscription for subscription, _ in keys),
            self._store.customers.by_pks([customer for _, customer in keys]),
            invoices or {},
        )
