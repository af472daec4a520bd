"""The event log, judged page by page by slices of the sorted list."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrate.core import log
from fluxrate.core.answers import LogPage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests import reference
from tests.core.worlds import CUSTOMERS, NEWEST, World, make_world, matching, questions
from tests.generated import examples
from tests.instances import NOW, make_meter, new, open_instance, reopened, send, unscaled

VOIDED = st.sampled_from([None, True, False])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("world") / "instance")
    yield made
    made.parts.store.close()


def log_key(page: LogPage) -> list[tuple[str, int, int, str, Decimal]]:
    return [
        (
            row.meter.meter_name,
            row.event.seq,
            row.event.timestamp,
            row.customer.external_id,
            unscaled(row.event.quantity, row.meter.decimals),
        )
        for row in page.rows
    ]


def expected_key(events: list[reference.Event]) -> list[tuple[str, int, int, str, Decimal]]:
    return [(event.meter, event.seq, event.ts, event.customer, event.quantity) for event in events]


def expected(world: World, query: Query, customers: tuple[str, ...]) -> list[reference.Event]:
    newest = NEWEST if query.as_of is None else query.as_of
    return [
        event
        for event in matching(world.events, query, customers)
        if query.window.start <= event.ts < query.window.end
        and query.voided in (None, world.died.get(event.seq, NEWEST + 1) <= newest)
    ]


@examples(60)
@given(questions(), VOIDED, st.integers(1, 1_000), st.sampled_from(["asc", "desc"]), st.data())
def test_any_page_of_a_filtered_log_is_a_slice_of_the_sorted_list(
    world: World,
    question: tuple[Query, tuple[str, ...]],
    wanted: bool | None,
    size: int,
    order: str,
    data: st.DataObject,
) -> None:
    query, customers = replace(question[0], voided=wanted), question[1]
    newest = NEWEST if query.as_of is None else query.as_of
    voided = {seq: void for seq, void in world.died.items() if void <= newest}
    events = expected(world, query, customers)
    listed = reference.newest_first(events)
    listed = listed if order == "desc" else listed[::-1]
    pages = -(-len(listed) // size)
    number = data.draw(st.integers(1, pages + 2))
    found = world.parts.engine.log([world.meter], query, page=number, page_size=size, order=order, figure=True)
    assert log_key(found) == expected_key(listed[(number - 1) * size : number * size])
    assert (found.total, found.total_pages) == (len(events), pages)
    if wanted:
        assert found.usage is None, "voided events have no figure"
    else:
        assert reference.same(found.usage, reference.figure("SUM", [e for e in events if e.seq not in voided], 2))
    marked = {row.event.seq: row.void.seq for row in found.rows if row.void is not None}
    assert marked == {row.event.seq: voided[row.event.seq] for row in found.rows if row.event.seq in voided}


@examples(40)
@given(questions(), VOIDED, st.integers(1, 4_000), st.sampled_from(["asc", "desc"]))
def test_all_events_in_steps_of_any_length_are_the_whole_sorted_list(
    world: World, question: tuple[Query, tuple[str, ...]], wanted: bool | None, step: int, order: str
) -> None:
    query, customers = replace(question[0], voided=wanted), question[1]
    events = reference.newest_first(expected(world, query, customers))[:3_000]
    if not events:
        return
    # A step reads a row of the store for each event, so only the newest of them are asked for.
    query = replace(query, window=replace(query.window, start=events[-1].ts))
    listed = reference.newest_first(expected(world, query, customers))
    step = max(step, len(listed) // 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "STEP", step)
        patch.setattr(log, "PIECE", 1 + step // 3)
        as_of, pieces = world.parts.engine.every([world.meter], query, order)
        found = [row for piece in pieces for row in piece]
    assert as_of == (NEWEST if query.as_of is None else query.as_of)
    assert [row.event.seq for row in found] == [e.seq for e in (listed if order == "desc" else listed[::-1])]


@examples(40)
@given(questions(), st.integers(1, 500), st.data())
def test_a_jump_to_a_time_is_the_page_of_the_newest_event_up_to_it(
    world: World, question: tuple[Query, tuple[str, ...]], size: int, data: st.DataObject
) -> None:
    query, customers = question
    listed = reference.newest_first(expected(world, query, customers))
    at = data.draw(st.sampled_from([e.ts for e in listed]) if listed else st.just(NOW)) + data.draw(st.integers(-1, 1))
    found = world.parts.engine.log([world.meter], query, page_size=size, at=at)
    newer = sum(event.ts > at for event in listed)
    assert found.page == (min(newer, max(len(listed) - 1, 0)) // size) + 1
    assert [row.event.seq for row in found.rows] == [e.seq for e in listed[(found.page - 1) * size :][:size]]


def test_a_list_in_steps_leaves_out_what_arrives_while_it_is_read(tmp_path: Path) -> None:
    parts = open_instance(tmp_path / "instance")
    meter = make_meter(parts)
    sent = send(parts, [new(meter, NOW + i) for i in range(60)], [meter])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "STEP", 10)
        as_of, pieces = parts.engine.every([meter], Query(Window(0, 2 * NOW, "UTC"), voided=False))
        found = list(next(pieces))
        send(parts, [new(meter, NOW + i) for i in range(60)], [meter])
        parts.store.voids.add(sent[5].seq, "late", "cli", NOW)
        parts.live.refresh()
        found += [row for piece in pieces for row in piece]
    assert [row.event.seq for row in found] == [event.seq for event in sent[::-1]]
    assert not any(row.void for row in found), "voided only afterwards"
    assert as_of == sent[-1].seq
    parts.store.close()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, list[Meter], list[reference.Event]]]:
    """Three meters of different decimals, 45 events at only 9 instants; about half came before a restart."""
    parts = open_instance(tmp_path_factory.mktemp("three") / "instance")
    meters = [make_meter(parts, f"m{number}", decimals=number * 3) for number in range(3)]
    rng = random.Random(7)

    def rows(count: int) -> list[Any]:
        return [
            new(rng.choice(meters), NOW + rng.randint(-4, 4), rng.randint(1, 10**6), rng.choice(CUSTOMERS))
            for _ in range(count)
        ]

    events = send(parts, rows(25), meters)
    parts = reopened(parts)
    events += send(parts, rows(20), meters)
    yield parts, meters, events
    parts.store.close()


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_every_page_of_every_size_over_several_meters_is_a_slice_of_the_sorted_list(
    three: tuple[Services, list[Meter], list[reference.Event]], order: str
) -> None:
    parts, meters, events = three
    listed = expected_key(reference.newest_first(events))
    listed = listed if order == "desc" else listed[::-1]
    query = Query(Window(0, 2 * NOW, "UTC"))
    for size in (*range(1, 48), 1_000):
        pages = [
            parts.engine.log(meters, query, page=number, page_size=size, order=order)
            for number in range(1, -(-len(listed) // size) + 2)
        ]
        assert [row for page in pages for row in log_key(page)] == listed
        assert {page.total for page in pages} == {len(listed)}
        assert [len(page.rows) for page in pages[:-2]] == [size] * (len(pages) - 2)
        assert pages[-1].rows == ()
        assert {page.usage for page in pages} == {None}, "units differ between meters"


def test_a_log_of_one_of_several_meters_has_its_own_events_only(
    three: tuple[Services, list[Meter], list[reference.Event]],
) -> None:
    parts, meters, events = three
    for meter in meters:
        mine = [event for event in events if event.meter == meter.meter_name]
        found = parts.engine.log([meter], Query(Window(0, 2 * NOW, "UTC")), page_size=100, figure=True)
        assert log_key(found) == expected_key(reference.newest_first(mine))
        assert reference.same(found.usage, reference.figure("SUM", mine, meter.decimals))


def test_as_of_keeps_every_page_steady_while_events_keep_arriving(tmp_path: Path) -> None:
    """Late events fall between the pages, new ones before them; the pinned pages show neither, and total stays."""
    parts = open_instance(tmp_path)
    meters = [make_meter(parts, "a"), make_meter(parts, "b")]
    rng = random.Random(11)

    def rows(count: int) -> list[Any]:
        return [new(rng.choice(meters), NOW + rng.randint(-3, 3), rng.randint(1, 9)) for _ in range(count)]

    events = send(parts, rows(30), meters)
    window = Window(0, 2 * NOW, "UTC")
    first = parts.engine.log(meters, Query(window), page_size=4)
    listed = expected_key(reference.newest_first(events))
    for number in range(1, 9):
        send(parts, rows(5), meters)
        query = Query(window, as_of=first.as_of)
        page = parts.engine.log(meters, query, page=number, page_size=4)
        assert log_key(page) == listed[(number - 1) * 4 : number * 4]
        assert (page.total, page.as_of) == (30, first.as_of)
        backwards = parts.engine.log(meters, query, page=number, page_size=4, order="asc")
        assert log_key(backwards) == listed[::-1][(number - 1) * 4 : number * 4]
    assert parts.engine.log(meters, Query(window)).total == 70
    parts.store.close()


def test_a_log_without_meters_is_empty(world: World) -> None:
    found = world.parts.engine.log([], Query(Window(0, 2 * NOW, "UTC")))
    assert (found.rows, found.total, found.total_pages, found.usage) == ((), 0, 0, None)
