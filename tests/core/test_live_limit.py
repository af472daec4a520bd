"""Columns under a limit: what is not asked for is let go and mapped again, and no answer ever tells."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fluxrate.core.columns import snapshot
from fluxrate.core.columns.keys import Key
from fluxrate.core.services import Services
from tests.core.limits import World, arrays, check, limited, resident, size
from tests.instances import folder, open_instance


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


@pytest.fixture
def world(instance: Path) -> Iterator[World]:
    made = World(open_instance(instance))
    made.parts.live.save(force=True)
    yield made
    made.parts.store.close()


# Letting go


def test_meters_that_were_not_asked_for_are_let_go_first_and_mapped_again_when_asked(
    world: World, instance: Path
) -> None:
    for meter in world.meters:
        check(world, world.parts, meter)
        world.parts.live.current().snapshot(meter.pk).held.forget()
    parts = limited(world, instance, size(world.parts) * 3 // 5)
    first, second, third, fourth = world.meters
    for meter in (second, fourth, first, third):
        check(world, parts, meter)
    parts.live.fold()
    assert third.pk in resident(parts)
    assert second.pk not in resident(parts)
    assert size(parts) <= parts.live.residency().limit
    check(world, parts, second)
    assert second.pk in resident(parts)
    for meter in (first, second):
        check(world, parts, meter)
    parts.live.fold()
    assert second.pk in resident(parts)
    assert fourth.pk not in resident(parts)
    parts.store.close()


def test_columns_that_were_never_saved_are_saved_to_be_let_go_of(instance: Path) -> None:
    world = World(open_instance(instance))
    needed = size(world.parts)
    assert not folder(world.parts).exists()
    world.parts.store.close()
    parts = limited(world, instance, needed // 2)
    assert size(parts) <= needed // 2
    assert folder(parts).exists()
    for meter in world.meters:
        check(world, parts, meter)
    parts.store.close()


def test_without_a_limit_everything_is_kept(world: World) -> None:
    for meter in world.meters:
        check(world, world.parts, meter)
    before = size(world.parts)
    world.parts.live.fold()
    assert world.parts.live.residency().limit == 0
    assert resident(world.parts) == [meter.pk for meter in world.meters]
    assert size(world.parts) == before


def test_answers_from_several_threads_are_right_while_meters_are_let_go(world: World, instance: Path) -> None:
    """So low a limit that every fold lets go of all; what was built for single questions goes as well."""
    parts = limited(world, instance, 1)
    done = threading.Event()

    def fold() -> None:
        while not done.is_set():
            parts.live.fold()
            parts.live.residency()

    def ask(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(12):
            check(world, parts, rng.choice(world.meters), rng.choice([None, parts.engine.as_of() - rng.randrange(50)]))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(5) as pool:
            folding = [pool.submit(fold) for _ in range(2)]
            asking = [pool.submit(ask, seed) for seed in range(3)]
            errors = [each.exception() for each in asking]
            done.set()
            errors += [each.exception() for each in folding]
    finally:
        done.set()
        sys.setswitchinterval(interval)
    assert errors == [None] * 5
    parts.store.close()


def test_events_and_voids_that_come_while_meters_are_let_go_are_counted(
    world: World, instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tails that are folded later, on bases that have to be mapped for it."""
    monkeypatch.setattr(snapshot, "SMALL", 0)
    world.parts.store.close()
    world.parts = limited(world, instance, 1)
    for turn in range(4):
        for meter in world.meters[turn:]:
            world.send(meter, 5 if turn % 2 else 4_200)
            world.void(meter, 10)
        world.parts.live.fold()
        for meter in world.meters:
            check(world, world.parts, meter)
            check(world, world.parts, meter, world.parts.engine.as_of() - 12)
    again = limited(world, instance, 1)
    for meter in world.meters:
        check(world, again, meter)
    again.store.close()


class Moment(str):
    """A metadata key at whose first comparison another reader asks: where a thread may be put off, made certain."""

    __slots__ = ("asking",)
    asking: list[Callable[[], object]]

    def __eq__(self, other: object) -> bool:
        while self.asking:
            self.asking.pop()()
        return str.__eq__(self, other) is True

    __hash__ = str.__hash__


def test_a_reader_may_ask_by_another_key_while_indexes_are_forgotten(world: World) -> None:
    """What the reader builds meanwhile is in nobody's way."""
    index = world.parts.live.current().snapshot(world.meters[0].pk).index
    moment = Moment("plan")
    moment.asking = []
    for rows in (index.by(Key((moment,))), index.time):
        rows.order(Key((moment,)))
    moment.asking = [lambda: index.by(Key(("region",))).order(Key(("user_id",)))]
    index.forget()
    assert not moment.asking


# What is told of it


def check_residency(world: World, parts: Services) -> None:
    found = parts.live.residency()
    assert [meter.meter_pk for meter in found.meters] == [meter.pk for meter in world.meters]
    for meter in found.meters:
        assert min(meter.heap_bytes, meter.mapped_bytes) >= 0
        assert meter.heap_bytes + meter.mapped_bytes == arrays(parts, meter)
        assert meter.mapped_bytes == 0 or meter.resident
        assert meter.events == len(world.events[meter.meter_pk])
    assert found.heap_bytes == sum(meter.heap_bytes for meter in found.meters)
    assert found.mapped_bytes == sum(meter.mapped_bytes for meter in found.meters)
    assert found.seq == parts.live.current().seq


def test_what_is_told_of_memory_is_what_the_arrays_take(instance: Path) -> None:
    """On the heap, mapped, with a tail and graves, asked about, forgotten, and let go."""
    world = World(open_instance(instance))
    parts = world.parts
    check_residency(world, parts)
    assert parts.live.residency().mapped_bytes == 0
    heap = parts.live.residency().heap_bytes
    parts.live.save(force=True)
    check_residency(world, parts)
    for meter in world.meters:
        check(world, parts, meter)
    check_residency(world, parts)
    assert parts.live.residency().mapped_bytes > heap * 2 // 3
    before = parts.live.residency().heap_bytes
    for meter in world.meters:
        world.send(meter, 10)
        world.void(meter, 2)
    parts.live.refresh()
    check_residency(world, parts)
    assert parts.live.residency().heap_bytes > before
    for meter in world.meters:
        parts.live.current().snapshot(meter.pk).held.forget()
    check_residency(world, parts)
    parts.store.close()
    small = limited(world, instance, 1)
    check_residency(world, small)
    assert resident(small) == []
    assert small.live.residency().mapped_bytes == 0
    check(world, small, world.meters[2])
    check_residency(world, small)
    small.store.close()
