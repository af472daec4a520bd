"""Every subscription with its history, kept from one question to the next: what figures of all of them start from.

Each subscription has a version, so that only those are read again that have changed. Plans that subscriptions are or
were on keep their charges, interval and currency.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from fluxrate.core.engine import Engine
from fluxrate.core.revenue.columns import Columns
from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.mrr import CARRYING, of_plan, of_subscription
from fluxrate.core.revenue.periods import EVER, Periods, Stretch, stretches
from fluxrate.core.revenue.pricing import Tariff
from fluxrate.core.revenue.usage import FindMeter, Metered, Part, metered, parts_of, tariffs
from fluxrate.core.store import Store
from fluxrate.core.store.subscriptions import Edition

__all__ = ["Book", "Books", "Entry", "Period", "Standing"]

_KEPT = 16
"""Periods of a subscription that are kept: a year of months, and a few."""
Period = tuple[int, int]


class Standing(NamedTuple):
    """A subscription as it stands, from one instant until another: its period, the next one, and what it is.

    `others` are the parts of the period that are over and not of the plan that goes on; `spans` those of that plan that
    are over, and `open` where the one that runs began; None if the subscription is not billed on.
    """

    since: int
    until: int
    state: State
    period: Period
    following: Period
    others: tuple[Part, ...]
    spans: tuple[Period, ...]
    open: int | None


@dataclass(slots=True, eq=False)
class Entry:
    """One subscription. What the latest question was answered with is kept: it stands where it did for a long time."""

    subscription: Subscription
    history: tuple[State, ...]
    of: Periods
    billed: tuple[Stretch, ...]
    """All stretches of time in which it was billed, the last one without end if it still is."""
    _standing: Standing | None = None
    _ended: tuple[Period, ...] = ()

    def standing(self, now: int) -> Standing | None:
        """Where it stands now; None before it began."""
        found = self._standing
        if found is None or not found.since <= now < found.until:
            found = self._standing = self._stand(now)
        return found

    def ended(self, since: int, until: int) -> list[Period]:
        """The periods that ended after `since`, and by `until`."""
        known = list(self._ended)
        if not known or known[0][0] > max(since, self.subscription.start):
            known = [self.of.at(since)]
        count = len(known)
        while known[-1][0] < known[-1][1] <= until:
            known.append(self.of.after(known[-1]))
        if len(known) > count or not self._ended:
            self._ended = tuple(known[-_KEPT:])
        return [period for period in known if since < period[1] <= until]

    def _stand(self, now: int) -> Standing | None:
        place = bisect_right(self.history, now, key=lambda state: state.at) - 1
        if place < 0:
            return None
        state, later = self.history[place], self.history[place + 1 : place + 2]
        period = self.of.at(now)
        until = min((period[1], *(state.at for state in later)))
        customer, going = self.subscription.customer_pk, state.status in CARRYING
        # As if it were the end of the period already: the last stretch is the one that runs.
        parts = parts_of(customer, self.history[: place + 1], *period)
        own = [part for part in parts if going and part.plan == state.plan_pk]
        others = tuple(part for part in parts if not own or part.plan != state.plan_pk)
        spans = own[0].spans if own else ()
        begun = spans[-1][0] if own else None
        return Standing(now, until, state, period, self.of.after(period), others, spans[:-1], begun)


@dataclass(frozen=True, slots=True, eq=False)
class Book:
    """All subscriptions as they were at one edition, also by key and as columns, their plans, and the charges of these
    that are metered. `known` is what plan, quantity and discount were found to be worth.
    """

    entries: tuple[Entry, ...]
    by_key: Mapping[int, Entry]
    columns: Columns
    plans: Mapping[int, Plan]
    metered: Mapping[int, tuple[Metered, ...]]
    known: dict[tuple[int, int, int], tuple[int, int]] = field(default_factory=dict)

    def worth(self, state: State) -> tuple[int, int]:
        """What a whole period costs without usage, and the MRR of it: the ACTIVE FIXED charges of the state's plan
        times the quantity, less the discount, each rounded once.
        """
        terms = (state.plan_pk, state.quantity, state.discount)
        found = self.known.get(terms)
        if found is None:
            plan = self.plans[state.plan_pk]
            period = sum(each.amount or 0 for each in plan.charges if each.status == "ACTIVE")
            exact = (Fraction(period), of_plan(plan))
            fixed, monthly = (of_subscription(each, state.quantity, state.discount) for each in exact)
            found = self.known[terms] = (fixed, monthly)
        return found


class Books:
    """The book of one store as it is now; safe to use from many threads."""

    def __init__(self, store: Store, engine: Engine, meter: FindMeter) -> None:
        self._store = store
        self._engine = engine
        self._meter = meter
        self._kept = _Kept(Edition(), 0, {}, Columns.none(), {}, {}, {})

    def now(self) -> Book:
        """The book; of the subscriptions those are read that have changed."""
        kept = self._read()
        # Meters may change until they have events, so they are looked up each time.
        charges = {pk: metered(plan, kept.tariffs[pk], self._engine, self._meter) for pk, plan in kept.plans.items()}
        return Book(tuple(kept.entries.values()), kept.entries, kept.columns, kept.plans, charges, kept.worth)

    def _read(self) -> _Kept:
        edition = self._store.subscriptions.edition_of_rows()
        kept = self._kept
        if kept.edition == edition:
            return kept
        gone, wanted = self._changed(kept, edition)
        rows = self._store.subscriptions.by_pks(wanted)
        # The plans last: whatever the histories point at is there by now. What came after the edition was read is read
        # again next time.
        plans = {plan.pk: plan for plan in self._store.plans.all()}
        new = {row.pk: _entry(row, tuple(history), plans) for row, history in rows if history}
        used = kept.plans.keys() | {state.plan_pk for entry in new.values() for state in entry.history}
        plans = {key: plan for key, plan in plans.items() if key in used}
        # A plan changes once its last subscription was deleted.
        same = all(plans.get(key) == plan for key, plan in kept.plans.items())
        kept = _Kept(
            edition,
            max([kept.newest, *(entry.subscription.updated_at for entry in new.values())]),
            _replaced(kept.entries, gone, new),
            kept.columns.changed(gone, new.values()),
            plans,
            {key: tariffs(plan) for key, plan in plans.items()},
            kept.worth if same else {},
        )
        self._kept = kept
        return kept

    def _changed(self, kept: _Kept, edition: Edition) -> tuple[list[int], list[int]]:
        """The keys of subscriptions that are not as they are known any more, and of those that have to be read."""
        store, known = self._store.subscriptions, kept.entries
        if known:
            versions = dict(store.changed_since(kept.newest))
            old = {key: known[key].subscription.version for key in versions.keys() & known.keys()}
            added = versions.keys() - old.keys()
            count, keys = kept.edition.rows + len(added), kept.edition.keys + sum(added)
            sums = (count, keys, kept.edition.versions + sum(versions.values()) - sum(old.values()))
            # Else something was deleted, or changed by a clock that is behind, or was read while it changed.
            if sums == edition[1:]:
                gone = [key for key, version in old.items() if version != versions[key]]
                return gone, [*gone, *added]
        versions = store.versions()
        gone = [key for key, entry in known.items() if entry.subscription.version != versions.get(key)]
        return gone, [*(versions.keys() - known.keys()), *(versions.keys() & set(gone))]


class _Kept(NamedTuple):
    """What is read from the store: subscriptions by key and as columns, and the plans that one of them is or was on;
    and what terms were found to be worth.
    """

    edition: Edition
    newest: int
    entries: dict[int, Entry]
    columns: Columns
    plans: dict[int, Plan]
    tariffs: dict[int, tuple[Tariff | None, ...]]
    worth: dict[tuple[int, int, int], tuple[int, int]]


def _replaced(known: Mapping[int, Entry], gone: Iterable[int], new: Mapping[int, Entry]) -> dict[int, Entry]:
    """The entries in order of their keys, some of them taken away or anew."""
    found = dict(known)
    for key in gone:
        if key not in new:
            del found[key]
    last = max(known, default=0)
    found |= new
    # One that has changed keeps its place, and new ones come after all others; but not if two were begun at once.
    return found if all(key > last or key in known for key in new) else dict(sorted(found.items()))


def _entry(row: Subscription, history: tuple[State, ...], plans: Mapping[int, Plan]) -> Entry:
    return Entry(row, history, Periods(row, history, plans), tuple(stretches(history, row.start, EVER)))
