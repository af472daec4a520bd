"""The engine's figures on the real store, judged by the slow reference on generated events.

Two ways to get events: a large world whose meter has a base and a tail (made once, asked much), and small generated
lists that go through a restart half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core.calendar import Window
from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.query import Query
from tests import reference
from tests.core.worlds import (
    ANCHORS,
    CUSTOMERS,
    MAX,
    NEWEST,
    SPANS,
    ZONES,
    World,
    check_usage,
    instants,
    kept,
    make_world,
    quantities,
    questions,
    windows,
)
from tests.generated import examples
from tests.instances import NOW, make_meter, new, open_instance, reopened, send, unscaled
from tests.reference import AGGREGATIONS, DAY, GROUPS


@pytest.fixture(scope="module", params=[True, False], ids=["two keys", "one key"])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("world") / "instance", mixed=request.param)
    yield made
    made.parts.store.close()


@examples(300)
@given(questions(), st.sampled_from(AGGREGATIONS))
def test_any_question_to_base_and_tail_has_the_references_answer(
    world: World, question: tuple[Query, tuple[str, ...]], metric: str
) -> None:
    query, customers = question
    found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
    check_usage(found, kept(world, query, customers), query, metric, 2)
    assert found.as_of == (NEWEST if query.as_of is None else query.as_of)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("metric", AGGREGATIONS)
def test_every_aggregation_over_every_grouping_in_every_zone(world: World, metric: str, zone: str) -> None:
    """Over a window that holds many events and a change of the clock."""
    for place, group in enumerate(GROUPS):
        anchor = ANCHORS[(place + len(zone) + len(metric)) % len(ANCHORS)]
        start = max(0, anchor - SPANS[group] // 2)
        query = Query(Window(start, start + SPANS[group], zone), group, fill="none")
        found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
        check_usage(found, kept(world, query), query, metric, 2)
        assert found.event_count


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("2.5", "2.5", [250]),
        ("2.495", "2.505", [250]),
        ("2.49", "2.51", [249, 250, 251]),
        ("2.491", "2.509", [250]),
        ("2.500000000000000000000000000000000001", None, [251, MAX - 1, MAX]),
        (None, "2.499999999999999999999999999999999999", [0, 249]),
        ("0", "0", [0]),
        ("92233720368547758.07", None, [MAX]),
        ("92233720368547758.06", "92233720368547758.06", [MAX - 1]),
        ("92233720368547758.08", None, []),
        (None, "1" + "0" * 35, [0, 249, 250, 251, MAX - 1, MAX]),
        ("3", "2", []),
    ],
)
def test_bounds_of_quantity_hold_their_own_edge_and_are_exact(
    tmp_path: Path, low: str | None, high: str | None, expected: list[int]
) -> None:
    """Also with more places than the meter keeps, and beyond what 64 bits hold."""
    parts = open_instance(tmp_path)
    meter = make_meter(parts, decimals=2)
    parts.ingest.store([new(meter, NOW, quantity) for quantity in (0, 249, 250, 251, MAX - 1, MAX)])
    query = Query(
        Window(0, 2 * NOW, "UTC"),
        min_quantity=None if low is None else Decimal(low),
        max_quantity=None if high is None else Decimal(high),
    )
    found = parts.engine.log([meter], query, order="asc")
    assert [row.event.quantity for row in found.rows] == expected
    assert parts.engine.usage(meter, query).total == reference.exact(unscaled(sum(expected), 2))
    parts.store.close()


@examples(40)
@given(st.sampled_from(CUSTOMERS), st.booleans(), windows("month"), st.sampled_from(AGGREGATIONS))
def test_a_customer_may_be_named_by_id_or_external_id(
    world: World, customer: str, by_id: bool, window: Window, metric: str
) -> None:
    """Or by both at once, which counts its events once."""
    names = (world.ids[customer], customer) if by_id else (customer,)
    query = Query(window, "month", customers=names)
    found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
    check_usage(found, kept(world, query, (customer,)), query, metric, 2)


@examples(60)
@given(st.sampled_from(AGGREGATIONS), st.sampled_from(ZONES), instants, st.one_of(st.none(), st.integers(0, NEWEST)))
def test_stats_cover_all_events_and_the_calendar_day_week_and_month_of_now(
    world: World, metric: str, zone: str, now: int, as_of: int | None
) -> None:
    found = world.parts.engine.stats(replace(world.meter, aggregation_type=metric), zone, now, as_of)
    events = kept(world, Query(Window(0, 1, zone), as_of=as_of))
    assert found.total_events == len(events)
    assert found.unique_customers == reference.unique_customers(events)
    assert found.first_event == min((event.ts for event in events), default=None)
    assert found.last_event == max((event.ts for event in events), default=None)
    for group, usage in (("day", found.today), ("week", found.week), ("month", found.month)):
        mine = [e for e in events if reference.label(e.ts, group, zone) == reference.label(now, group, zone)]
        assert reference.same(usage, reference.figure(metric, mine, 2)), group


@examples(200)
@given(questions(), st.sampled_from(AGGREGATIONS), st.integers(1, 10))
def test_a_ranking_is_by_usage_and_its_shares_are_of_the_whole(
    world: World, question: tuple[Query, tuple[str, ...]], metric: str, limit: int
) -> None:
    """For a meter of any aggregation; equal customers stand in the order they were created."""
    query, customers = question
    found = world.parts.engine.ranking(replace(world.meter, aggregation_type=metric), query, limit)
    events = [e for e in kept(world, query, customers) if query.window.start <= e.ts < query.window.end]
    expected = reference.ranking(events, metric, 2, CUSTOMERS)
    rows = [(row.customer.external_id, row.usage, row.event_count) for row in found.rows]
    assert list(map(repr, rows)) == list(map(repr, expected[:limit]))
    assert [row.rank for row in found.rows] == list(range(1, len(rows) + 1))
    assert found.customers == len(expected)
    assert reference.same(found.total, reference.figure(metric, events, 2))
    for row in found.rows:
        share = reference.share(row.usage, found.total) if metric in ("SUM", "COUNT") else None
        assert row.share == share


@pytest.mark.parametrize("metric", AGGREGATIONS)
def test_as_of_is_exact_around_the_seam_of_base_and_tail_and_at_both_ends(world: World, metric: str) -> None:
    seam = len(CUSTOMERS) + 5_000
    for as_of in (0, 1, len(CUSTOMERS), len(CUSTOMERS) + 1, *range(seam - 2, seam + 3), NEWEST - 1, NEWEST):
        query = Query(Window(0, 2 * NOW, "UTC"), as_of=as_of)
        found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
        check_usage(found, kept(world, query), query, metric, 2)


def test_an_as_of_that_is_yet_to_come_is_refused(world: World) -> None:
    """It could not be asked again with the same answer."""
    window = Window(0, 2 * NOW, "UTC")
    for as_of in (NEWEST + 1, 2**62):
        with pytest.raises(Malformed, match="as_of"):
            world.parts.engine.usage(world.meter, Query(window, as_of=as_of))
        with pytest.raises(Malformed, match="as_of"):
            world.parts.engine.log([world.meter], Query(window, as_of=as_of))


def test_a_customer_that_is_not_there_is_refused_by_name(world: World) -> None:
    with pytest.raises(NotFound, match="nobody"):
        world.parts.engine.usage(world.meter, Query(Window(0, NOW, "UTC"), customers=("acme", "nobody")))


@pytest.mark.parametrize("metric", AGGREGATIONS)
@pytest.mark.parametrize("fill", ["zero", "none"])
def test_an_empty_window_is_empty_in_every_bucket(world: World, metric: str, fill: str) -> None:
    start = reference.micros("1995-03-01T00:00:00Z")
    query = Query(Window(start, start + 3 * DAY, "Europe/Berlin"), "day", fill=fill)
    found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
    check_usage(found, [], query, metric, 2)
    assert [bucket.label for bucket in found.buckets] == (
        [] if fill == "none" else ["1995-03-01", "1995-03-02", "1995-03-03", "1995-03-04"]
    )


def test_a_window_between_base_and_tail_needs_only_one_of_them(world: World) -> None:
    """A window of one microsecond on each of the newest and the oldest events of both."""
    snapshot = world.parts.live.current().snapshot(world.meter.pk)
    for part in (snapshot.base, snapshot.tail):
        for ts in (int(part.ts[0]), int(part.ts[-1])):
            query = Query(Window(ts, ts + 1, "UTC"), "minute")
            found = world.parts.engine.usage(world.meter, query)
            check_usage(found, kept(world, query), query, "SUM", 2)
            assert found.event_count


# Small lists, through a restart


@dataclass(frozen=True)
class Scenario:
    """Batches of (instant, quantity, customer, metadata), the first of which are saved before a restart."""

    decimals: int
    property_name: str | None
    saved: int
    batches: list[list[tuple[int, int, str, dict[str, str] | None]]]


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    decimals = draw(st.sampled_from([0, 2, 6, 18]))
    pool = draw(st.lists(instants, min_size=1, max_size=6))
    metas = st.fixed_dictionaries(
        {}, optional={"plan": st.sampled_from(["a", "b"]), "user_id": st.sampled_from(["a", "x"])}
    )
    event = st.tuples(st.sampled_from(pool), quantities(decimals), st.sampled_from(CUSTOMERS[:3]), st.none() | metas)
    batches = draw(st.lists(st.lists(event, min_size=1, max_size=8), min_size=1, max_size=5))
    return Scenario(decimals, draw(st.sampled_from(["plan", None])), draw(st.integers(0, len(batches))), batches)


@examples(40)
@given(scenarios(), st.data())
def test_generated_events_give_the_references_figures_after_a_restart(scenario: Scenario, data: st.DataObject) -> None:
    """Every aggregation over every grouping, with the early batches in the base and the later ones in the tail."""
    with TemporaryDirectory() as folder:
        parts = open_instance(Path(folder))
        other = make_meter(parts, "other")
        parts.ingest.store([new(other, customer=name) for name in CUSTOMERS[:3]])
        meter = make_meter(parts, decimals=scenario.decimals, property_name=scenario.property_name)
        events: list[reference.Event] = []
        for number, batch in enumerate(scenario.batches, 1):
            rows = [new(meter, ts, quantity, customer, metadata=meta) for ts, quantity, customer, meta in batch]
            events += send(parts, rows, [meter])
            if number == scenario.saved:
                parts = reopened(parts)
            parts.live.refresh()
        for metric in AGGREGATIONS:
            for group in GROUPS:
                center = data.draw(st.sampled_from(events)).ts
                before, after = (data.draw(st.integers(1, SPANS[group] // 2)) for _ in range(2))
                window = Window(max(0, center - before), center + after, data.draw(st.sampled_from(ZONES)))
                query = Query(window, group, fill=data.draw(st.sampled_from(["zero", "none"])))
                found = parts.engine.usage(meter, query, parts.registry.metrics.get(metric))
                check_usage(found, events, query, metric, scenario.decimals)
        parts.store.close()


@pytest.mark.parametrize("metric", AGGREGATIONS)
def test_a_meter_is_counted_by_its_own_aggregation_unless_a_metric_is_named(tmp_path: Path, metric: str) -> None:
    parts = open_instance(tmp_path)
    meter = make_meter(parts, "mine", metric, decimals=1)
    rows = [new(meter, NOW + place, 5 + place, metadata={"user_id": str(place % 2)}) for place in range(4)]
    events = send(parts, rows, [meter])
    query = Query(Window(0, 2 * NOW, "UTC"))
    check_usage(parts.engine.usage(meter, query), events, query, metric, 1)
    assert parts.engine.usage(meter, query, parts.registry.metrics.get("COUNT")).total == 4
    stats = parts.engine.stats(meter, "UTC", NOW)
    assert reference.same(stats.today, reference.figure(metric, events, 1))
    (row,) = parts.engine.ranking(meter, query, 5).rows
    assert reference.same(row.usage, reference.figure(metric, events, 1))
    assert row.share == (Decimal("1.000000") if metric in ("SUM", "COUNT") else None)
    parts.store.close()


def test_equal_customers_rank_in_the_order_they_were_created(tmp_path: Path) -> None:
    parts = open_instance(tmp_path)
    meter = make_meter(parts)
    names = ["m", "z", "a", "b"]
    parts.ingest.store([new(meter, NOW - place, 5, name) for place, name in enumerate(names)])
    parts.ingest.store([new(meter, NOW, 1, "b")])
    found = parts.engine.ranking(meter, Query(Window(0, 2 * NOW, "UTC")), 10)
    assert [row.customer.external_id for row in found.rows] == ["b", "m", "z", "a"]
    assert [row.share for row in found.rows] == [Decimal("0.285714"), *[Decimal("0.238095")] * 3]
    parts.store.close()


def test_an_event_of_tomorrow_is_not_part_of_today(tmp_path: Path) -> None:
    """A sender's clock may be hours ahead; its day counts when it comes."""
    parts = open_instance(tmp_path)
    meter = make_meter(parts)
    midnight = reference.micros("2025-06-16T00:00:00Z")  # the Monday after NOW
    parts.ingest.store([new(meter, midnight - 1, 1), new(meter, midnight, 10), new(meter, NOW, 100)])
    stats = parts.engine.stats(meter, "UTC", NOW)
    assert (stats.today, stats.week, stats.month) == (101, 101, 111)
    parts.store.close()


def test_a_meter_without_events_answers_with_nothing(tmp_path: Path) -> None:
    parts = open_instance(tmp_path)
    meter = make_meter(parts)
    query = Query(Window(0, DAY, "UTC"), "hour")
    found = parts.engine.usage(meter, query)
    assert (found.total, found.event_count, found.unique_customers, len(found.buckets)) == (0, 0, 0, 24)
    assert parts.engine.ranking(meter, query, 10).rows == ()
    assert parts.engine.log([meter], query).total == 0
    stats = parts.engine.stats(meter, "UTC", NOW)
    assert (stats.total_events, stats.first_event, stats.last_event, stats.today) == (0, None, None, 0)
    parts.store.close()


def test_a_share_is_a_fraction_of_the_whole_to_six_places(world: World) -> None:
    window = Window(0, 2 * NOW, "UTC")
    found = world.parts.engine.ranking(world.meter, Query(window), 10)
    shares = [Fraction(row.share) for row in found.rows if row.share is not None]
    assert len(shares) == len(CUSTOMERS)
    assert abs(sum(shares) - 1) <= Fraction(len(shares), 2 * 10**6)
