"""Revenue at risk against a plain loop, and the edges of its buckets."""

from __future__ import annotations

import random

import pytest

from fluxrate.core.revenue import at_risk, money


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
        check_behind(rows, code, carried)
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


def test_very_many_invoices_of_the_largest_amount():
    """Sums beyond 64 bits are exact."""
    row = (1, "OPEN", "USD", money.MOST, 3, 20_000, 5, 6)
    lost = (2, "UNCOLLECTIBLE", "USD", money.MOST, 1, 20_000, 5, 6)
    (found,) = at_risk.measure([row] * 950_000 + [lost] * 950_000, {5: 7}, 20_000, 1)
    assert found.amount_due == 950_000 * (money.MOST - 3) == found.buckets[0][0] > 2**63
    assert found.uncollectible == 950_000 * (money.MOST - 1)
    assert (found.items[0].balance, found.mrr) == (money.MOST - 3, 7)


def check_behind(rows, code, carried) -> None:
    """With all items, the invoices, the subscriptions and what is given up each add up to their figure."""
    (each,) = at_risk.measure([row for row in rows if row[2] == code], carried, 20_000, len(rows), behind=True)
    assert sum(item.balance for item in each.items) == each.amount_due
    assert sum(item.balance for item in each.given_up) == each.uncollectible
    assert len(each.given_up) == each.given_up_invoices
    assert sum(one.balance for one in each.behind) == each.amount_due
    assert sum(one.invoices for one in each.behind) == each.invoices
    assert sum(one.mrr for one in each.behind) == each.mrr
    for one in each.behind:
        mine = [item for item in each.items if item.subscription == one.subscription]
        assert (one.balance, one.invoices) == (sum(item.balance for item in mine), len(mine))
        assert one.days_past_due == max(item.days_past_due for item in mine)
        assert one.mrr == carried.get(one.subscription, 0)
    ages = [one.days_past_due for one in each.behind]
    assert ages == sorted(ages, reverse=True)


def test_the_due_dates_of_a_bucket():
    """A bucket's days past due are its due dates, seen from today."""
    for place in range(len(at_risk.BOUNDS)):
        first, last = at_risk.days_of(place, 20_000)
        inside = [
            due for due in range(19_700, 20_100) if (first is None or first <= due) and (last is None or due <= last)
        ]
        assert {at_risk.bucket_of(20_000 - due) for due in inside} == {place}
        assert inside == [due for due in range(19_700, 20_100) if at_risk.bucket_of(20_000 - due) == place]
