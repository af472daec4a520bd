"""Living columns on the real store: fresh for their own writer, and steady for readers while they grow and fold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import EVER, NOW, make_meter, new, open_instance, total


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    made.live.load()
    yield made
    made.store.close()


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
            seqs = {seq for part in state.snapshot(meter.pk).frames for seq in part.seq.tolist()}
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
        for part in held.snapshot(meter.pk).frames
    ]
    parts.ingest.store([new(meter, ts=NOW + step, quantity=9, metadata={"plan": "b"}) for step in range(4_200)])
    assert parts.live.current() is not held
    after = [
        (part.ts.tolist(), part.seq.tolist(), part.quantity.tolist(), part.codes("plan").tolist())
        for part in held.snapshot(meter.pk).frames
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
    log = parts.engine.log([meter], Query(EVER, customers=("w1",)), page_size=1_000, figure=True)
    assert (log.total, log.usage) == (8_000, 8_000)
