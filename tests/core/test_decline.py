"""Usage decline against a walk over the events, and its edges: half, the fewest events, whole local days."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from fluxrate.core import decline
from fluxrate.core.errors import Malformed
from tests.instances import NOW, make_meter, new, open_instance, send
from tests.reference import DAY, HOUR

ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago")


@pytest.fixture
def parts(tmp_path):
    made = open_instance(tmp_path)
    yield made
    made.close()


def asked(parts, meters, end=NOW, zone="UTC", **more):
    return decline.declines(parts.engine, parts.store, meters, end, zone, **({"as_of": None, "limit": 10_000} | more))


def local_day(instant: int, zone: str) -> date:
    return (
        (datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(microseconds=instant))
        .astimezone(ZoneInfo(zone))
        .date()
    )


def slowly(events, end: int, zone: str):
    """By customer usage and events of the last seven local days before that of `end`, and of the 56 days before."""
    today, found = local_day(end, zone), {}
    for event in events:
        age = (today - local_day(event.ts, zone)).days
        if not 1 <= age <= 63:
            continue
        mine = found.setdefault(event.customer, [Decimal(0), 0, Decimal(0), 0])
        mine[0 if age <= 7 else 2] += event.quantity
        mine[1 if age <= 7 else 3] += 1
    return {
        customer: figures
        for customer, figures in found.items()
        if figures[3] >= 20 and Fraction(figures[0]) < Fraction(figures[2]) / 8 / 2
    }


@pytest.mark.parametrize("seed", range(3))
def test_generated_usage(parts, seed):
    """Who is listed, with which figures and in which order, is what a walk over the events says, in every zone."""
    rng = random.Random(seed)
    meter = make_meter(parts, "calls", decimals=3)
    weights = {f"c{i}": rng.choice((0, 0.2, 0.9, 1.1, 2)) for i in range(40)}
    made = [
        new(meter, NOW - ago, rng.randint(1, 9_999), customer)
        for customer, weight in weights.items()
        for ago in (rng.randint(0, 70 * DAY) for _ in range(rng.randint(10, 60)))
        if ago > 8 * DAY or rng.random() < weight
    ]
    events = send(parts, made, [meter])
    for zone in ZONES:
        for end in (NOW, NOW - 3 * DAY - 5 * HOUR):
            wanted, found = slowly(events, end, zone), asked(parts, [meter], end, zone)
            assert found.count == len(found.items) == len(wanted) > 0
            for item in found.items:
                usage, count, before, count_before = wanted[item.customer.external_id]
                assert (item.usage, item.events, item.before, item.events_before) == (
                    usage, count, before, count_before,
                )  # fmt: skip
                assert Fraction(item.baseline) == Fraction(before) / 8
                exact = Fraction(usage) / (Fraction(before) / 8) - 1
                assert abs(Fraction(item.change) - exact) <= Fraction(1, 2_000_000)
            changes = [item.change for item in found.items]
            assert changes == sorted(changes)


def weekly(meter, customer: str, quantity: int, events: int):
    """As many events in each of the eight weeks of the baseline."""
    return [
        new(meter, NOW - DAY - (7 * week + 7) * DAY - i * HOUR, quantity, customer)
        for week in range(8)
        for i in range(events)
    ]


def test_half_is_not_below_half_and_a_grain_less_is(parts):
    meter = make_meter(parts, "calls", decimals=18)
    half = 3 * 10**18
    rows = [*weekly(meter, "half", 2 * 10**18, 3), new(meter, NOW - 2 * DAY, half, "half")]
    rows += [*weekly(meter, "less", 2 * 10**18, 3), new(meter, NOW - 2 * DAY, half - 1, "less")]
    send(parts, rows, [meter])
    assert [item.customer.external_id for item in asked(parts, [meter]).items] == ["less"]


def test_few_events_say_nothing(parts):
    """19 events in the weeks before are too few, 20 are enough; who uses nothing any more has fallen by all of it."""
    meter = make_meter(parts)
    rows = [new(meter, NOW - 9 * DAY - i * DAY, 5, "few") for i in range(19)]
    rows += [new(meter, NOW - 9 * DAY - i * DAY, 5, "enough") for i in range(20)]
    send(parts, rows, [meter])
    (item,) = asked(parts, [meter]).items
    assert (item.customer.external_id, item.usage, item.events, item.change) == ("enough", 0, 0, -1)
    assert (item.before, item.baseline) == (100, Decimal("12.5"))


def test_only_meters_that_add_up(parts):
    """A maximum has no mean over weeks; a count has."""
    largest, count = make_meter(parts, "largest", "MAX"), make_meter(parts, "count", "COUNT")
    rows = [row for meter in (largest, count) for row in weekly(meter, "acme", 4, 3)]
    send(parts, rows, [largest, count])
    found = asked(parts, [largest, count])
    assert [item.meter.meter_name for item in found.items] == ["count"]


def test_the_limit_and_the_sequence(parts):
    """The deepest falls come first, `count` is of all; what arrives later does not change an answer as of before."""
    meter = make_meter(parts)
    rows = [row for i in range(5) for row in weekly(meter, f"c{i}", 4, 3)]
    rows += [new(meter, NOW - 2 * DAY, i, f"c{i}") for i in range(1, 5)]
    send(parts, rows, [meter])
    found = asked(parts, [meter], limit=2)
    assert ([item.customer.external_id for item in found.items], found.count) == (["c0", "c1"], 5)
    send(parts, [new(meter, NOW - 2 * DAY, 1000, "c0")], [meter])
    assert asked(parts, [meter]).count == 4
    assert asked(parts, [meter], as_of=found.as_of, limit=2) == found
    with pytest.raises(Malformed, match="newest sequence"):
        asked(parts, [meter], as_of=10_000)


def test_nothing_at_all(parts):
    assert asked(parts, [make_meter(parts)]).items == ()
