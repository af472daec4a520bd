"""Living columns on the real store: fresh for their own writer, steady for readers, and right after any start."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fluxrate.core.calendar import Window
from fluxrate.core.columns.coding import MOST_KEYS
from fluxrate.core.model import Meter, Number
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import NOW, make_meter, new, open_instance, reopened

EVER = Window(0, 2 * NOW, "UTC")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    made.live.load()
    yield made
    made.store.close()


def total(parts: Services, meter: Meter, **query: Any) -> Number | None:
    return parts.engine.usage(meter, Query(EVER, **query)).total


# Freshness


def test_a_process_reads_its_own_writes_at_once(parts: Services) -> None:
    meter = make_meter(parts)
    for count in range(1, 6):
        stored = parts.ingest.store([new(meter)])
        assert total(parts, meter) == count
        assert parts.engine.as_of() == stored[0].event.seq


def test_what_another_process_wrote_is_there_after_a_refresh(parts: Services) -> None:
    meter = make_meter(parts)
    parts.ingest.store([new(meter)])
    assert total(parts, meter) == 1
    other = open_instance(parts.instance)
    other.ingest.store([new(meter, quantity=41)])
    assert total(parts, meter) == 1
    parts.live.refresh()
    assert total(parts, meter) == 42
    other.store.close()


def test_a_write_of_ones_own_brings_what_others_wrote_before_it(parts: Services) -> None:
    meter = make_meter(parts)
    other = open_instance(parts.instance)
    other.ingest.store([new(meter, quantity=41)])
    parts.ingest.store([new(meter)])
    assert total(parts, meter) == 42
    other.store.close()


def test_columns_that_nobody_loaded_are_loaded_at_first_use(parts: Services) -> None:
    """A command that only reads must not find an empty instance."""
    meter = make_meter(parts)
    parts.ingest.store([new(meter, quantity=7)])
    fresh = open_instance(parts.instance)
    assert total(fresh, meter) == 7
    fresh.store.close()


def test_a_repeat_changes_nothing_and_answers_with_the_first_event(parts: Services) -> None:
    meter = make_meter(parts)
    first = parts.ingest.store([new(meter, quantity=5, key="k")])[0]
    again = parts.ingest.store([new(meter, quantity=6, key="k")])[0]
    assert (again.duplicate, again.event) == (True, first.event)
    assert total(parts, meter) == 5


def test_events_of_many_meters_in_one_batch_each_reach_their_own(parts: Services) -> None:
    meters = [make_meter(parts, f"m{number}") for number in range(5)]
    parts.ingest.store([new(meter, quantity=10**place) for place, meter in enumerate(meters)])
    parts.ingest.store([new(meter, ts=NOW - 1, quantity=10**place) for place, meter in enumerate(meters)])
    assert [total(parts, meter) for meter in meters] == [2 * 10**place for place in range(5)]


def test_every_writer_sees_its_own_event_while_many_write_and_every_state_is_whole(parts: Services) -> None:
    """Sequences are given in order of commit, so a state of sequence n holds exactly n events."""
    meter = make_meter(parts)
    done = threading.Event()

    def write(worker: int) -> None:
        for number in range(25):
            stored = parts.ingest.store([new(meter, ts=NOW - worker * 1_000 - number, customer=f"c{worker}")])
            state = parts.live.current()
            assert state.seq >= stored[0].event.seq
            seqs = {seq for part in state.snapshot(meter.pk).parts(0, 1 << 62) for seq in part.seq.tolist()}
            assert stored[0].event.seq in seqs

    def read() -> None:
        while not done.is_set():
            state = parts.live.refresh()
            assert len(state.snapshot(meter.pk)) == state.seq

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, worker) for worker in range(6)]
        errors = [writer.exception() for writer in writers]
        done.set()
        errors += [reader.exception() for reader in readers]
    assert errors == [None] * 8
    assert total(parts, meter) == 150


# A state is for ever


def test_a_state_that_a_reader_holds_does_not_change(parts: Services) -> None:
    meter = make_meter(parts)
    parts.ingest.store([new(meter, ts=NOW + step, metadata={"plan": "a"}) for step in range(4_200)])
    held = parts.live.current()
    before = [
        (part.ts.tolist(), part.seq.tolist(), part.quantity.tolist(), part.codes("plan").tolist())
        for part in held.snapshot(meter.pk).parts(0, 1 << 62)
    ]
    parts.ingest.store([new(meter, ts=NOW + step, quantity=9, metadata={"plan": "b"}) for step in range(4_200)])
    assert parts.live.current() is not held
    after = [
        (part.ts.tolist(), part.seq.tolist(), part.quantity.tolist(), part.codes("plan").tolist())
        for part in held.snapshot(meter.pk).parts(0, 1 << 62)
    ]
    assert after == before
    assert held.seq == 4_200


def test_a_refresh_without_news_keeps_the_state(parts: Services) -> None:
    parts.ingest.store([new(make_meter(parts))])
    held = parts.live.current()
    assert parts.live.refresh() is held


# Folding


def large(parts: Services) -> Meter:
    """A meter too large to be folded while a reader waits: a base of 20,000 rows and a tail of 35,000."""
    meter = make_meter(parts, property_name="seat")
    for count in (20_000, 35_000):
        rows = [
            new(meter, NOW - step % 977, 1, f"c{step % 31}", metadata={"seat": f"s{step % 53}"})
            for step in range(count)
        ]
        parts.ingest.store(rows)
        parts.live.refresh()
    snapshot = parts.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (20_000, 35_000)
    return meter


def test_folding_changes_no_figure(parts: Services) -> None:
    meter = large(parts)
    query = Query(Window(NOW - 500, NOW - 100, "UTC"), "minute")
    metrics = parts.registry.metrics.all.values()
    before = [parts.engine.usage(meter, query, metric) for metric in metrics]
    ranked = parts.engine.ranking(meter, query, 50)
    held = parts.live.current()
    parts.live.fold()
    snapshot = parts.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (55_000, 0)
    assert [parts.engine.usage(meter, query, metric) for metric in metrics] == before
    assert parts.engine.ranking(meter, query, 50) == ranked
    assert len(held.snapshot(meter.pk).tail) == 35_000


def test_events_that_come_while_folds_run_are_neither_lost_nor_counted_twice(parts: Services) -> None:
    """Two threads fold again and again while others write and read."""
    meter = large(parts)
    done = threading.Event()

    def fold() -> None:
        while not done.wait(0.001):
            parts.live.fold()

    def write(worker: int) -> None:
        for number in range(20):
            parts.ingest.store([new(meter, NOW - worker * 7 - number, customer=f"w{worker}")] * 400)
            state = parts.live.current()
            assert len(state.snapshot(meter.pk)) == state.seq

    with ThreadPoolExecutor(5) as pool:
        folders = [pool.submit(fold) for _ in range(2)]
        writers = [pool.submit(write, worker) for worker in range(3)]
        errors = [writer.exception() for writer in writers]
        done.set()
        errors += [folder.exception() for folder in folders]
    assert errors == [None] * 5
    parts.live.fold()
    assert total(parts, meter) == 55_000 + 3 * 20 * 400
    log = parts.engine.log([meter], Query(EVER, customers=("w1",)), page_size=1_000)
    assert (log.total, log.usage) == (8_000, 8_000)


# Saved columns


def folder(parts: Services) -> Path:
    return parts.instance / "columns"


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
    snapshot = again.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (60, 0)
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
    snapshot = again.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (60, 2)
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


# What a meter counts by


def test_a_distinct_count_reads_the_property_and_falls_back_to_the_user(parts: Services) -> None:
    """The same text under either key is one value; an empty or null property is absent or a value as it was sent."""
    meter = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    metas: list[dict[str, Any]] = [
        {"seat": "a"},
        {"seat": "b", "user_id": "x"},
        {"user_id": "a"},
        {"user_id": "x"},
        {"seat": None, "user_id": "y"},
        {"seat": 7},
        {"user_id": "7"},
        {"seat": ""},
    ]
    parts.ingest.store([new(meter, metadata=meta) for meta in metas])
    assert total(parts, meter) == len({"a", "b", "x", "y", "7", ""})


def test_a_distinct_count_is_the_same_whichever_batch_had_which_key(parts: Services) -> None:
    """Old events have the property only, new ones the fallback only, and the restart put the old ones into the base."""
    meter = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    parts.ingest.store([new(meter, metadata={"seat": name}) for name in ("a", "b", "c")])
    again = reopened(parts)
    again.ingest.store([new(meter, metadata={"user_id": name}) for name in ("x", "y", "a")])
    snapshot = again.live.current().snapshot(meter.pk)
    assert (len(snapshot.base), len(snapshot.tail)) == (3, 3)
    assert total(again, meter) == 5
    by_customer = again.engine.ranking(meter, Query(EVER), 10)
    assert [row.usage for row in by_customer.rows] == [5]
    again.ingest.store([new(meter, metadata={"seat": "x"})])
    assert total(again, meter) == 5
    again.store.close()


def test_a_meter_without_a_property_counts_users(parts: Services) -> None:
    meter = make_meter(parts, "people", "UNIQUE_COUNT")
    parts.ingest.store([new(meter, metadata={"user_id": f"u{step % 4}", "seat": str(step)}) for step in range(20)])
    assert total(parts, meter) == 4


def test_only_events_that_pass_the_meters_filters_count_but_all_stand_in_the_log(parts: Services) -> None:
    meter = make_meter(
        parts,
        "eu_paid",
        filters=({"key": "region", "values": ["eu", "uk"]}, {"key": "paid", "values": ["true"]}),
    )
    metas: list[dict[str, Any] | None] = [
        {"region": "eu", "paid": True},
        {"region": "us", "paid": True},
        {"region": "uk", "paid": "true"},
        {"region": "eu", "paid": False},
        {"region": "eu"},
        None,
    ]
    rows = [new(meter, NOW + place, 10**place, f"c{place}", metadata=meta) for place, meta in enumerate(metas)]
    parts.ingest.store(rows)
    usage = parts.engine.usage(meter, Query(EVER, "day", fill="none"))
    assert (usage.total, usage.event_count, usage.unique_customers) == (101, 2, 2)
    assert [(bucket.usage, bucket.event_count) for bucket in usage.buckets] == [(101, 2)]
    log = parts.engine.log([meter], Query(EVER))
    assert (log.total, log.usage) == (6, 101)
    assert [row.customer.external_id for row in parts.engine.ranking(meter, Query(EVER), 10).rows] == ["c2", "c0"]
    stats = parts.engine.stats(meter, "UTC", NOW)
    assert (stats.total_events, stats.unique_customers, stats.today) == (2, 2, 101)


def hostile(parts: Services) -> Meter:
    """A meter whose senders use more metadata keys than are coded."""
    meter = make_meter(parts, "noise")
    parts.ingest.store([new(meter, metadata={f"key-{step}": "v"}) for step in range(3 * MOST_KEYS)])
    assert total(parts, meter) == 3 * MOST_KEYS
    assert len(parts.live.coder.dictionaries) == MOST_KEYS
    return meter


def test_a_flood_of_metadata_keys_does_not_keep_a_later_meter_from_its_own(parts: Services) -> None:
    hostile(parts)
    seats = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat")
    paid = make_meter(parts, "paid", filters=({"key": "tier", "values": ["paid"]},))
    events = [new(seats, metadata={"seat": str(step % 5)}) for step in range(20)]
    events += [new(paid, metadata={"tier": "paid" if step % 4 == 0 else "free"}) for step in range(20)]
    parts.ingest.store(events)
    assert (total(parts, seats), total(parts, paid)) == (5, 5)
    again = reopened(parts)
    again.ingest.store([new(seats, metadata={"seat": "new"}), new(paid, metadata={"tier": "paid"})])
    assert (total(again, seats), total(again, paid)) == (6, 6)
    shutil.rmtree(folder(again))
    rebuilt = open_instance(again.instance)
    assert (total(rebuilt, seats), total(rebuilt, paid)) == (6, 6)


def test_a_meter_changed_before_its_first_event_counts_by_what_it_was_changed_to(parts: Services) -> None:
    """Columns that saw the meter when it read another key must notice."""
    seats = make_meter(parts, "seats", "UNIQUE_COUNT", property_name="chair")
    noise = hostile(parts)
    seats = parts.store.meters.update(seats.pk, {"property_name": "seat"}, NOW)
    parts.ingest.store([new(noise), *(new(seats, metadata={"seat": str(step)}) for step in range(3))])
    assert total(parts, seats) == 3
