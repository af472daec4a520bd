"""Every subscription with its history, kept from one question to the next: what figures of all of them start from.

Plans that subscriptions are or were on keep their charges, interval and currency, so the edition of the subscriptions
says whether all of it is still the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from fluxrate.core.engine import Engine
from fluxrate.core.revenue.model import CHARGE_TYPES, WHOLE_DISCOUNT, Plan, State, Subscription
from fluxrate.core.revenue.money import nearest
from fluxrate.core.revenue.mrr import CARRYING
from fluxrate.core.revenue.periods import Periods, Stretch, stretches
from fluxrate.core.revenue.usage import FindMeter, Metered, Part, metered, parts_of
from fluxrate.core.store import Store

EVER = 1 << 62
_KEPT = 16
"""Periods of a subscription that are kept: a year of months, and a few."""
_FIXED = CHARGE_TYPES[0]

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
    """All subscriptions as they were at one edition, their plans, and the charges of these that are metered."""

    entries: tuple[Entry, ...]
    plans: Mapping[int, Plan]
    metered: Mapping[int, tuple[Metered, ...]]
    _fixed: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def fixed(self, state: State) -> int:
        """What a whole period of the state's plan costs without usage: its ACTIVE FIXED charges times the quantity,
        less the discount, rounded once.
        """
        terms = (state.plan_pk, state.quantity, state.discount)
        found = self._fixed.get(terms)
        if found is None:
            amounts = (
                each.amount or 0
                for each in self.plans[state.plan_pk].charges
                if (each.charge_type, each.status) == (_FIXED, "ACTIVE")
            )
            exact = Fraction(sum(amounts) * state.quantity * (WHOLE_DISCOUNT - state.discount), WHOLE_DISCOUNT)
            found = self._fixed[terms] = nearest(exact)
        return found


class Books:
    """The book of one store as it is now; safe to use from many threads."""

    def __init__(self, store: Store, engine: Engine, meter: FindMeter) -> None:
        self._store = store
        self._engine = engine
        self._meter = meter
        self._kept: tuple[tuple[int, int, int], Book] = ((-1, -1, -1), Book((), {}, {}))

    def now(self) -> Book:
        """The book, read anew if a subscription has changed."""
        edition = self._store.subscriptions.edition_of_rows()
        known, kept = self._kept
        if known == edition:
            return kept
        # The histories first: whatever they point at was there before them. What came after the edition was read is
        # read again next time.
        histories: dict[int, list[State]] = {}
        for row in sorted(self._store.subscriptions.histories(), key=lambda row: row[1]):
            histories.setdefault(row[0], []).append(State(*row[1:]))
        rows = self._store.subscriptions.every()
        plans = {plan.pk: plan for plan in self._store.plans.all()}
        entries = tuple(_entry(row, tuple(histories[row.pk]), plans) for row in rows if row.pk in histories)
        book = Book(entries, plans, {pk: metered(plan, self._engine, self._meter) for pk, plan in plans.items()})
        self._kept = (edition, book)
        return book


def _entry(row: Subscription, history: tuple[State, ...], plans: Mapping[int, Plan]) -> Entry:
    return Entry(row, history, Periods(row, history, plans), tuple(stretches(history, row.start, EVER)))
