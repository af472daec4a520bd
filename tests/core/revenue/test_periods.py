"""Billing periods against counting months by hand: no gap, no overlap, no short month that moves the later ones."""

from __future__ import annotations

import calendar
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fluxrate.core.calendar import parse_instant, rfc3339
from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.periods import Periods, Stretch, stretches
from fluxrate.core.zones import DAY
from tests.core.revenue.test_mrr import plan


def subscription(start: str, **more: str | None) -> Subscription:
    instants = {name: None if text is None else parse_instant(text) for name, text in more.items()}
    made = Subscription(
        1, "1", None, 1, 1, "ACTIVE", 1, 0, "USD", parse_instant(start), None, None, None, None, 1, 0, 0
    )
    return replace(made, **instants)


def periods(of: Subscription, own: Plan) -> Periods:
    return Periods(of, [State(of.start, "ACTIVE", 1, 1)], {1: own})


def period_at(of: Subscription, own: Plan, instant: int) -> tuple[int, int]:
    return periods(of, own).at(instant)


def said(period: tuple[int, int]) -> tuple[str, ...]:
    return tuple(rfc3339(instant).removesuffix("T00:00:00Z") for instant in period)


def test_the_end_of_a_month_comes_back():
    """31 January, 28 February, 31 March: the anchor is kept, also through a leap year and on the 29th and 30th."""
    monthly, at = subscription("2024-01-31T08:30:00Z"), parse_instant("2024-02-10T00:00:00Z")
    found = []
    period = period_at(monthly, plan(), at)
    for _ in range(4):
        found.append(rfc3339(period[0]))
        period = periods(monthly, plan()).after(period)
    assert found == ["2024-01-31T08:30:00Z", "2024-02-29T08:30:00Z", "2024-03-31T08:30:00Z", "2024-04-30T08:30:00Z"]
    yearly = subscription("2024-02-29")
    assert said(period_at(yearly, plan(interval="year"), parse_instant("2025-06-01"))) == ("2025-02-28", "2026-02-28")
    assert said(period_at(yearly, plan(interval="year"), parse_instant("2028-06-01"))) == ("2028-02-29", "2029-02-28")


@pytest.mark.parametrize("interval", ["day", "week", "month", "year"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_generated_periods(interval, count):
    """Each period ends where the next begins, holds the instant it was asked by, and begins where a loop arrives."""
    rng = random.Random(count)
    own = plan(interval=interval, count=count)
    for _ in range(50):
        year, month, day = rng.randint(2000, 2030), rng.randint(1, 12), rng.randint(1, 28)
        start = datetime(year, month, day, rng.randint(0, 23), tzinfo=UTC)
        start = start.replace(day=rng.choice((day, calendar.monthrange(year, month)[1])))
        found = subscription(start.isoformat())
        at = found.start + rng.randint(0, 3_000 * DAY)
        period = period_at(found, own, at)
        assert period[0] <= at < period[1]
        assert periods(found, own).after(period)[0] == period[1]
        assert period_at(found, own, period[1] - 1) == period
        assert period[0] in set(loop(start, interval, count, period[0]))


def loop(start: datetime, interval: str, count: int, until: int):
    """Every begin of a period up to an instant, one after another."""
    number = 0
    while True:
        if interval in ("day", "week"):
            at = parse_instant(start.isoformat()) + number * count * DAY * (7 if interval == "week" else 1)
        else:
            month = start.month - 1 + number * count * (12 if interval == "year" else 1)
            year, month = start.year + month // 12, month % 12 + 1
            day = min(start.day, calendar.monthrange(year, month)[1])
            at = parse_instant(start.replace(year=year, month=month, day=day).isoformat())
        if at > until:
            return
        yield at
        number += 1


def test_a_trial_comes_before_the_first_period():
    tried = subscription("2025-01-10", trial_end="2025-01-24")
    assert said(period_at(tried, plan(), parse_instant("2025-01-11"))) == ("2025-01-10", "2025-01-24")
    assert said(period_at(tried, plan(), parse_instant("2025-02-01"))) == ("2025-01-24", "2025-02-24")
    assert said(period_at(tried, plan(), parse_instant("2020-01-01"))) == ("2025-01-10", "2025-01-24")


def test_the_billers_own_period_is_taken_as_it_is():
    """One that is not counted from the start moves those after it, and those before end where it begins."""
    own = subscription("2025-01-10", period_start="2025-03-01", period_end="2025-04-01")
    months = [said(period_at(own, plan(), parse_instant(f"2025-{month:02}-15"))) for month in range(1, 6)]
    assert months == [
        ("2025-01-10", "2025-02-01"), ("2025-02-01", "2025-03-01"), ("2025-03-01", "2025-04-01"),
        ("2025-04-01", "2025-05-01"), ("2025-05-01", "2025-06-01"),
    ]  # fmt: skip
    same = subscription("2025-01-31", period_start="2025-02-28", period_end="2025-03-31")
    assert said(period_at(same, plan(), parse_instant("2025-04-15"))) == ("2025-03-31", "2025-04-30")
    short = subscription("2025-01-10", period_start="2025-02-10", period_end="2025-02-20")
    assert said(period_at(short, plan(), parse_instant("2025-02-15"))) == ("2025-02-10", "2025-02-20")
    assert said(period_at(short, plan(), parse_instant("2025-02-25"))) == ("2025-02-20", "2025-03-10")


def test_a_plan_of_another_interval_begins_its_own_periods():
    """The change ends the month that runs, and years are counted from it; a plan of the same interval ends nothing."""
    changes = (("2025-01-10", 1), ("2025-02-01", 3), ("2025-03-20", 2))
    history = [State(parse_instant(day), "ACTIVE", pk, 1) for day, pk in changes]
    found = Periods(subscription("2025-01-10"), history, {1: plan(), 2: plan(interval="year"), 3: plan()})
    period, seen = found.at(0), []
    for _ in range(5):
        seen.append(said(period))
        period = found.after(period)
    assert seen == [
        ("2025-01-10", "2025-02-10"), ("2025-02-10", "2025-03-10"), ("2025-03-10", "2025-03-20"),
        ("2025-03-20", "2026-03-20"), ("2026-03-20", "2027-03-20"),
    ]  # fmt: skip


def test_only_billable_time_counts():
    """Trial and pause are left out, PAST_DUE is in, a change of quantity divides nothing, one of plan does."""
    history = [
        State(0, "TRIAL", 1, 1), State(10, "ACTIVE", 1, 1), State(20, "ACTIVE", 1, 5), State(30, "PAST_DUE", 1, 5),
        State(40, "PAUSED", 1, 5), State(50, "ACTIVE", 1, 5), State(60, "ACTIVE", 2, 5), State(70, "CANCELED", 2, 5),
    ]  # fmt: skip
    assert stretches(history, 0, 100) == [Stretch(1, 10, 40), Stretch(1, 50, 60), Stretch(2, 60, 70)]
    assert stretches(history, 35, 55) == [Stretch(1, 35, 40), Stretch(1, 50, 55)]
    assert stretches(history, 40, 50) == stretches(history, 70, 99) == stretches([], 0, 9) == []
