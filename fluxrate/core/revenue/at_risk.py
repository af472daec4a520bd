"""Revenue at risk: what is unpaid on the invoices of subscriptions, by how long it is overdue, and the MRR behind it.

Counted is the balance (due less paid) of OPEN invoices. An invoice is due until its due date is over, in the zone asked
in; the days after that fall into buckets without gap or overlap. UNCOLLECTIBLE invoices are given up and stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BOUNDS: tuple[tuple[int | None, int | None], ...] = ((None, 0), (1, 30), (31, 60), (61, 90), (91, None))
"""The first and last day past due of each bucket, both within it; the first bucket is not due yet, or due today."""


Unpaid = tuple[int, str, str, int, int, int, int, int]
"""An invoice of a subscription as the store gives it: its key, OPEN or UNCOLLECTIBLE, currency, amount due and paid,
due date, the keys of subscription and customer. (A plain tuple, because there are many.)
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One unpaid invoice; `balance` is in minor units, `days_past_due` negative while it is not due."""

    invoice: int
    subscription: int
    customer: int
    balance: int
    due_date: int
    days_past_due: int
    mrr: int


@dataclass(frozen=True, slots=True)
class AtRisk:
    """One currency; `buckets` has balance and number of invoices for each of BOUNDS, `items` the longest due first."""

    currency: str
    amount_due: int
    invoices: int
    subscriptions: int
    mrr: int
    uncollectible: int
    buckets: tuple[tuple[int, int], ...]
    items: tuple[Item, ...]


def measure(unpaid: Iterable[Unpaid], carried: Mapping[int, int], today: int, limit: int) -> list[AtRisk]:
    """What is at risk in each currency, with at most `limit` items each; `carried` is each subscription's MRR now."""
    by_currency: dict[str, list[Unpaid]] = {}
    for row in unpaid:
        by_currency.setdefault(row[2], []).append(row)
    return [_of_currency(currency, rows, carried, today, limit) for currency, rows in sorted(by_currency.items())]


def bucket_of(days_past_due: int) -> int:
    """The place in BOUNDS of so many days past due."""
    return 0 if days_past_due <= 0 else min((days_past_due - 1) // 30 + 1, len(BOUNDS) - 1)


def _of_currency(currency: str, rows: list[Unpaid], carried: Mapping[int, int], today: int, limit: int) -> AtRisk:
    sums, counts = [0] * len(BOUNDS), [0] * len(BOUNDS)
    gone = 0
    behind: set[int] = set()
    opened: list[tuple[int, int, Unpaid]] = []
    for row in rows:
        _, status, _, due, paid, due_date, subscription, _ = row
        balance = due - paid
        if not balance:
            continue
        if status == "UNCOLLECTIBLE":
            gone += balance
            continue
        place = bucket_of(today - due_date)
        sums[place] += balance
        counts[place] += 1
        behind.add(subscription)
        opened.append((due_date, -balance, row))
    opened.sort()
    items = tuple(
        Item(row[0], row[6], row[7], -minus, due, today - due, carried.get(row[6], 0))
        for due, minus, row in opened[:limit]
    )
    mrr = sum(carried.get(key, 0) for key in behind)
    buckets = tuple(zip(sums, counts, strict=True))
    return AtRisk(currency, sum(sums), sum(counts), len(behind), mrr, gone, buckets, items)
