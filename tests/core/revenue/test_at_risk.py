"""Revenue at risk against a plain loop, and the edges of its buckets."""

from __future__ import annotations

import random

import pytest

from fluxrate.core.revenue import at_risk


@pytest.mark.parametrize(
    ("days", "place"),
    [(-400, 0), (0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (10_000, 4)],
)
def test_the_edges_of_the_buckets(days, place):
    assert at_risk.bucket_of(days) == place


def test_buckets_neither_overlap_nor_leave_a_gap():
    """Each number of days lies within the bounds of exactly one bucket, the one that it is put in."""
    for days in range(-200, 400):
        inside = [
            place
            for place, (first, last) in enumerate(at_risk.BOUNDS)
            if (first is None or first <= days) and (last is None or days <= last)
        ]
        assert inside == [at_risk.bucket_of(days)]


def test_generated_invoices():
    """Sums by currency, bucket and status are those of a loop over the invoices; a subscription's MRR counts once."""
    rng = random.Random(4)
    carried = {key: rng.randint(1, 999) for key in range(1, 30, 2)}
    rows = []
    for pk in range(1, 2_000):
        due = rng.randint(0, 99_999)
        status, code = rng.choice(("OPEN", "OPEN", "UNCOLLECTIBLE")), rng.choice(("USD", "EUR", "JPY"))
        paid = rng.choice((0, due, rng.randint(0, due)))
        rows.append((pk, status, code, due, paid, rng.randint(19_800, 20_100), rng.randint(1, 40), pk % 7))
    found = {each.currency: each for each in at_risk.measure(rows, carried, 20_000, 50)}
    assert list(found) == ["EUR", "JPY", "USD"]
    for code, each in found.items():
        opened = [row for row in rows if row[2] == code and row[1] == "OPEN" and row[3] > row[4]]
        assert each.amount_due == sum(row[3] - row[4] for row in opened)
        assert each.invoices == len(opened)
        assert each.subscriptions == len({row[6] for row in opened})
        assert each.mrr == sum(carried.get(key, 0) for key in {row[6] for row in opened})
        lost = [row for row in rows if row[2] == code and row[1] == "UNCOLLECTIBLE"]
        assert each.uncollectible == sum(row[3] - row[4] for row in lost)
        for (first, last), (due, count) in zip(at_risk.BOUNDS, each.buckets, strict=True):
            inside = [
                row
                for row in opened
                if (first is None or 20_000 - row[5] >= first) and (last is None or 20_000 - row[5] <= last)
            ]
            assert (due, count) == (sum(row[3] - row[4] for row in inside), len(inside))
        assert len(each.items) == 50
        ages = [item.days_past_due for item in each.items]
        assert ages == sorted(ages, reverse=True)
        assert ages[0] == max(20_000 - row[5] for row in opened)
