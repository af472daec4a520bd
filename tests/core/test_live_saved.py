"""Saved columns: whatever lies in their folder, a start works and gives the right figures."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxrate.core.columns import files, snapshot
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import EVER, NOW, folder, make_meter, new, open_instance, reopened, total


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    made.live.load()
    yield made
    made.store.close()


def generation(parts: Services) -> Path:
    (found,) = folder(parts).glob("at-*")
    return found


def filled(parts: Services) -> Meter:
    meter = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    rows = [
        new(meter, NOW - step % 7, 1 + step, f"c{step % 3}", metadata={"seat": f"s{step % 11}"}) for step in range(60)
    ]
    parts.ingest.store(rows[:40])
    parts.live.refresh()
    parts.ingest.store(rows[40:])
    return meter


def figures(parts: Services, meter: Meter) -> tuple[object, ...]:
    """Answers that together need every column."""
    usage = parts.engine.usage(meter, Query(EVER, "day"))
    summed = parts.engine.usage(meter, Query(EVER, customers=("c1",)), parts.registry.metrics.get("SUM"))
    log = parts.engine.log([meter], Query(EVER), page_size=100)
    rows = [row.event for row in log.rows]
    return usage.total, usage.event_count, usage.unique_customers, summed.total, log.total, rows, usage.as_of


def test_a_restart_gives_the_same_answers_and_reads_nothing_twice(parts: Services) -> None:
    meter = filled(parts)
    expected = figures(parts, meter)
    again = reopened(parts)
    found = again.live.current().snapshot(meter.pk)
    assert (len(found.base), len(found.tail)) == (60, 0)
    assert figures(again, meter) == expected
    assert figures(reopened(again), meter) == expected


def test_events_after_a_save_are_read_from_the_store(parts: Services) -> None:
    """Also those with values and metadata keys that the saved dictionaries do not know."""
    meter = filled(parts)
    parts.live.refresh()
    parts.live.save(force=True)
    parts.ingest.store(
        [new(meter, NOW - 3, metadata={"seat": "s99", "fresh": "x"}), new(meter, metadata={"seat": "s1"})]
    )
    expected = figures(parts, meter)
    again = open_instance(parts.instance)
    again.live.load()
    found = again.live.current().snapshot(meter.pk)
    assert (len(found.base), len(found.tail)) == (60, 2)
    assert figures(again, meter) == expected
    assert expected[0] == 12
    again.store.close()


def change_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x40
    path.write_bytes(data)


def column(parts: Services) -> Path:
    return next(path for path in generation(parts).iterdir() if path.name.endswith("quantity.npy"))


DAMAGE: dict[str, Callable[[Services], object]] = {
    "a flipped byte": lambda parts: flip_last_byte(column(parts)),
    "a torn file": lambda parts: os.truncate(column(parts), column(parts).stat().st_size // 2),
    "a missing file": lambda parts: column(parts).unlink(),
    "no manifest": lambda parts: (folder(parts) / "manifest.json").unlink(),
    "a garbage manifest": lambda parts: (folder(parts) / "manifest.json").write_bytes(b"\x00\xff{]"),
    "a manifest of another instance": lambda parts: change_json(folder(parts) / "manifest.json", instance="other"),
    "a manifest of a longer store": lambda parts: change_json(folder(parts) / "manifest.json", seq=61),
    "no generation": lambda parts: shutil.rmtree(generation(parts)),
    "a generation of a save that was killed": lambda parts: (folder(parts) / "at-61-1").mkdir(),
    "no folder": lambda parts: shutil.rmtree(folder(parts)),
    "a file in place of the folder": lambda parts: (shutil.rmtree(folder(parts)), folder(parts).touch()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_whatever_lies_in_the_folder_the_start_works_and_the_figures_are_right(
    parts: Services, damage: Callable[[Services], object]
) -> None:
    meter = filled(parts)
    expected = figures(parts, meter)
    parts.close()
    damage(parts)
    again = open_instance(parts.instance)
    again.live.load()
    assert figures(again, meter) == expected
    again.ingest.store([new(meter, metadata={"seat": "s99"})])
    assert total(again, meter) == 12
    again.live.save(force=True)
    again.store.close()


def test_columns_of_another_instance_are_not_believed(parts: Services, tmp_path: Path) -> None:
    """The folder of one instance copied into another, as a careless restore would."""
    meter = filled(parts)
    parts.close()
    other = open_instance(tmp_path / "other")
    same = make_meter(other, "seats", "UNIQUE_COUNT", property_name="seat")
    assert same.pk == meter.pk
    other.ingest.store([new(same, NOW + step, metadata={"seat": "only"}) for step in range(80)])
    other.close()
    shutil.rmtree(folder(other), ignore_errors=True)
    shutil.copytree(folder(parts), folder(other))
    again = open_instance(other.instance)
    assert total(again, same) == 1
    again.store.close()


@pytest.mark.parametrize("grown", [0, 5, 20, 40])
def test_a_store_put_back_to_an_earlier_day_is_not_answered_from_its_lost_future(parts: Services, grown: int) -> None:
    """Even when it has grown beyond the saved sequence again, with other events."""
    meter = make_meter(parts)
    parts.ingest.store([new(meter)] * 10)
    parts.store.close()
    database = parts.instance / "fluxrate.db"
    shutil.copy(database, parts.instance / "backup.db")
    lost = open_instance(parts.instance)
    lost.ingest.store([new(meter, quantity=1_000)] * 20)
    assert total(lost, meter) == 20_010
    lost.close()
    shutil.copy(parts.instance / "backup.db", database)
    back = open_instance(parts.instance)
    if grown:
        back.ingest.store([new(meter, quantity=100)] * grown)
    back.store.close()
    again = open_instance(parts.instance)
    assert total(again, meter) == 10 + 100 * grown
    again.store.close()


def test_columns_are_saved_when_enough_has_come_and_not_before(parts: Services) -> None:
    meter = make_meter(parts)
    parts.ingest.store([new(meter)])
    parts.live.refresh()
    parts.live.save()
    assert not folder(parts).exists()
    parts.live.save(force=True)
    first = generation(parts)
    parts.live.save(force=True)
    assert generation(parts) == first
    parts.ingest.store([new(meter, NOW + step) for step in range(20_000)])
    parts.live.refresh()
    parts.live.save()
    assert generation(parts).name.startswith("at-20001-")


def test_an_instance_without_a_writable_folder_still_serves(parts: Services, caplog: pytest.LogCaptureFixture) -> None:
    meter = filled(parts)
    folder(parts).write_text("in the way", "utf-8")
    parts.live.save(force=True)
    assert "could not be saved" in caplog.text
    assert total(parts, meter) == 11


@pytest.mark.parametrize("small", [True, False])
def test_events_that_come_while_the_columns_are_written_are_counted(
    parts: Services, monkeypatch: pytest.MonkeyPatch, small: bool
) -> None:
    """So many that a small meter folds them into its base before the save has ended; voids among them."""
    meter = make_meter(parts)
    before = parts.ingest.store([new(meter, NOW - step) for step in range(2_000)])
    if not small:
        monkeypatch.setattr(snapshot, "SMALL", 1_000)
    parts.live.refresh()
    save = files.save

    def slow(*args: Any) -> files.Saved | None:
        saved = save(*args)
        fresh = parts.ingest.store([new(meter, NOW + step, 10) for step in range(5_000)])
        for stored in (before[7], fresh[7]):
            parts.live.acknowledge(parts.store.voids.add(stored.event.seq, "a test", "nobody", NOW).seq)
        parts.live.refresh()
        return saved

    monkeypatch.setattr(files, "save", slow)
    parts.live.save(force=True)
    assert total(parts, meter) == 1_999 + 49_990
    assert parts.engine.log([meter], Query(EVER)).total == 7_000
    monkeypatch.undo()
    again = reopened(parts)
    assert total(again, meter) == 1_999 + 49_990
    again.store.close()


@pytest.mark.parametrize("grown", ["nothing", "another void", "an event", "an event and a void"])
def test_a_store_put_back_to_before_a_void_does_not_know_of_it(parts: Services, grown: str) -> None:
    """Even when it has grown to the saved sequence again, and has every event that was saved."""
    meter = make_meter(parts)
    stored = parts.ingest.store([new(meter, quantity=10**place) for place in range(4)])
    parts.store.close()
    database = parts.instance / "fluxrate.db"
    shutil.copy(database, parts.instance / "backup.db")
    lost = open_instance(parts.instance)
    lost.live.acknowledge(lost.store.voids.add(stored[0].event.seq, "a test", "nobody", NOW).seq)
    assert total(lost, meter) == 1_110
    lost.close()
    shutil.copy(parts.instance / "backup.db", database)
    back, expected = open_instance(parts.instance), 1_111
    if "event" in grown:
        back.ingest.store([new(meter, quantity=10_000)])
        expected += 10_000
    if "void" in grown:
        back.store.voids.add(stored[1].event.seq, "a test", "nobody", NOW)
        expected -= 10
    back.store.close()
    again = open_instance(parts.instance)
    assert total(again, meter) == expected
    again.store.close()


def test_a_save_of_another_version_is_replaced_at_the_next_save(parts: Services) -> None:
    """Else every start after an upgrade would read the store anew."""
    meter = filled(parts)
    expected = figures(parts, meter)
    parts.close()
    path = parts.instance / "columns" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(manifest | {"version": files.VERSION - 1}), "utf-8")
    again = open_instance(parts.instance)
    again.live.load()
    again.close()
    assert json.loads(path.read_text("utf-8"))["version"] == files.VERSION
    assert figures(open_instance(parts.instance), meter) == expected
