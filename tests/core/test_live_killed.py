"""A process that is killed while it writes, folds and saves its columns: the next start works, and every figure is that
of the store.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from fluxrate.core.calendar import Window
from fluxrate.core.columns import files
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests import reference
from tests.core.live_process import event
from tests.instances import folder, make_meter, open_instance
from tests.reference import AGGREGATIONS, DAY

ROUNDS = int(os.environ.get("FLUXRATE_TEST_KILL_ROUNDS", "6"))
ROOT = Path(__file__).parents[2]
LONGEST = 0.5
"""Seconds after its first save by which a process is killed: it has saved several times by then."""
WEEK = Window(DAY // 2, 8 * DAY + 7, "UTC")


def killed(instance: Path, seed: int) -> None:
    """Let a process work on the instance, and kill it at some moment after its first save."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.core.live_process", str(instance), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "saved\n"
    time.sleep(random.Random(seed).uniform(0, LONGEST))
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def stored(parts: Services, meter: Meter, as_of: int) -> list[reference.Event]:
    """The meter's events that count at a sequence, from the tables."""
    voided = {event_seq for _, event_seq, _, _ in parts.store.voids.read_after(0, as_of)}
    rows = [row for row in parts.store.events.read_after(0, upto=as_of) if row[1] == meter.pk and row[0] not in voided]
    names = {pk: found.external_id for pk, found in parts.store.customers.by_pks([row[2] for row in rows]).items()}
    events = []
    for seq, _, customer, ts, quantity, text in rows:
        meta = reference.texts(msgspec.json.decode(text) if text else {})
        events.append(
            reference.Event(ts, seq, Decimal(quantity), names[customer], meta.get("user_id"), meter.meter_name, meta)
        )
    return events


def check(parts: Services, as_of: int) -> None:
    """Every figure of both meters, by time and by groups, against the events in the tables."""
    for meter in parts.store.meters.all():
        events = [e for e in stored(parts, meter, as_of) if WEEK.start <= e.ts < WEEK.end]
        for metric in AGGREGATIONS:
            check_figures(parts, meter, metric, Query(WEEK, "day", as_of=as_of, unique=True), events)
        assert parts.engine.log([meter], Query(WEEK, as_of=as_of), figure=True).usage == reference.figure(
            meter.aggregation_type, events, 0
        )


def check_figures(parts: Services, meter: Meter, metric: str, query: Query, events: list[reference.Event]) -> None:
    by_day: dict[int, list[reference.Event]] = defaultdict(list)
    by_plan: dict[str | None, list[reference.Event]] = defaultdict(list)
    for one in events:
        by_day[one.ts // DAY].append(one)
        by_plan[one.meta.get("plan")].append(one)
    usage = parts.engine.usage(meter, replace(query, breakdown=("meta.plan",)), parts.registry.metrics.get(metric))
    assert (usage.total, usage.event_count, usage.unique_customers) == figures(events, metric)
    found = {b.start // DAY: (b.usage, b.event_count, b.unique_customers) for b in usage.buckets}
    assert found == {day: figures(by_day[day], metric) for day in found}
    groups = {group.key[0][1]: group for group in usage.breakdown or () if group.key}
    assert len(groups) == len(by_plan)
    for plan, mine in by_plan.items():
        group = groups[plan]
        assert (group.usage, group.event_count, group.unique_customers) == figures(mine, metric)


def figures(events: list[reference.Event], metric: str) -> tuple[object, int, int]:
    return reference.figure(metric, events, 0), len(events), reference.unique_customers(events)


def prepare(instance: Path) -> None:
    """Two meters with saved columns."""
    parts, rng = open_instance(instance), random.Random(0)
    meters = [make_meter(parts, "calls"), make_meter(parts, "people", "UNIQUE_COUNT")]
    parts.ingest.store([event(rng.choice(meters), rng) for _ in range(3_000)])
    parts.close()


def check_start(instance: Path, seed: int) -> None:
    """Start on what a killed process left, compare, and save."""
    parts, rng = open_instance(instance), random.Random(seed)
    saved = files.saved_seq(folder(parts))
    parts.live.load()
    newest = parts.live.current().seq
    assert 0 < saved <= newest == parts.store.events.last_seq()
    check(parts, newest)
    check(parts, rng.randrange(saved - 200, newest))
    parts.ingest.store([event(rng.choice(parts.store.meters.all()), rng)])
    parts.live.refresh()
    parts.live.save(force=True)
    check(parts, newest + 1)
    assert len(list(folder(parts).glob("at-*"))) <= 2, "what the killed process left behind is still there"
    parts.store.close()


def test_a_process_killed_at_any_moment_leaves_an_instance_that_starts_and_counts_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it was writing, the columns of its last whole save are believed and the rest is read from the store."""
    prepare(tmp_path / "instance")
    for seed in range(ROUNDS):
        # What is mapped keeps its files, and columns that nobody asks any more stand in a circle of references.
        gc.collect()
        killed(tmp_path / "instance", seed)
        check_start(tmp_path / "instance", seed)
        warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert not warned, "the last whole save was not believed"
