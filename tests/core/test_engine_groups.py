"""Breakdowns, distinct customers per bucket and running figures, judged by the slow reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import figures, groups
from fluxrate.core.answers import Bucket, Group
from fluxrate.core.calendar import Window
from fluxrate.core.columns.index import MOST_ARRANGED
from fluxrate.core.columns.snapshot import State
from fluxrate.core.errors import Malformed, RuleBroken
from fluxrate.core.query import Query
from tests import reference
from tests.core.worlds import ANCHORS, CUSTOMERS, STEPS_CHECKED, World, kept, make_world, questions
from tests.generated import examples
from tests.instances import NOW, make_meter, new, open_instance
from tests.reference import AGGREGATIONS, DAY, HOUR, MINUTE

DIMENSIONS = (
    ("customer",),
    ("meta.plan",),
    ("meta.user_id",),
    ("customer", "meta.plan"),
    ("meta.plan", "customer"),
    ("meta.user_id", "meta.plan"),
    ("meta.nobody",),
)


@pytest.fixture(scope="module", params=[True, False], ids=["two keys", "one key"])
def world(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("world") / "instance", mixed=request.param)
    yield made
    made.parts.store.close()


def plain(bucket: Bucket | reference.Bucket) -> tuple[str, int, int | None, str]:
    return str(bucket.usage), bucket.event_count, bucket.unique_customers, str(bucket.cumulative)


def row(group: Group) -> tuple[object, ...]:
    buckets = {bucket.label: plain(bucket) for bucket in group.buckets if bucket.event_count}
    return group.key, str(group.usage), group.event_count, group.unique_customers, buckets


def expected_row(group: reference.Group) -> tuple[object, ...]:
    buckets = {label: plain(bucket) for label, bucket in group.buckets.items() if bucket.event_count}
    return group.key, str(group.usage), group.event_count, group.unique_customers, buckets


def short(query: Query) -> Query:
    """The question over a window whose buckets the reference can list in time."""
    step = {"minute": MINUTE, "hour": 15 * MINUTE}.get(query.group_by or "day", HOUR)
    window = query.window
    return replace(query, window=replace(window, end=min(window.end, window.start + STEPS_CHECKED * step)))


@examples(250)
@given(questions(), st.sampled_from(AGGREGATIONS), st.sampled_from(DIMENSIONS), st.integers(1, 12))
def test_a_breakdown_has_the_largest_groups_and_the_rest_as_one(
    world: World, question: tuple[Query, tuple[str, ...]], metric: str, dimensions: tuple[str, ...], limit: int
) -> None:
    """Whatever filters there are, from indexes and scans alike, each group in the buckets of the whole."""
    asked, customers = question
    query = replace(short(asked), breakdown=dimensions, limit=limit, unique=True, cumulative=True)
    found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric)).breakdown
    window = query.window
    expected = reference.breakdown(
        kept(world, query, customers),
        dimensions,
        limit,
        metric,
        2,
        window.start,
        window.end,
        query.group_by,
        window.zone,
        CUSTOMERS,
    )
    assert found is not None
    assert list(map(row, found)) == list(map(expected_row, expected))
    for group in found:
        named = None if group.key is None else dict(group.key).get("customer")
        assert group.customer_id == (world.ids[named] if named else None)


@examples(150)
@given(questions(), st.sampled_from(AGGREGATIONS))
def test_every_bucket_has_its_distinct_customers_and_the_figure_so_far(
    world: World, question: tuple[Query, tuple[str, ...]], metric: str
) -> None:
    asked, customers = question
    query = replace(short(asked), unique=True, cumulative=True)
    found = world.parts.engine.usage(world.meter, query, world.parts.registry.metrics.get(metric))
    window, group = query.window, query.group_by
    events = [e for e in kept(world, query, customers) if window.start <= e.ts < window.end]
    names = reference.labels(window.start, window.end, group, window.zone) if group else []
    expected = reference.series(events, metric, 2, names, group, window.zone)
    listed = {bucket.label: plain(bucket) for bucket in found.buckets}
    wanted = {name: plain(b) for name, b in expected.items() if b.event_count or query.fill == "zero"}
    assert listed == wanted


def test_what_was_not_asked_for_is_not_made(world: World) -> None:
    window = Window(ANCHORS[4] - DAY, ANCHORS[4] + DAY, "UTC")
    found = world.parts.engine.usage(world.meter, Query(window, "day"))
    assert found.breakdown is None
    assert {(b.unique_customers, b.cumulative) for b in found.buckets} == {(None, None)}


def test_a_key_that_is_spelled_like_a_word_of_ours_is_still_a_key(tmp_path: Path) -> None:
    """Metadata may be called customer; it is told from the customer by its place."""
    parts = open_instance(tmp_path)
    meter = make_meter(parts, decimals=0)
    parts.ingest.store([new(meter, NOW, 5, "acme", metadata={"customer": "else"})])
    query = Query(Window(0, 2 * NOW, "UTC"), breakdown=("customer", "meta.customer"))
    (only,) = parts.engine.usage(meter, query).breakdown or ()
    assert only.key == (("customer", "acme"), ("customer", "else"))
    parts.store.close()


def test_more_groups_than_can_be_compared_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_GROUPS", len(CUSTOMERS) - 1)
    query = Query(Window(0, 2 * NOW, "UTC"), breakdown=("customer",))
    with pytest.raises(RuleBroken, match="at most 8 groups apart, but there are 9 by customer"):
        world.parts.engine.usage(world.meter, query)


def test_running_figures_that_do_not_add_up_are_refused_beyond_a_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that combine are not: a running sum costs the same for any number of buckets."""
    monkeypatch.setattr(figures, "MOST_PREFIXES", 9)
    query = Query(Window(ANCHORS[4] - 10 * DAY, ANCHORS[4], "UTC"), "day", cumulative=True)
    metrics = world.parts.registry.metrics
    with pytest.raises(Malformed, match="at most 9 buckets for UNIQUE_COUNT"):
        world.parts.engine.usage(world.meter, query, metrics.get("UNIQUE_COUNT"))
    assert len(world.parts.engine.usage(world.meter, query, metrics.get("SUM")).buckets) > 9


def test_asking_for_many_keys_keeps_only_a_few_laid_out(tmp_path: Path) -> None:
    """Whoever may ask may ask for any key: memory must not grow with it, and every answer stays right."""
    parts = open_instance(tmp_path)
    meter = make_meter(parts, decimals=0)
    names = [f"k{number}" for number in range(3 * MOST_ARRANGED)]
    parts.ingest.store(
        [new(meter, NOW + n, n, metadata={name: str(n % (at + 2)) for at, name in enumerate(names)}) for n in range(90)]
    )
    parts.live.current()
    live = parts.live.current().snapshot(meter.pk).folded()
    window = Window(0, 2 * NOW, "UTC")
    held = State(parts.live.current().coder, parts.live.current().seq, {meter.pk: live})
    parts.live.__dict__["_state"] = held
    sizes = []
    for at, name in [*enumerate(names)] * 2:
        found = parts.engine.usage(meter, Query(window, breakdown=(f"meta.{name}",), limit=100)).breakdown
        assert found is not None
        sums = {dict(group.key or ())[name]: group.usage for group in found}
        assert sums == {str(rest): sum(range(rest, 90, at + 2)) for rest in range(at + 2)}
        both = Query(window, meta=((name, ("0",)), (names[at - 1], ("0", "1"))))
        both_match = [n for n in range(90) if n % (at + 2) == 0 and n % ((at - 1) % len(names) + 2) < 2]
        assert parts.engine.log([meter], both).total == len(both_match)
        sizes.append(live.index.nbytes)
    assert max(sizes) < 1.5 * sizes[MOST_ARRANGED]
    parts.store.close()
