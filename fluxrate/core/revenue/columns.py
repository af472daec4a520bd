"""All subscriptions as columns: when each was billed under which plan, and when its billing periods end.

`periods` says of one subscription where a period lies; here the periods of all of them that ended within a time are
found at once. Each era of a subscription (plans of one interval) is a row, with the anchor that its periods are counted
from, so that what is asked is arithmetic on columns, whatever the time that is asked about. What cannot be put so (one
end of the biller's period without the other, years far from ours) is asked of the subscription itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fluxrate.core.revenue.model import Subscription
from fluxrate.core.revenue.periods import Periods, Stretch
from fluxrate.core.revenue.pricing import Values
from fluxrate.core.zones import DAY

_SUBSCRIPTION, _STRETCH, _ERA = 3, 4, 8
"""How many columns there are of each: key, customer, currency; key, plan, start, end; key, and see `Periods.eras`."""
_NONE: Values = np.zeros(0, np.int64)


class Billed(Protocol):
    """A subscription, when it was billed, and when its periods ended."""

    subscription: Subscription
    of: Periods
    billed: tuple[Stretch, ...]

    def ended(self, since: int, until: int) -> list[tuple[int, int]]:
        """The periods that ended after `since`, and by `until`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Billing periods that are over, in order of subscription and time: keys, starts and ends."""

    keys: Values
    starts: Values
    ends: Values


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What single plans have of billing periods: a row for each stretch of time, in order of period and time.

    `period` is the place of the period among those that ended.
    """

    period: Values
    plan: Values
    starts: Values
    ends: Values


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """A column of these arrays for each subscription, stretch and era, in order of the subscriptions' keys, which are
    the first row.

    `odd` are the subscriptions that have to be asked one by one.
    """

    subscriptions: Values
    stretches: Values
    eras: Values
    odd: frozenset[int]

    @classmethod
    def none(cls) -> Columns:
        """Of no subscription."""
        subscriptions, stretches, eras = (np.zeros((rows, 0), np.int64) for rows in (_SUBSCRIPTION, _STRETCH, _ERA))
        return cls(subscriptions, stretches, eras, frozenset())

    def changed(self, gone: Collection[int], found: Iterable[Billed]) -> Columns:
        """The columns without some subscriptions, by key, and with others."""
        subscriptions: list[tuple[int, ...]] = []
        stretches: list[tuple[int, ...]] = []
        eras: list[tuple[int, ...]] = []
        odd = set(self.odd.difference(gone))
        for each in found:
            key = each.subscription.pk
            subscriptions.append((key, each.subscription.customer_pk, number_of(each.subscription.currency)))
            stretches.extend((key, *stretch) for stretch in each.billed)
            mine = each.of.eras()
            if mine is None:
                odd.add(key)
            else:
                eras.extend((key, *era) for era in mine)
        away = np.array(sorted(gone), np.int64)
        return Columns(
            _with(self.subscriptions, away, subscriptions),
            _with(self.stretches, away, stretches),
            _with(self.eras, away, eras),
            frozenset(odd),
        )

    def customers(self, keys: Values) -> Values:
        """The customers of these subscriptions."""
        found: Values = self.subscriptions[1, np.searchsorted(self.subscriptions[0], keys)]
        return found

    def currencies(self, keys: Values) -> Values:
        """The currencies of these subscriptions, as numbers."""
        found: Values = self.subscriptions[2, np.searchsorted(self.subscriptions[0], keys)]
        return found

    def on(self, plans: Collection[int], currency: str | None) -> Values:
        """The keys of the subscriptions in a currency (None: in any) that were billed under one of the plans."""
        keys: Values = self.stretches[0, np.isin(self.stretches[1], list(plans))]
        keys = keys[first_of_each(keys)]
        return keys if currency is None else keys[self.currencies(keys) == number_of(currency)]

    def ended(self, keys: Values, since: int, until: int, entries: Mapping[int, Billed]) -> Ended:
        """The periods of these subscriptions that ended after `since`, and by `until`."""
        owner, cuts = _cuts(self.eras[:, np.isin(self.eras[0], keys)], since, until)
        inside = (owner[1:] == owner[:-1]) & (cuts[1:] > since) & (cuts[1:] <= until)
        found = np.stack((owner[1:][inside], cuts[:-1][inside], cuts[1:][inside]))
        asked = sorted(self.odd.intersection(keys.tolist()))
        if asked:
            found = _with(
                found, _NONE, [(key, *period) for key in asked for period in entries[key].ended(since, until)]
            )
        return Ended(*found)

    def shares(self, ended: Ended) -> Shares:
        """How these periods were billed, plan by plan; a period without a share was not."""
        keys, plans, since, until = self.stretches
        first, last = (np.searchsorted(keys, ended.keys, side) for side in ("left", "right"))
        period, stretch = _runs(first, last - first)
        starts = np.maximum(ended.starts[period], since[stretch])
        ends = np.minimum(ended.ends[period], until[stretch])
        some = np.flatnonzero(starts < ends)
        return Shares(period[some], plans[stretch[some]], starts[some], ends[some])


def number_of(currency: str) -> int:
    """A currency's code as a number, in the order of codes."""
    return int.from_bytes(currency.encode())


def currency_of(number: int) -> str:
    """The code behind a number."""
    return number.to_bytes(3).decode()


def first_of_each(values: Values, *more: Values) -> Values:
    """Which places, of values of which equal ones stand together, are the first of their kind; as a mask."""
    found = np.ones(len(values), np.bool_)
    found[1:] = values[1:] != values[:-1]
    for each in more:
        found[1:] |= each[1:] != each[:-1]
    return found


def _runs(firsts: Values, counts: Values) -> tuple[Values, Values]:
    """For each place so many numbers from a first one on: the places, each repeated, and the numbers."""
    place = np.repeat(np.arange(len(counts)), counts)
    return place, np.arange(len(place)) + np.repeat(firsts - (np.cumsum(counts) - counts), counts)


def _with(known: Values, gone: Values, new: Sequence[Sequence[int]]) -> Values:
    """Columns without those of some keys, and with others, which are together and in order for each of their keys."""
    kept = known[:, ~np.isin(known[0], gone)] if len(gone) else known
    if not new:
        return kept
    found: Values = np.concatenate((kept, np.array(new, np.int64).T), axis=1)
    return found[:, np.argsort(found[0], kind="stable")]


def _cuts(eras: Values, since: int, until: int) -> tuple[Values, Values]:
    """Where periods begin or end up to `until`, from the last time by `since` on, with their subscriptions: in order,
    each once.
    """
    key, start, end, anchor, length, months, known, named = eras
    first, last = np.maximum(start, since), np.minimum(end, until)
    by_months = months > 0
    step = np.where(by_months, months, length)
    month = _month(anchor)
    # One month earlier, too: its instant may come after the one that is asked about.
    least = np.where(by_months, _month(first) - month, first - anchor) // step - by_months
    most = np.where(by_months, _month(last) - month, last - anchor) // step
    counts = np.where((start < until) & (end > since), np.maximum(most - least + 1, 0), 0)
    # Before them each era's own start.
    place, count = _runs(least - 1, counts + 1)
    moved = count * step[place]
    calendar = by_months[place]
    cuts = anchor[place] + moved
    cuts[calendar] = _later(anchor[place[calendar]], month[place[calendar]], moved[calendar])
    inside = (start[place] < cuts) & (cuts < end[place]) & (cuts <= until)
    inside &= (cuts <= known[place]) | (cuts >= named[place])
    own = np.cumsum(counts + 1) - counts - 1
    cuts[own], inside[own] = start, True
    owner, cuts = key[place[inside]], cuts[inside]
    return (owner, cuts) if not (known < named).any() else _with_known(eras, owner, cuts)


def _with_known(eras: Values, owner: Values, cuts: Values) -> tuple[Values, Values]:
    """The cuts, and the ends of the periods that the biller named, where they lie within an era."""
    owners, found = [owner], [cuts]
    for column in (6, 7):
        inside = (eras[6] < eras[7]) & (eras[1] < eras[column]) & (eras[column] < eras[2])
        owners.append(eras[0, inside])
        found.append(eras[column, inside])
    owner, cuts = np.concatenate(owners), np.concatenate(found)
    order = np.lexsort((cuts, owner))
    owner, cuts = owner[order], cuts[order]
    once = first_of_each(owner, cuts)
    return owner[once], cuts[once]


def _month(instants: Values) -> Values:
    """Months since 1970-01."""
    months: Values = (instants // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months


def _later(anchors: Values, month: Values, months: Values) -> Values:
    """Each anchor, which lies in `month`, so many months later, on the last day of a month that lacks its day."""
    if not len(anchors):
        return anchors
    days, rest = np.divmod(anchors, DAY)
    wanted = month + months
    low = min(int(month.min()), int(wanted.min()))
    last = max(int(month.max()), int(wanted.max())) + 2
    firsts: Values = np.arange(low, last).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    later: Values = np.minimum(firsts[wanted - low] + days - firsts[month - low], firsts[wanted - low + 1] - 1)
    return later * DAY + rest
