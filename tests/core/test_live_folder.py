"""Saved columns while meters are let go of: files that are gone or torn, and two processes that share a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_a_meter_whose_files_are_gone_is_read_from_the_store(world: World, instance: Path) -> None:
    """With its voids, those from before the save and later ones, and with what has come since."""
    world.parts.store.close()
    world.parts = parts = limited(world, instance, 1)
    assert resident(parts) == []
    before = parts.engine.as_of()
    shutil.rmtree(folder(parts))
    for meter in world.meters[:2]:
        world.send(meter, 40)
        world.void(meter, 15)
    for meter in world.meters:
        check(world, parts, meter)
        check(world, parts, meter, before)
        check(world, parts, meter, before - 20)
    again = limited(world, instance, 0)
    for meter in world.meters:
        check(world, again, meter)
    again.store.close()


def test_memory_that_was_read_from_the_store_is_not_told_as_mapped(world: World, instance: Path) -> None:
    """There is no file any more that the system could take its pages back to."""
    parts = limited(world, instance, 1)
    shutil.rmtree(folder(parts))
    check(world, parts, world.meters[0])
    found = parts.live.residency().meters[0]
    assert found.resident
    assert found.mapped_bytes == 0
    assert found.heap_bytes == arrays(parts, found)
    parts.store.close()


def test_files_that_are_gone_are_written_again(world: World, instance: Path) -> None:
    """The next save is whole, whichever meters are in memory at that time, and is believed by the next start."""
    world.parts.store.close()
    world.parts = parts = limited(world, instance, 1)
    shutil.rmtree(folder(parts))
    check(world, parts, world.meters[1])
    world.send(world.meters[0], 1)
    parts.live.refresh()
    parts.live.save(force=True)
    again = open_instance(instance)
    again.live.load()
    assert {meter.tail_events for meter in again.live.residency().meters} == {0}
    for meter in world.meters:
        check(world, parts, meter)
        check(world, again, meter)
    again.store.close()


def test_a_file_that_is_torn_while_its_meter_is_let_go_is_noticed(world: World, instance: Path) -> None:
    """What cannot be read as it was is read from the store."""
    parts = limited(world, instance, 1)
    for path in folder(parts).glob("at-*/*.seq.npy"):
        os.truncate(path, path.stat().st_size // 2)
    for meter in world.meters:
        check(world, parts, meter)
    parts.store.close()


def test_two_processes_share_a_folder(world: World, instance: Path) -> None:
    """Each saves in its turn; the files that the other has mapped, or has let go of, stay as long as it needs them."""
    one, other = world.parts, limited(world, instance, 1)
    world.parts = one
    for turn in range(4):
        for meter in world.meters[turn:]:
            world.send(meter, 3)
            world.void(meter, 3)
        one.live.refresh()
        one.live.save(force=True)
        for meter in world.meters:
            check(world, one, meter)
        if turn % 2:
            other.live.refresh()
        seq = other.live.current().seq
        other.live.fold()
        for meter in world.meters:
            check(world, other, meter, seq)
        one, other = other, one
        world.parts = one
    one.store.close()
    other.store.close()


def test_a_process_keeps_to_its_limit_though_another_one_saved(world: World, instance: Path) -> None:
    """What both have and the other has written to the folder need not stay in this one's memory."""
    limit = 100_000
    second = limited(world, instance, limit)
    for meter in world.meters:
        world.send(meter, 500)
    for parts in (world.parts, second):
        parts.live.refresh()
        parts.live.fold()
    world.parts.live.save(force=True)
    second.live.fold()
    assert size(second) <= limit
    for meter in world.meters:
        check(world, second, meter)
    second.store.close()


def test_what_another_process_has_saved_is_mapped(world: World, instance: Path) -> None:
    """Its rows leave the memory of this one, whose answers stay the same: now, before, and with what comes then."""
    second = limited(world, instance, 0)
    for meter in world.meters:
        check(world, second, meter)
    for turn in range(3):
        for meter in world.meters:
            world.send(meter, 500)
            world.void(meter, 20)
        for parts in (world.parts, second):
            parts.live.refresh()
            parts.live.fold()
        before, seq = second.live.residency(), second.engine.as_of()
        world.parts.live.save(force=True)
        if turn == 1:
            # Behind what was saved, it catches up with it.
            world.send(world.meters[0], 10)
            world.parts.live.refresh()
            world.parts.live.save(force=True)
        second.live.save()
        after = second.live.residency()
        assert after.mapped_bytes > before.mapped_bytes
        assert {meter.tail_events for meter in after.meters} == {0}
        state = second.live.current()
        second.live.save()
        assert second.live.current() is state
        for meter in world.meters:
            check(world, second, meter)
            check(world, second, meter, seq - 700)
    second.store.close()
