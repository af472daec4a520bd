"""MRR against slow Python on generated histories: every figure at every step, movements that reconcile to the cent."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.revenue import mrr
from fluxrate.core.revenue.model import INTERVALS, SUBSCRIPTION_STATUSES, Charge, Plan, State
from tests.core.revenue import slow

DAY = 86_400_000_000
START = 1_740_787_200_000_000
"""2025-03-01T00:00:00Z"""
ZONES = ("UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata")


def plan(pk: int = 1, amount: int = 1000, interval: str = "month", count: int = 1, currency: str = "USD") -> Plan:
    charges = (Charge("FIXED", "base", amount=amount),)
    return Plan(pk, str(pk), None, "P", "FIXED", interval, count, currency, 0, charges, 0, 0)


def generated(rng: random.Random) -> tuple[dict[int, Plan], dict[int, list[State]]]:
    """A few plans of two currencies, and subscriptions that go through all kinds of changes, some at one instant."""
    plans = {}
    for pk in range(1, 7):
        made = plan(
            pk, rng.randint(0, 99_999), rng.choice(INTERVALS), rng.choice((1, 1, 2, 3, 7)), ("USD", "JPY")[pk % 2]
        )
        more = [Charge("FIXED", "x", rng.choice(("ACTIVE", "INACTIVE")), rng.randint(0, 999))]
        usage = [Charge("USAGE", "y", meter_id="m", unit_price=Decimal("0.1"))]
        plans[pk] = replace(made, charges=(*made.charges, *more, *usage))
    histories = {}
    for key in range(1, rng.randint(2, 8)):
        at, kind = START + rng.randint(-40 * DAY, 20 * DAY) // DAY * DAY, rng.randint(0, 1)
        histories[key] = []
        for _ in range(rng.randint(1, 8)):
            chosen = rng.choice([pk for pk in plans if pk % 2 == kind])
            discount = rng.choice((0, 0, 125_000, 333_333, 1_000_000))
            status = rng.choice(SUBSCRIPTION_STATUSES)
            histories[key].append(State(at, status, chosen, rng.choice((0, 1, 2, 17)), discount))
            at += rng.choice((0, 1, DAY, rng.randint(1, 15 * DAY)))
    return plans, histories


def measured(plans, histories, window: Window, group: str) -> dict[str, mrr.Mrr]:
    rows = [
        (key, state.at, state.status, state.plan_pk, state.quantity, state.discount)
        for key, history in histories.items()
        for state in history
    ]
    buckets = calendar.buckets(window, group)
    steps = mrr.steps_of(rows, plans, {key: key % 3 for key in histories})
    return {
        code: mrr.measure(mrr.arranged(code, found), buckets.edges.tolist(), buckets.labels)
        for code, found in steps.items()
    }


@pytest.mark.parametrize("part", range(10))
def test_generated_histories(part):
    """100 histories each: MRR and active subscriptions at each bucket's end, each movement, and their sum."""
    rng = random.Random(part)
    for _ in range(100):
        plans, histories = generated(rng)
        start = START + rng.randint(-20, 10) * DAY + rng.choice((0, rng.randint(0, DAY)))
        window = Window(start, start + rng.randint(1, 40) * DAY, rng.choice(ZONES))
        group = rng.choice(("day", "day", "week", "month"))
        edges = calendar.buckets(window, group).edges.tolist()
        for code, found in measured(plans, histories, window, group).items():
            wanted = [slow.total(histories, plans, code, edge) for edge in edges]
            assert found.opening_mrr == wanted[0][0]
            assert [(point.mrr, point.active_subscriptions) for point in found.points] == wanted[1:]
            moved = slow.movements(histories, plans, code, edges)
            assert [dict(zip(mrr.MOVEMENTS, point.movements, strict=True)) for point in found.points] == moved
            before = found.opening_mrr
            for point in found.points:
                assert point.mrr == before + sum(point.movements)
                before = point.mrr
            assert (found.mrr, found.arr) == (before, 12 * before)
            check_rates(found, plans, histories, code, edges)


def check_rates(found, plans, histories, code, edges) -> None:
    """Churn rate, retention and customers, from each subscription at both ends of the window."""
    mine = {key: history for key, history in histories.items() if plans[history[0].plan_pk].currency == code}
    ends = {key: [slow.before(history, edges[place]) for place in (0, -1)] for key, history in mine.items()}
    was = {key for key, (first, _) in ends.items() if first and first.status in mrr.CARRYING}
    still = {key for key, (_, last) in ends.items() if last and last.status in mrr.CARRYING}
    opening = sum(slow.carried(first, plans) for first, _ in ends.values())
    kept = sum(slow.carried(last, plans) for first, last in ends.values() if slow.carried(first, plans))
    assert found.active_customers == len({key % 3 for key in still})
    for rate, part, whole in (
        (found.churn_rate, len(was - still), len(was)),
        (found.net_revenue_retention, kept, opening),
    ):
        assert (rate is None) == (whole == 0)
        if whole:
            assert abs(Fraction(rate) - Fraction(part, whole)) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize(
    ("interval", "count", "amount", "worth"),
    [
        ("month", 1, 1000, 1000),
        ("month", 3, 1000, 333),
        ("year", 1, 12_000, 1000),
        ("year", 1, 10_000, 833),
        ("year", 2, 12_000, 500),
        ("week", 1, 1200, 5200),
        ("week", 2, 1200, 2600),
        ("day", 1, 12, 365),
        ("day", 30, 1000, 1014),
        ("year", 1, 6, 0),
        ("year", 1, 18, 2),
    ],
)
def test_normalised_to_a_month(interval, count, amount, worth):
    """A year is 12 months, 52 weeks or 365 days; half a minor unit goes to the even one."""
    assert mrr.of_subscription(mrr.of_plan(plan(1, amount, interval, count)), 1, 0) == worth


def test_a_change_counts_from_its_instant():
    """A change at the very end of a bucket belongs to the next one, and the figures are the same however one cuts."""
    plans = {1: plan()}
    histories = {1: [State(START + DAY, "ACTIVE", 1, 1), State(START + 3 * DAY, "ACTIVE", 1, 3)]}
    found = measured(plans, histories, Window(START, START + 4 * DAY, "UTC"), "day")["USD"]
    assert [point.mrr for point in found.points] == [0, 1000, 1000, 3000]
    assert [point.movements[:2] for point in found.points] == [(0, 0), (1000, 0), (0, 0), (0, 2000)]
    whole = measured(plans, histories, Window(START, START + 4 * DAY, "UTC"), "month")["USD"]
    assert [(point.mrr, point.movements) for point in whole.points] == [(3000, (1000, 2000, 0, 0, 0))]


def test_sums_beyond_64_bits_are_exact():
    """Amounts as large as a record may hold, times a quantity as large, are added exactly."""
    plans = {1: plan(1, 10**13, "day")}
    histories = {key: [State(START, "ACTIVE", 1, 10**9)] for key in range(1, 40)}
    found = measured(plans, histories, Window(START, START + DAY, "UTC"), "day")["USD"]
    one = round(Fraction(10**22 * 365, 12))
    assert (found.mrr, found.points[0].movements[0], found.arpa) == (39 * one, 39 * one, 13 * one)


def test_carried_at_an_instant():
    """What each subscription carries from the instant of its change on."""
    steps = [mrr.Step(1, 1, 10, 5, True), mrr.Step(2, 1, 20, 7, True), mrr.Step(1, 1, 30, 0, False)]
    arranged = mrr.arranged("USD", steps)
    assert [mrr.at_instant(arranged, at) for at in (9, 10, 20, 30)] == [{}, {1: 5}, {1: 5, 2: 7}, {2: 7}]
