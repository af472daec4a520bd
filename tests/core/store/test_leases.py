"""One process at a time: leases on both stores, and the turns of writers on one SQLite file."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fluxrate.core.alone import alone
from fluxrate.core.errors import Unavailable
from fluxrate.core.store import Store
from fluxrate.core.store.turns import Turns
from tests.contracts.migrations import ROOT
from tests.contracts.store_case import NOW, make_meter, new

SECONDS = 1


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else None
    url = url or request.getfixturevalue("postgresql").emptied()
    store = Store(url)
    store.url = url
    store.migrate()
    make_meter(store)
    yield store
    store.close()


@contextmanager
def process(*args: str):
    command = [sys.executable, "-m", "tests.core.store.process", *args]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def until_freed(store):
    """A server of a database takes a moment to notice that a client has gone."""
    end = time.monotonic() + 20
    while True:
        with store.leases.held("work") as mine:
            if mine:
                return
        assert time.monotonic() < end, "the lease of a killed process is still held"
        time.sleep(0.01)


def test_one_holds_a_lease_at_a_time(store):
    """Another process, or another thread's store, does not get it meanwhile; others by name do; a kill frees it."""
    with process("lease", store.url) as other:
        assert other.stdout.readline() == "True\n"
        with store.leases.held("work") as mine, store.leases.held("other work") as theirs:
            assert (mine, theirs) == (False, True)
        other.kill()
        other.wait()
        until_freed(store)
        for _ in range(2):
            with store.leases.held("work") as mine, store.leases.held("work") as again:
                assert (mine, again) == (True, False)


def test_a_lease_ends_with_its_work_also_when_that_fails(store):
    """What the work raises passes, and the next one gets the lease."""

    def fail() -> None:
        with store.leases.held("work") as mine:
            assert mine
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_writers_of_several_processes_take_turns(tmp_path):
    """Large batches without a pause from three processes: none fails, and each gets its share."""
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url)
    store.migrate()
    make_meter(store)
    with ExitStack() as stack:
        writers = [stack.enter_context(process("write", url, str(SECONDS))) for _ in range(3)]
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        counts = [int(writer.stdout.readline()) for writer in writers]
    assert min(counts) * 4 > max(counts), counts
    assert len(store.events.read_after(0, 10**9)) == sum(counts)
    store.close()


def test_a_turn_that_does_not_come_is_unavailable(tmp_path):
    """Behind a process that keeps the file, the wait has an end and says why; then the next turn is as good as any."""
    turns = Turns(f"{tmp_path}/store.db", 0.05)
    for name in ("store.db-writer.lock", "store.db-next.lock"):
        with alone(tmp_path / name) as mine:
            assert mine
            with pytest.raises(Unavailable, match="Other processes"), turns.taken():
                pytest.fail("a turn was taken")
        with turns.taken(), alone(tmp_path / name) as other:
            assert other is (name == "store.db-next.lock")
    turns.close()


def test_where_no_lock_can_be_made_sqlite_itself_decides(tmp_path):
    """A database in a folder that takes no new file is still read and written where SQLite can."""
    url = f"sqlite:///{tmp_path}/store.db"
    (tmp_path / "store.db-next.lock").mkdir()
    store = Store(url)
    store.migrate()
    assert len(store.events.append([new(make_meter(store))], NOW)) == 1
    store.close()
