"""Usage of subscriptions and what lies ahead against plain loops over events, on generated histories."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest

from fluxrate.core import calendar
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.revenue import plans
from fluxrate.core.revenue.model import Charge, Plan, State, Subscription
from fluxrate.core.revenue.mrr import CARRYING
from fluxrate.core.revenue.periods import Periods
from fluxrate.core.services import Services
from tests.core.revenue.test_pricing import slow
from tests.instances import NOW, make_meter, new, open_instance

DAY = 86_400_000_000
REACH = 28 * DAY
TIERS = [
    {"up_to": "50.5", "unit_price": "0.10"},
    {"up_to": "300", "unit_price": "0.07", "flat_amount": "2"},
    {"up_to": None, "unit_price": "0.001"},
]


@dataclass
class World:
    parts: Services
    meters: dict[str, Meter]
    plans: dict[int, Plan]
    histories: dict[int, list[State]]
    subscriptions: dict[int, Subscription]
    events: dict[str, list[tuple[int, int, int, str]]]
    """By meter: customer's key, instant, scaled quantity, person."""


def charges(rng: random.Random, currency: str) -> list[dict[str, object]]:
    fixed = {"charge_type": "FIXED", "amount": str(rng.randint(1, 500))}
    found = [fixed]
    for name in rng.sample(("calls", "visits", "peak", "people", "rate"), rng.randint(0, 4)):
        usage = {"charge_type": "USAGE", "meter_id": name, "status": rng.choice(("ACTIVE", "ACTIVE", "INACTIVE"))}
        if rng.random() < 0.3:
            found.append(usage | {"unit_price": "0.375"})
        else:
            found.append(usage | {"tier_mode": rng.choice(("graduated", "volume")), "tiers": TIERS})
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Sixty subscriptions of twenty customers on eight plans, with all kinds of changes, and events on five meters."""
    rng = random.Random(6)
    parts = open_instance(tmp_path_factory.mktemp("usage"))
    kinds = {"calls": "SUM", "visits": "COUNT", "peak": "MAX", "people": "UNIQUE_COUNT", "rate": "AVG"}
    meters = {
        name: make_meter(parts, name, kind, decimals=2, property_name="who" if kind == "UNIQUE_COUNT" else None)
        for name, kind in kinds.items()
    }
    parts.ingest.store([new(meters["calls"], customer=f"c{i}", ts=1) for i in range(20)])
    events: dict[str, list[tuple[int, int, int, str]]] = {name: [] for name in meters}
    sent = []
    for _ in range(12_000):
        name, customer = rng.choice(tuple(meters)), rng.randrange(20)
        at, quantity, who = NOW - rng.randint(-DAY, 200 * DAY), rng.randint(1, 3_000), rng.choice("abcdefgh")
        sent.append(new(meters[name], at, quantity, f"c{customer}", metadata={"who": who}))
        events[name].append((parts.store.customers.by_external_id(f"c{customer}").pk, at, quantity, who))
    parts.ingest.store(sent)
    made = [
        plans.create(
            parts.store,
            parts.catalog.meter,
            {
                "name": "P",
                "plan_type": "HYBRID",
                "currency": ("USD", "JPY")[i % 2],
                "billing_interval": rng.choice(("month", "month", "week", "year", "day")),
                "interval_count": rng.choice((1, 1, 2)),
                "charges": charges(rng, "USD"),
            },
            NOW,
        )
        for i in range(8)
    ]
    histories, subscriptions = {}, {}
    for i in range(60):
        kind, at = i % 2, NOW - rng.randint(0, 180 * DAY)
        history = []
        for _ in range(rng.choice((1, 1, 2, 3, 5))):
            status = rng.choice(("ACTIVE", "ACTIVE", "ACTIVE", "PAST_DUE", "TRIAL", "PAUSED", "CANCELED"))
            plan = rng.choice([plan for plan in made if plan.currency == ("USD", "JPY")[kind]])
            history.append(State(at, status, plan.pk, rng.choice((1, 3)), rng.choice((0, 0, 250_000))))
            at = min(NOW, at + rng.randint(1, 40 * DAY))
        last, start = history[-1], history[0].at
        known = rng.random() < 0.2
        values = {
            "external_id": f"s{i}", "customer_pk": parts.store.customers.by_external_id(f"c{rng.randrange(20)}").pk,
            "plan_pk": last.plan_pk, "status": last.status, "quantity": last.quantity, "discount": last.discount,
            "currency": ("USD", "JPY")[kind], "start": start,
            "trial_end": start + 9 * DAY if rng.random() < 0.3 else None,
            "period_start": NOW - 5 * DAY if known else None, "period_end": NOW + 11 * DAY if known else None,
        }  # fmt: skip
        row = parts.store.subscriptions.create(values, history, NOW)
        histories[row.pk], subscriptions[row.pk] = history, row
    yield World(parts, meters, {plan.pk: plan for plan in made}, histories, subscriptions, events)
    parts.close()


def state_at(history: list[State], instant: int) -> State | None:
    found = None
    for state in history:
        if state.at <= instant:
            found = state
    return found


def figure(world: World, name: str, rows: list[tuple[int, int, int, str]]):
    """A meter's figure of some of its events."""
    scaled = [quantity for _, _, quantity, _ in rows]
    if name == "visits":
        return len(rows)
    if name == "people":
        return len({who for *_, who in rows})
    if name == "calls":
        return Decimal(sum(scaled)).scaleb(-2)
    if not rows:
        return None
    if name == "peak":
        return Decimal(max(scaled)).scaleb(-2)
    average = Fraction(sum(scaled), 100 * len(scaled))
    return Decimal(round(average * 10**8)).scaleb(-8)


def used(world: World, subscription: Subscription, plan: Plan, charge: Charge, start: int, until: int):
    """The usage that a charge bills: event by event, asking what the subscription was at that instant."""
    history = world.histories[subscription.pk]
    name = next(name for name, meter in world.meters.items() if meter.id == charge.meter_id)

    def billed(instant: int) -> bool:
        state = state_at(history, instant)
        return state is not None and state.status in CARRYING and state.plan_pk == plan.pk

    mine = [row for row in world.events[name] if row[0] == subscription.customer_pk and start <= row[1] < until]
    if name in ("calls", "visits"):
        return figure(world, name, [row for row in mine if billed(row[1])])
    edges = sorted({start, until, *(state.at for state in history if start < state.at < until)})
    inside = [(a, b) for a, b in pairwise(edges) if billed(a)]
    return figure(world, name, [row for row in mine if inside and inside[0][0] <= row[1] < inside[-1][1]])


def billed_plans(world: World, subscription: Subscription, start: int, until: int) -> list[Plan]:
    """The plans under which some of the time is billed."""
    history = world.histories[subscription.pk]
    edges = [start, *(state.at for state in history if start < state.at < until)]
    states = [state_at(history, edge) for edge in edges] if start < until else []
    found = [state.plan_pk for state in states if state is not None and state.status in CARRYING]
    return [world.plans[pk] for pk in dict.fromkeys(found)]


def metered(plan: Plan) -> list[Charge]:
    return [charge for charge in plan.charges if (charge.charge_type, charge.status) == ("USAGE", "ACTIVE")]


def test_every_period_of_every_subscription(world):
    """Each charge has the usage and the price that a loop over the events finds, and they add up."""
    seen = whole = 0
    for pk, subscription in world.subscriptions.items():
        periods = Periods(subscription, world.histories[pk], world.plans)
        period = periods.at(subscription.start)
        for _ in range(30):
            until = max(period[0], min(period[1], NOW))
            found = world.parts.revenue.usage_of(subscription, period[0], NOW)
            assert (found.start, found.end, found.until) == (*period, until)
            wanted = [
                (plan.pk, charge.name, used(world, subscription, plan, charge, period[0], until))
                for plan in billed_plans(world, subscription, period[0], until)
                for charge in metered(plan)
            ]
            assert [(line.plan.pk, line.charge.name, line.usage) for line in found.charges] == wanted
            for line in found.charges:
                name = line.meter.meter_name
                rows = [
                    row
                    for row in world.events[name]
                    if row[0] == subscription.customer_pk and line.start <= row[1] < line.end
                ]
                if line.contiguous:
                    assert figure(world, name, rows) == line.usage
                    whole += 1
                assert line.amount == slow(line.charge, line.usage, subscription.currency)
            assert found.total == sum(line.amount for line in found.charges)
            seen += sum(1 for line in found.charges if line.amount)
            period = periods.after(period)
    assert seen > 100
    assert whole > 100


@pytest.mark.parametrize("group", ["day", "week", "month"])
def test_usage_revenue_over_time(world, group):
    """Each bucket has the periods that ended in it, whatever window is asked about, and twice the same."""
    rng = random.Random(group)
    for _ in range(4):
        start = NOW - rng.randint(1, 150) * DAY
        window = Window(start, start + rng.randint(1, 120) * DAY, rng.choice(("UTC", "Europe/Berlin")))
        buckets = calendar.buckets(window, group)
        edges = buckets.edges.tolist()
        wanted: dict[str, list[list[int]]] = {}
        for subscription in world.subscriptions.values():
            periods = Periods(subscription, world.histories[subscription.pk], world.plans)
            period = periods.at(subscription.start)
            while period[1] <= min(window.end, NOW):
                cost = [
                    slow(charge, used(world, subscription, plan, charge, *period), subscription.currency)
                    for plan in billed_plans(world, subscription, *period)
                    for charge in metered(plan)
                ]
                if period[1] > window.start and billed_plans(world, subscription, *period):
                    rows = wanted.setdefault(subscription.currency, [[0, 0] for _ in buckets.labels])
                    place = next(i for i in range(len(rows)) if edges[i] < period[1] <= edges[i + 1])
                    rows[place][0] += sum(cost)
                    rows[place][1] += 1
                period = periods.after(period)
        for _ in range(2):
            found, _ = world.parts.revenue.usage(window, group, NOW)
            for each in found:
                mine = [[bucket.amount, bucket.periods] for bucket in each.buckets]
                assert [row[0] for row in mine] == [row[0] for row in wanted[each.currency]]
                assert each.amount == sum(row[0] for row in mine)
                assert all(row[1] <= most[1] for row, most in zip(mine, wanted[each.currency], strict=True))
            assert {code for code, rows in wanted.items() if any(row[0] for row in rows)} <= {e.currency for e in found}


def test_usage_revenue_is_the_sum_of_the_periods_that_are_listed(world):
    """To the cent and to the last period, whatever the window; each is as its subscription tells it."""
    rng, parts, seen = random.Random(3), world.parts, 0
    for _ in range(6):
        start = NOW - rng.randint(1, 150) * DAY
        window = Window(start, start + rng.randint(1, 120) * DAY, rng.choice(("UTC", "Asia/Kathmandu")))
        figures = {each.currency: each for each in parts.revenue.usage(window, "week", NOW)[0]}
        found, as_of = parts.revenue.billed_periods(window, NOW, limit=10_000)
        assert as_of == parts.engine.as_of()
        assert [each.currency for each in found.data] == sorted(figures)
        for each in found.data:
            figure = figures[each.currency]
            assert each.amount == sum(item.amount for item in each.items) == figure.amount
            assert each.billing_periods == len(each.items) == sum(bucket.periods for bucket in figure.buckets)
            assert [item.amount for item in each.items] == sorted((item.amount for item in each.items), reverse=True)
            for item in each.items:
                subscription = world.subscriptions[item.subscription]
                told = parts.revenue.usage_of(subscription, item.start, NOW)
                assert (told.start, told.end, told.total) == (item.start, item.end, item.amount)
                assert (item.customer, subscription.currency) == (subscription.customer_pk, each.currency)
                assert found.subscriptions[item.subscription] == subscription.id
                seen += 1
            some = parts.revenue.billed_periods(window, NOW, currency=each.currency, limit=3, skip=2)[0].data
            assert [(one.amount, one.items) for one in some] == [(each.amount, each.items[2:5])]
    assert seen > 100


def expected(world: World, subscription: Subscription):
    """Of a subscription its periods, whether it goes on, fixed amount, and usage: expected, certain, next."""
    history = world.histories[subscription.pk]
    state = state_at(history, NOW)
    periods = Periods(subscription, history, world.plans)
    period = periods.at(NOW)
    following = periods.after(period)
    going = state.status in CARRYING
    usage = [0, 0, 0]
    for plan in billed_plans(world, subscription, period[0], NOW):
        if not (going and plan.pk == state.plan_pk):
            for charge in metered(plan):
                cost = slow(charge, used(world, subscription, plan, charge, period[0], NOW), subscription.currency)
                usage[0] += cost
                usage[1] += cost
    if not going:
        return period, following, bool(billed_plans(world, subscription, period[0], NOW)), False, 0, usage
    plan = world.plans[state.plan_pk]
    since = max(NOW - REACH, subscription.start)
    length, left, whole = max(NOW - since, DAY), period[1] - NOW, following[1] - following[0]
    for charge in metered(plan):
        name = next(name for name, meter in world.meters.items() if meter.id == charge.meter_id)
        rows = [row for row in world.events[name] if row[0] == subscription.customer_pk and since <= row[1] < NOW]
        so_far = Fraction(used(world, subscription, plan, charge, period[0], NOW) or 0)
        lately = Fraction(figure(world, name, rows) or 0)
        if name in ("calls", "visits"):
            smallest = 100
            share = [
                Fraction(
                    (2 * int(lately * smallest) * (part // 10**6) + length // 10**6) // (2 * (length // 10**6)),
                    smallest,
                )
                for part in (left, whole)
            ]
            ahead = (so_far + share[0], share[1])
        else:
            ahead = (max(so_far, lately), lately)
        costs = [slow(charge, value, subscription.currency) for value in (ahead[0], so_far, ahead[1])]
        usage[0] += costs[0]
        usage[1] += min(costs[:2])
        usage[2] += costs[2]
    amounts = sum(c.amount for c in plan.charges if (c.charge_type, c.status) == ("FIXED", "ACTIVE"))
    fixed = round(Fraction(amounts * state.quantity * (1_000_000 - state.discount), 1_000_000))
    return period, following, True, True, fixed, usage


@pytest.mark.parametrize("ends", [None, (NOW, NOW + 12 * DAY), (NOW + 12 * DAY, NOW + 60 * DAY)])
def test_what_lies_ahead(world, ends):
    """Current and next periods of each currency, what of them is certain, within a window or not; twice the same."""
    within = lambda period: ends is None or ends[0] < period[1] <= ends[1]  # noqa: E731
    wanted = {code: [[0] * 4, [0] * 4] for code in ("JPY", "USD")}
    for subscription in world.subscriptions.values():
        period, following, counts, going, fixed, usage = expected(world, subscription)
        current, later = wanted[subscription.currency]
        if counts and within(period):
            for place, value in enumerate((1, fixed, usage[0], usage[1])):
                current[place] += value
        if going and within(following):
            for place, value in enumerate((1, fixed, usage[2], 0)):
                later[place] += value
    for _ in range(2):
        found, as_of = world.parts.revenue.forecast(NOW, ends=ends)
        assert as_of == world.parts.engine.as_of()
        assert [each.currency for each in found] == ["JPY", "USD"]
        for each in found:
            for mine, rows in zip((each.current, each.next), wanted[each.currency], strict=True):
                assert [mine.subscriptions, mine.fixed, mine.usage, mine.used] == rows
                assert mine.certain <= mine.total
        carried = world.parts.revenue.mrr(Window(NOW - DAY, NOW + 1, "UTC"), "month")
        assert {each.currency: each.mrr for each in found} == {each.currency: each.mrr for each in carried}
    assert [each.currency for each in world.parts.revenue.forecast(NOW, currency="JPY")[0]] == ["JPY"]


@pytest.mark.parametrize("ends", [None, (NOW, NOW + 12 * DAY), (NOW + 12 * DAY, NOW + 60 * DAY)])
def test_the_forecast_is_the_sum_of_the_periods_that_are_listed(world, ends):
    """Each part of it to the cent, of current and of next periods; and each period is what a plain loop finds."""
    parts = world.parts
    figures = {each.currency: each for each in parts.revenue.forecast(NOW, ends=ends)[0]}
    found, as_of = parts.revenue.expected_periods(NOW, ends=ends, limit=10_000)
    assert as_of == parts.engine.as_of()
    assert [each.currency for each in found.data] == sorted(figures)
    for each in found.data:
        figure = figures[each.currency]
        assert each.ahead == figure
        assert each.count == len(each.items) == figure.current.subscriptions + figure.next.subscriptions
        for name, sums in (("current", figure.current), ("next", figure.next)):
            items = [item for item in each.items if item.billing_period == name]
            for part in ("fixed", "usage", "total", "certain"):
                assert sum(getattr(item, part) for item in items) == getattr(sums, part)
                ordered, _ = parts.revenue.expected_periods(
                    NOW, ends=ends, currency=each.currency, billing_period=name, by=part, limit=10_000
                )
                (mine,) = ordered.data
                amounts = [getattr(item, part) for item in mine.items]
                assert amounts == sorted(amounts, reverse=True)
                assert (mine.count, set(mine.items), mine.ahead) == (len(items), set(items), figure)
            for item in items:
                subscription = world.subscriptions[item.subscription]
                period, following, _, _, fixed, usage = expected(world, subscription)
                assert (item.start, item.end) == (period if name == "current" else following)
                assert item.fixed == fixed
                assert [item.usage, item.certain - fixed] == (usage[:2] if name == "current" else [usage[2], 0])
        some = parts.revenue.expected_periods(NOW, ends=ends, currency=each.currency, limit=2, skip=1)[0].data
        assert some[0].items == each.items[1:3]


def test_only_what_has_changed_is_read_again(world):
    """A subscription that was changed is another entry, and the others are those that were there before."""
    books, store = world.parts.revenue._books, world.parts.store
    before = {entry.subscription.pk: entry for entry in books.now().entries}
    assert list(before) == sorted(world.subscriptions)
    pk = next(iter(before))
    row = before[pk].subscription
    at = max(NOW, before[pk].history[-1].at) + 1
    state = State(at, "PAUSED", row.plan_pk, row.quantity)
    changed = store.subscriptions.update(row, {"status": "PAUSED"}, [state], NOW)
    after = {entry.subscription.pk: entry for entry in books.now().entries}
    assert {key for key, entry in after.items() if entry is not before[key]} == {pk}
    assert (after[pk].subscription, after[pk].history) == (changed, (*before[pk].history, state))
    store.subscriptions.delete(pk)
    assert pk not in {entry.subscription.pk for entry in books.now().entries}
