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
