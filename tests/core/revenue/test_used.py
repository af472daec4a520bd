"""Usage revenue of all subscriptions against the usage of each in each of its periods, where plans go to and fro."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.revenue import plans, used
from fluxrate.core.revenue.model import State, Subscription
from fluxrate.core.services import Services
from tests.instances import NOW, make_meter, new, open_instance

DAY = 86_400_000_000
TIERS = [{"up_to": "200", "unit_price": "0.10"}, {"up_to": None, "unit_price": "0.013", "flat_amount": "3"}]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Forty subscriptions that change every few days between three plans and a pause; events on three meters."""
    rng = random.Random(8)
    found = open_instance(tmp_path_factory.mktemp("used"))
    meters = [make_meter(found, name, kind) for name, kind in (("calls", "SUM"), ("peak", "MAX"), ("rate", "AVG"))]
    events = [
        new(rng.choice(meters), NOW - rng.randint(0, 150 * DAY), rng.randint(1, 90), f"c{rng.randrange(12)}")
        for _ in range(6_000)
    ]
    found.ingest.store(events)
    tiered = {"charge_type": "USAGE", "tier_mode": "graduated", "tiers": TIERS}
    charges = (
        [tiered | {"meter_id": name} for name in ("calls", "peak")],
        [tiered | {"meter_id": "rate"}, tiered | {"meter_id": "calls"}, tiered | {"meter_id": "calls"}],
        [],
    )
    made = [
        plans.create(
            found.store,
            found.catalog.meter,
            {"name": "P", "plan_type": "USAGE", "currency": currency, "charges": own},
            NOW,
        )
        for currency in ("USD", "EUR")
        for own in charges
    ]
    for number in range(40):
        of, at = made[:3] if number % 2 else made[3:], NOW - rng.randint(100, 150) * DAY
        start, history = at, []
        while at < NOW - DAY:
            history.append(State(at, rng.choice(("ACTIVE", "ACTIVE", "PAUSED")), rng.choice(of).pk, 1))
            at += rng.randint(1, 9 * DAY)
        values = {"customer_pk": found.store.customers.by_external_id(f"c{rng.randrange(12)}").pk}
        values |= {"plan_pk": history[-1].plan_pk, "status": history[-1].status, "quantity": 1, "discount": 0}
        found.store.subscriptions.create(
            values | {"external_id": f"s{number}", "currency": of[0].currency, "start": start}, history, NOW
        )
    yield found
    found.close()


def ended(parts: Services, window: Window) -> Iterator[tuple[Subscription, used.SubscriptionUsage]]:
    """Each subscription in each of its periods that ended within the window and has a share that was billed."""
    rows, _ = parts.store.subscriptions.list(page=1, page_size=100)
    for row in rows:
        at = row.start
        while (found := parts.revenue.usage_of(row, at, NOW)).end <= min(window.end, NOW):
            if found.end > window.start:
                yield row, found
            at = found.end


def test_all_as_the_sum_of_each(parts: Services) -> None:
    """By currency and month; a plan that is come back to within a period is one part, what does not add up is taken
    over all of it.
    """
    window = Window(NOW - 120 * DAY, NOW + DAY, "UTC")
    buckets = calendar.buckets(window, "month")
    edges = buckets.edges.tolist()
    sums: Counter[tuple[str, int]] = Counter()
    back = gaps = 0
    for row, found in ended(parts, window):
        place = max(place for place, edge in enumerate(edges) if edge < found.end)
        sums[row.currency, place] += found.total
        states = [state for state in parts.store.subscriptions.history(row.pk) if found.start <= state.at < found.end]
        back += len({state.plan_pk for state in states}) < len(states)
        gaps += any(state.status == "PAUSED" for state in states)
    assert min(back, gaps) > 50
    measured, _ = parts.revenue.usage(window, "month", NOW)
    assert [each.currency for each in measured] == ["EUR", "USD"]
    for each in measured:
        assert [one.amount for one in each.buckets] == [sums[each.currency, n] for n in range(len(edges) - 1)]
        assert each.amount == sum(one.amount for one in each.buckets) > 0
        alone, _ = parts.revenue.usage(window, "month", NOW, each.currency)
        assert alone == [each]


def test_each_period_by_plan(parts: Services) -> None:
    """The rows behind it: those of a period add up to its usage, and one of them is the first."""
    window = Window(NOW - 90 * DAY, NOW, "UTC")
    rows, _ = used.ended(parts.revenue._books.now(), parts.engine, window.start, window.end)
    costs: Counter[tuple[int, int, int]] = Counter()
    firsts: Counter[tuple[int, int, int]] = Counter()
    for entry, period, first, cost in rows:
        costs[entry.subscription.pk, *period] += cost
        firsts[entry.subscription.pk, *period] += first
    assert set(firsts.values()) == {1}
    assert len(rows) > len(firsts)
    wanted = {(row.pk, found.start, found.end): found.total for row, found in ended(parts, window)}
    assert {key: cost for key, cost in costs.items() if cost} == {key: cost for key, cost in wanted.items() if cost}
    assert sum(wanted.values()) > 0
