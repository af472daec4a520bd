"""A reader that follows the store by sequence misses nothing, with writers held open between sequence and commit.

Short as a part of all tests; `TORTURE_SECONDS=600` makes it long, with delays of up to 300 ms.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from fluxrate.core.store import Store, append, counter
from fluxrate.core.store.schema import events
from tests.contracts.migrations import ROOT
from tests.contracts.store_case import NOW, make_meter, new, together
from tests.postgresql import Server

LONG = "TORTURE_SECONDS" in os.environ
SECONDS = float(os.environ.get("TORTURE_SECONDS", "2"))
WRITERS = 8
DELAY = 0.3 if LONG else 0.04
ROLLED_BACK = 0.15
BATCHES = (1, 7, 60, 4_000) if LONG else (1, 1, 7, 60)


class Undone(Exception):
    """What a writer raises to have its transaction rolled back."""


@pytest.fixture(scope="module")
def postgresql():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return request.getfixturevalue("postgresql").emptied()


@pytest.fixture
def store(url: str):
    store = Store(url)
    store.url = url
    store.migrate()
    make_meter(store)
    yield store
    store.close()


@contextmanager
def following(store: Store):
    """A process that follows the store; the list it fills in the end is what it saw, in its order."""
    command = [sys.executable, "-m", "tests.torture.follower", store.url]
    seen: list[list[int]] = []
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield seen
            answer, _ = process.communicate("end\n", timeout=120)
            seen += [[int(part) for part in line.split()] for line in answer.splitlines()]
        finally:
            process.kill()


@contextmanager
def long_reader(store: Store):
    """A transaction that has read the table and stays open, as a report or a backup does."""
    with store.read() as connection:
        if store.dialect == "postgresql":
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.execute(select(events.c.seq)).all()
        yield
        if store.dialect == "postgresql":
            connection.exec_driver_sql("ROLLBACK")


def held_open(store: Store, rng: random.Random) -> None:
    """Append some events as `append` does, but wait between the sequence and the commit, or give all of it up."""
    [meter] = store.meters.all()
    batch = [new(meter, f"{rng.getrandbits(80)}") for _ in range(rng.choice(BATCHES))]
    try:
        with store.write() as connection:
            append._append(connection, batch, NOW)
            time.sleep(rng.uniform(0, DELAY))
            if rng.random() < ROLLED_BACK:
                raise Undone
    except Undone:
        pass


def carelessly(store: Store, rng: random.Random) -> None:
    """The same with sequences that are given out at once, as a database's own sequences are."""
    [meter] = store.meters.all()
    with store.write() as connection:
        seq, _ = counter.take(connection, 1, NOW)
    time.sleep(rng.uniform(0, DELAY))
    row = store.customers.by_external_id("acme")
    with store.write() as connection:
        connection.execute(
            events.insert().values(
                seq=seq, meter_pk=meter.pk, customer_pk=row.pk, timestamp=NOW, quantity=1, ingested_at=NOW
            )
        )


def side_by_side(store: Store, write, seconds: float = SECONDS) -> None:
    """Writers at the same time until it is over; whatever one of them raises is raised."""
    end = time.monotonic() + seconds

    def run(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            write(store, rng)

    together(WRITERS, run)


def stored(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.execute(select(events.c.seq).order_by(events.c.seq)).scalars())


def test_a_follower_misses_nothing_and_sees_nothing_twice(store):
    """Reads by sequence in another process, and the columns there, have every committed event once."""
    with following(store) as seen, ExitStack() as stack:
        stack.enter_context(long_reader(store))
        side_by_side(store, held_open)
    [rows, [columns, reads]] = seen
    committed = stored(store)
    assert rows == committed
    assert columns == len(committed)
    # It followed, and did not just read all in the end.
    assert reads > SECONDS
    assert len(committed) > WRITERS
    print(f"{store.dialect}: {len(committed)} events in {reads} reads, none missed, none twice")


def test_the_same_would_be_missed_without_the_counters_lock(store):
    """With sequences that can be committed in another order, the same follower misses some: the test above can fail."""
    [meter] = store.meters.all()
    store.events.append([new(meter)], NOW)
    with following(store) as seen:
        side_by_side(store, carelessly, 1)
    [rows, _] = seen
    assert set(rows) < set(stored(store))
