"""The periods of all subscriptions at once against those of each by itself, on generated subscriptions."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from fluxrate.core.revenue.book import Entry
from fluxrate.core.revenue.columns import Columns, currency_of, number_of
from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.periods import EVER, Periods, stretches
from fluxrate.core.revenue.usage import parts_within

DAY = 86_400_000_000
NOW = 1_750_000_000_000_000
CURRENCIES = ("USD", "EUR", "JPY")


def plan(pk: int, interval: str, count: int) -> Plan:
    return Plan(pk, f"p{pk}", None, "P", "FIXED", interval, count, CURRENCIES[pk % 3], 0, (), 0, 0)


PLANS = {
    pk: plan(pk, interval, count)
    for pk, (interval, count) in enumerate(
        (interval, count) for interval in ("day", "week", "month", "year") for count in (1, 2, 5, 13)
    )
}


def entry(rng: random.Random, pk: int) -> Entry:
    """A subscription with any history, and what a biller may say of its periods, likely or not."""
    day = rng.choice((rng.randint(0, 900), rng.randint(0, 20_000), 31 * rng.randint(0, 40)))
    start = NOW - day * DAY + rng.choice((0, 0, rng.randint(-DAY, DAY)))
    if rng.random() < 0.3:
        # At the end of a month, which others lack.
        start = int(datetime(rng.randint(1971, 2025), rng.choice((1, 3, 8)), 31, 7, tzinfo=UTC).timestamp()) * 1_000_000
    if rng.random() < 0.02:
        start = int(datetime(rng.choice((1, 999, 8500)), 2, 3, tzinfo=UTC).timestamp()) * 1_000_000
    at, history = start, []
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        status = rng.choice(("ACTIVE", "ACTIVE", "PAST_DUE", "TRIAL", "PAUSED", "CANCELED"))
        history.append(State(at, status, rng.randrange(len(PLANS)), 1))
        at += rng.choice((0, 1, rng.randint(0, 400 * DAY), 31 * DAY))
    known = start + rng.randint(-100 * DAY, 700 * DAY), start + rng.randint(-50 * DAY, 800 * DAY)
    kind = rng.random()
    named = (None, None) if kind < 0.5 else known if kind < 0.8 else (known[0], known[0] + 30 * DAY)
    if kind > 0.95:
        named = rng.choice(((known[0], None), (None, known[1])))
    trial = start + rng.randint(0, 40) * DAY if rng.random() < 0.3 else None
    row = Subscription(
        pk, f"s{pk}", None, rng.randrange(9), 0, "ACTIVE", 1, 0, rng.choice(CURRENCIES), start, trial, *named, None,
        1, 0, 0,
    )  # fmt: skip
    return Entry(row, tuple(history), Periods(row, history, PLANS), tuple(stretches(history, start, EVER)))


@pytest.fixture(params=range(6))
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def times(rng: random.Random) -> tuple[int, int]:
    since = NOW - rng.choice((rng.randint(-400, 900), rng.randint(0, 3_000))) * DAY
    return since, since + rng.choice((0, 1, rng.randint(0, 40 * DAY), rng.randint(-DAY, 1_000 * DAY)))


def test_all_periods_as_of_each(rng: random.Random) -> None:
    """The same periods, in the order of subscriptions and time, and the same parts of them, plan by plan."""
    entries = {pk: entry(rng, pk) for pk in rng.sample(range(1, 900), 300)}
    columns = Columns.none().changed((), entries.values())
    assert 0 < len(columns.odd) < 100
    seen = 0
    for _ in range(20):
        since, until = times(rng)
        keys = columns.on(rng.sample(range(len(PLANS)), 9), rng.choice((None, *CURRENCIES)))
        # Another one of the same kind each time: what is kept of the one before is no help.
        fresh = {pk: Entry(one.subscription, one.history, one.of, one.billed) for pk, one in entries.items()}
        found = columns.ended(keys, since, until, fresh)
        wanted = [(key, *period) for key in keys.tolist() for period in fresh[key].ended(since, until)]
        assert list(zip(found.keys.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True)) == wanted
        shares = columns.shares(found)
        parts: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for place, name, start, end in zip(
            *(column.tolist() for column in (shares.period, shares.plan, shares.starts, shares.ends)), strict=True
        ):
            parts.setdefault((place, name), []).append((start, end))
        assert parts == {
            (place, part.plan): list(part.spans)
            for place, (key, start, end) in enumerate(wanted)
            for part in parts_within(0, entries[key].billed, start, end)
        }
        seen += len(wanted)
    assert seen > 500


def test_whom_it_concerns(rng: random.Random) -> None:
    """Those that were billed under one of the plans, in a currency; each with its customer and currency."""
    entries = {pk: entry(rng, pk) for pk in range(1, 200)}
    columns = Columns.none().changed((), entries.values())
    for currency in (None, *CURRENCIES):
        plans = set(rng.sample(range(len(PLANS)), 3))
        wanted = [
            pk
            for pk, one in entries.items()
            if currency in (None, one.subscription.currency) and any(each.plan in plans for each in one.billed)
        ]
        keys = columns.on(plans, currency)
        assert keys.tolist() == wanted
        of = [entries[key].subscription for key in wanted]
        assert columns.customers(keys).tolist() == [row.customer_pk for row in of]
        assert [currency_of(number) for number in columns.currencies(keys).tolist()] == [row.currency for row in of]
    assert sorted(CURRENCIES) == sorted(CURRENCIES, key=number_of)
    assert columns.on((), None).tolist() == []


def test_columns_with_what_has_changed(rng: random.Random) -> None:
    """Taken away, changed or new: the columns are as if all had been put in at once."""
    entries = {pk: entry(rng, pk) for pk in range(1, 60)}
    columns = Columns.none().changed((), entries.values())
    for _ in range(10):
        gone = rng.sample(sorted(entries), rng.randrange(len(entries)))
        new = {
            pk: entry(rng, pk)
            for pk in {*gone[::2], *(rng.randint(1, 300) for _ in range(9))} - (entries.keys() - {*gone})
        }
        entries = dict(sorted(({pk: one for pk, one in entries.items() if pk not in gone} | new).items()))
        columns = columns.changed(gone, new.values())
        whole = Columns.none().changed((), entries.values())
        assert columns.odd == whole.odd
        for mine, all_ in (
            (columns.subscriptions, whole.subscriptions),
            (columns.stretches, whole.stretches),
            (columns.eras, whole.eras),
        ):
            assert mine.tolist() == all_.tolist()
