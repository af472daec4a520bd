"""Revenue at risk: what is unpaid on the invoices of subscriptions, by how long it is overdue, and the MRR behind it.

Counted is the balance (due less paid) of OPEN invoices. An invoice is due until its due date is over, in the zone asked
in; the days after that fall into buckets without gap or overlap. UNCOLLECTIBLE invoices are given up and stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fluxrate.core.revenue import money
from fluxrate.core.revenue.pricing import FITS, Values

BOUNDS: tuple[tuple[int | None, int | None], ...] = ((None, 0), (1, 30), (31, 60), (61, 90), (91, None))
"""The first and last day past due of each bucket, both within it; the first bucket is not due yet, or due today."""


Unpaid = tuple[int, str, str, int, int, int, int, int]
"""An invoice of a subscription as the store gives it: its key, OPEN or UNCOLLECTIBLE, currency, amount due and paid,
due date, the keys of subscription and customer. (A plain tuple, because there are many.)
"""


class Item(NamedTuple):
    """One unpaid invoice; `balance` is in minor units, `days_past_due` negative while it is not due."""

    invoice: int
    subscription: int
    customer: int
    balance: int
    due_date: int
    days_past_due: int
    mrr: int


class Behind(NamedTuple):
    """A subscription with unpaid invoices: what they come to together, how many, and how long the oldest is due."""

    subscription: int
    customer: int
    balance: int
    invoices: int
    days_past_due: int
    mrr: int


@dataclass(frozen=True, slots=True)
class AtRisk:
    """One currency; `buckets` has balance and number of invoices for each of BOUNDS, `items` the longest due first.

    `behind` has the subscriptions of these invoices, the one with the oldest first, where they were asked for, and
    `given_up` the UNCOLLECTIBLE invoices that `uncollectible` is the sum of, in the order of `items`.
    """

    currency: str
    amount_due: int
    invoices: int
    subscriptions: int
    mrr: int
    uncollectible: int
    buckets: tuple[tuple[int, int], ...]
    items: tuple[Item, ...]
    behind: tuple[Behind, ...]
    given_up: tuple[Item, ...]
    given_up_invoices: int


def measure(
    unpaid: Iterable[Unpaid], carried: Mapping[int, int], today: int, limit: int, *, behind: bool = False
) -> list[AtRisk]:
    """What is at risk in each currency, with at most `limit` items each; `carried` is each subscription's MRR now.

    The subscriptions and what is given up are listed with `behind` alone: who wants the sums need not wait for them.
    """
    by_currency: dict[str, list[Unpaid]] = {}
    for row in unpaid:
        by_currency.setdefault(row[2], []).append(row)
    ordered = sorted(by_currency.items())
    return [_of_currency(currency, rows, carried, today, limit, behind) for currency, rows in ordered]


def bucket_of(days_past_due: int) -> int:
    """The place in BOUNDS of so many days past due."""
    return 0 if days_past_due <= 0 else min((days_past_due - 1) // 30 + 1, len(BOUNDS) - 1)


def days_of(place: int, today: int) -> tuple[int | None, int | None]:
    """The first and the last due date of the invoices in this bucket."""
    least, most = BOUNDS[place]
    return None if most is None else today - most, None if least is None else today - least


def _of_currency(
    currency: str, rows: list[Unpaid], carried: Mapping[int, int], today: int, limit: int, behind: bool
) -> AtRisk:
    keys, statuses, _, due, paid, dates, subscriptions, customers = zip(*rows, strict=True)
    # A sum of amounts fits 64 bits, unless there are very many.
    balance: Values = np.array(due, np.int64 if len(rows) * money.MOST < FITS else object) - np.array(paid)
    columns = _Columns(np.array(keys), np.array(subscriptions), np.array(customers), balance, np.array(dates))
    given_up = np.array([status == "UNCOLLECTIBLE" for status in statuses])
    opened, gone = np.flatnonzero(~given_up & (balance != 0)), np.flatnonzero(given_up & (balance != 0))
    own, which = np.unique(columns.dates[opened], return_inverse=True)
    place = np.array([bucket_of(today - date) for date in own.tolist()], np.int64)[which]
    each = [balance[opened[place == bucket]] for bucket in range(len(BOUNDS))]
    late = np.unique(columns.subscriptions[opened]).tolist()
    return AtRisk(
        currency,
        int(balance[opened].sum()),
        len(opened),
        len(late),
        sum(carried.get(key, 0) for key in late),
        int(balance[gone].sum()),
        tuple((int(one.sum()), len(one)) for one in each),
        _items(columns, opened, carried, today, limit),
        _behind([rows[i] for i in opened.tolist()], carried, today, limit) if behind else (),
        _items(columns, gone, carried, today, limit) if behind else (),
        len(gone),
    )


class _Columns(NamedTuple):
    """Of invoices their keys, subscriptions, customers, balances and due dates."""

    keys: Values
    subscriptions: Values
    customers: Values
    balances: Values
    dates: Values


def _items(columns: _Columns, wanted: Values, carried: Mapping[int, int], today: int, limit: int) -> tuple[Item, ...]:
    """Of the wanted invoices, given by their places, those due first, of those of one date the largest."""
    order = np.lexsort((columns.keys[wanted], -columns.balances[wanted], columns.dates[wanted]))
    of = _Columns(*(column[wanted[order[:limit]]] for column in columns))
    mrr = [carried.get(key, 0) for key in of.subscriptions.tolist()]
    return tuple(
        map(Item._make, zip(*(column.tolist() for column in of), (today - of.dates).tolist(), mrr, strict=True))
    )


def _behind(rows: list[Unpaid], carried: Mapping[int, int], today: int, limit: int) -> tuple[Behind, ...]:
    found: dict[int, list[int]] = {}
    for _, _, _, due, paid, due_date, subscription, customer in rows:
        mine = found.get(subscription)
        if mine is None:
            found[subscription] = [due_date, paid - due, subscription, customer, 1]
            continue
        mine[0] = min(mine[0], due_date)
        mine[1] += paid - due
        mine[4] += 1
    # The oldest first, of those of one date the largest balance.
    first = sorted(found.values())[:limit]
    return tuple(
        Behind(subscription, customer, -minus, count, today - oldest, carried.get(subscription, 0))
        for oldest, minus, subscription, customer, count in first
    )
