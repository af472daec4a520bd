"""What MRR figures are made of, on generated histories: the parts add up to the figure and are those of slow Python."""

from __future__ import annotations

import random

import pytest

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.revenue import behind, mrr
from tests.core.revenue import slow
from tests.core.revenue.test_mrr import DAY, START, ZONES, generated

MANY = 10_000


def arranged(plans, histories):
    rows = [
        (key, state.at, state.status, state.plan_pk, state.quantity, state.discount)
        for key, history in histories.items()
        for state in history
    ]
    steps = mrr.steps_of(rows, plans, {key: key % 3 for key in histories})
    return {code: mrr.arranged(code, found) for code, found in steps.items()}


@pytest.mark.parametrize("part", range(4))
def test_the_parts_add_up_to_every_movement_and_point(part):
    """100 histories each: the changes of each bucket and kind come to the movement, the carriers to the MRR."""
    rng = random.Random(part)
    for _ in range(100):
        plans, histories = generated(rng)
        start = START + rng.randint(-20, 10) * DAY + rng.choice((0, rng.randint(0, DAY)))
        buckets = calendar.buckets(
            Window(start, start + rng.randint(1, 40) * DAY, rng.choice(ZONES)), rng.choice(("day", "week", "month"))
        )
        edges = buckets.edges.tolist()
        for steps in arranged(plans, histories).values():
            found = mrr.measure(steps, edges, buckets.labels)
            for place, point in enumerate(found.points):
                for kind, moved in zip(mrr.MOVEMENTS, point.movements, strict=True):
                    made_of = behind.changes(steps, edges[place], edges[place + 1], (kind,), MANY)
                    assert made_of.amount == sum(item.amount for item in made_of.items) == moved
                    assert made_of.count == len(made_of.items)
                    assert {item.kind for item in made_of.items} <= {kind}
                carried = behind.carried(steps, edges[place + 1], MANY)
                assert carried.mrr == sum(item.mrr for item in carried.items) == point.mrr
                assert carried.active_subscriptions == len(carried.items) == point.active_subscriptions
            opening = behind.carried(steps, edges[0], MANY)
            assert (opening.mrr, opening.active_subscriptions) == (found.opening_mrr, found.opening_subscriptions)
            assert len({item.customer for item in opening.items}) == found.opening_customers
            check_payers(steps, edges[-1], (found.mrr, found.active_customers, found.arpa))
            check_payers(steps, edges[0], (found.opening_mrr, found.opening_customers, found.opening_arpa))
            check_retention(steps, edges, found)


def check_payers(steps, instant, wanted):
    """The customers come to the MRR, and each has what its subscriptions carry."""
    found, carriers = behind.payers(steps, instant, MANY), behind.carried(steps, instant, MANY).items
    assert (found.mrr, found.active_customers, found.arpa) == wanted
    assert found.mrr == sum(item.mrr for item in found.items)
    told = {item.customer: (item.mrr, item.active_subscriptions) for item in found.items}
    mine = {key: [item.mrr for item in carriers if item.customer == key] for key in {c.customer for c in carriers}}
    assert told == {key: (sum(amounts), len(amounts)) for key, amounts in mine.items()}
    assert len(found.items) == found.active_customers
    assert [item.mrr for item in found.items] == sorted((item.mrr for item in found.items), reverse=True)
    assert behind.payers(steps, instant, 1, 1).items == found.items[1:2]


def check_retention(steps, edges, measured):
    """What was active at the start comes to the opening figures, to what is lost and to what is retained."""
    found = behind.retention(steps, edges[0], edges[-1], MANY)
    items = found.items
    assert found.count == len(items) == found.opening_active_subscriptions == measured.opening_subscriptions
    assert sum(item.opening_mrr for item in items) == found.opening_mrr == measured.opening_mrr
    assert sum(item.retained_mrr for item in items) == found.retained_mrr == measured.retained_mrr
    assert sum(item.lost for item in items) == found.lost_subscriptions == measured.lost_subscriptions
    assert (found.churn_rate, found.net_revenue_retention) == (measured.churn_rate, measured.net_revenue_retention)
    before, after = (
        {item.subscription: item for item in behind.carried(steps, edge, MANY).items} for edge in (edges[0], edges[-1])
    )
    for item in items:
        now = after.get(item.subscription)
        assert item.opening_mrr == before.pop(item.subscription).mrr
        assert (item.mrr, item.lost) == (now.mrr if now else 0, now is None)
        assert item.retained_mrr == (item.mrr if item.opening_mrr else 0)
    assert not before
    assert [item.lost for item in items] == sorted((item.lost for item in items), reverse=True)
    lost, kept = (behind.retention(steps, edges[0], edges[-1], MANY, lost=value) for value in (True, False))
    assert lost.items + kept.items == items
    assert (lost.count, kept.count) == (len(lost.items), len(kept.items))
    assert lost.retained_mrr == kept.retained_mrr == found.retained_mrr
    assert behind.retention(steps, edges[0], edges[-1], 2, 1).items == items[1:3]


def test_each_change_is_told_as_it_was():
    """Who, when, from what to what, in order of time; and with a limit the sums stay those of all."""
    rng = random.Random(11)
    for _ in range(100):
        plans, histories = generated(rng)
        start, end = START - 10 * DAY, START + 20 * DAY
        for code, steps in arranged(plans, histories).items():
            wanted = []
            for key, history in histories.items():
                if plans[history[0].plan_pk].currency != code:
                    continue
                for instant in sorted({state.at for state in history}):
                    was, now = (slow.carried(slow.before(history, at), plans) for at in (instant, instant + 1))
                    if was != now and start <= instant < end:
                        wanted.append((instant, key, was, now, key % 3))
            found = behind.changes(steps, start, end, mrr.MOVEMENTS, MANY)
            told = [(item.at, item.subscription, item.before, item.mrr, item.customer) for item in found.items]
            assert told == sorted(wanted)
            some = behind.changes(steps, start, end, mrr.MOVEMENTS, 2)
            assert some.items == found.items[:2]
            assert behind.changes(steps, start, end, mrr.MOVEMENTS, 2, 1).items == found.items[1:3]
            assert (some.amount, some.count) == (found.amount, found.count)


def test_what_customers_carry():
    """The sum over a customer's subscriptions at an instant, of those customers alone that were asked for."""
    steps = mrr.arranged(
        "USD", [mrr.Step(1, 5, 10, 100, True), mrr.Step(2, 5, 20, 30, True), mrr.Step(3, 6, 10, 7, True)]
    )
    assert behind.of_customers(steps, 15, [5, 6]) == {5: 100, 6: 7}
    assert behind.of_customers(steps, 20, [5]) == {5: 130}
    assert behind.of_customers(steps, 9, [5, 6]) == {}
