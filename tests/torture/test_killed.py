"""Servers killed at random moments under load: nothing acknowledged is lost, nothing counts twice, and the columns have
what the tables have. Short here; `make torture` does 100 rounds on each store (`ROUNDS=500 make torture` for more).
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxrate.app import create_app
from fluxrate.config import load_config
from tests.callers import Api, parts_of
from tests.instances import open_instance, total
from tests.postgresql import Server as Postgresql
from tests.served import Server, serving
from tests.torture.ledger import Sender

ROUNDS = int(os.environ.get("FLUXRATE_TEST_TORTURE_ROUNDS", "5"))
SENDERS = 6
EARLIEST, LATEST = 0.02, 0.4
"""Seconds of load after which a server is killed."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Postgresql]:
    server = Postgresql("fsync=on")
    yield server
    server.stop()


class Torture:
    """An instance, its senders, and the comparison of what they know with what is stored."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.settings = {"DATABASE_URL": database} if database else {}
        app = create_app(load_config(str(folder), self.settings, environ={}))
        api = Api(app)
        api.meter(decimals=0)
        parts_of(app).close()
        self.senders = [Sender(f"s{number}", api.secret) for number in range(SENDERS)]
        # Nobody reads what the server logs, and a full pipe would stop it.
        self.options = ("--log-level", "ERROR", *(("--database-url", database) if database else ()))

    def load(self, port: int, seconds: float, strike: Callable[[], object]) -> None:
        """All senders at work for so long; then `strike()`, and they end with the server or a little later."""
        stop = threading.Event()
        threads = [threading.Thread(target=one.run, args=(port, stop)) for one in self.senders]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        strike()
        stop.set()
        for thread in threads:
            thread.join()

    def finish(self) -> None:
        """Serve once more until everything is acknowledged; every event sent is then stored."""
        with serving(self.folder, *self.options) as server:
            for sender in self.senders:
                sender.finish(server.port)
        self.check()
        assert all(sender.sent.keys() == sender.acknowledged.keys() for sender in self.senders)

    def check(self) -> None:
        """Compare with the tables, and these with the columns of a new process."""
        parts = open_instance(self.folder, **self.settings)
        try:
            parts.live.load()
            seqs = [row[0] for row in parts.store.events.read_after(0, 10**9)]
            events = list(parts.store.events.by_seqs(seqs).values())
            stored = {str(event.idempotency_key): event for event in events}
            assert len(stored) == len(events), "an event counts twice"
            sent = {key: quantity for sender in self.senders for key, quantity in sender.sent.items()}
            assert {key: event.quantity for key, event in stored.items()}.items() <= sent.items()
            known = {key: found for sender in self.senders for key, found in sender.acknowledged.items()}
            ids = {key: event.id for key, event in stored.items()}
            assert known.items() <= ids.items(), "an acknowledged event is lost, or has another id"
            assert not [said for sender in self.senders for said in sender.contradictions]
            [meter] = parts.store.meters.all()
            assert (total(parts, meter) or 0) == sum(event.quantity for event in events)
            with parts.store.read() as connection:
                if parts.store.dialect == "sqlite":
                    assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        finally:
            parts.close()

    def check_running(self, server: Server) -> None:
        """The columns of a server that went on all the time have every event, once its refresh has come round."""
        sent = [quantity for sender in self.senders for quantity in sender.sent.values()]
        window = "start_date=2020-01-01&end_date=2040-01-01"
        key = self.senders[0].headers["X-API-Key"]
        end = time.monotonic() + 10
        while True:
            found = json.loads(server.get(f"/api/v1/meters/calls/usage?{window}", X_API_Key=key)[2])
            if (found["event_count"], found["total_usage"]) == (len(sent), sum(sent)):
                return
            assert time.monotonic() < end, found
            time.sleep(0.1)

    def report(self, rounds: int) -> None:
        """For who reads along (`-s`)."""
        acknowledged = sum(len(sender.acknowledged) for sender in self.senders)
        refused = sum(sender.refused for sender in self.senders)
        print(f"\n{rounds} rounds: {acknowledged} events acknowledged, {refused} answers 503, 0 lost, 0 twice")


def kill_rounds(folder: Path, database: str) -> None:
    torture = Torture(folder, database)
    moments = random.Random(20)
    for turn in range(ROUNDS):
        with serving(folder, *torture.options) as server:
            torture.load(server.port, moments.uniform(EARLIEST, LATEST), server.process.kill)
            assert server.process.wait() == -signal.SIGKILL
        if turn % 10 == 0:
            torture.check()
    torture.finish()
    torture.report(ROUNDS)


def test_killed_on_sqlite(tmp_path: Path) -> None:
    """A server on SQLite that is killed again and again."""
    kill_rounds(tmp_path, "")


def test_killed_on_postgresql(tmp_path: Path, postgresql: Postgresql) -> None:
    """A server on PostgreSQL that is killed again and again."""
    kill_rounds(tmp_path, postgresql.database())


def test_postgresql_killed(tmp_path: Path, postgresql: Postgresql) -> None:
    """PostgreSQL is killed and started again under a server that goes on: senders get 503 meanwhile, never 500."""
    torture = Torture(tmp_path, postgresql.database())
    moments = random.Random(21)
    rounds = max(ROUNDS // 5, 1)

    def strike() -> None:
        postgresql.halt(signal.SIGKILL)
        time.sleep(0.1)
        postgresql.start()
        time.sleep(0.3)

    with serving(tmp_path, *torture.options) as server:
        for _ in range(rounds):
            torture.load(server.port, moments.uniform(EARLIEST, LATEST), strike)
        assert server.process.poll() is None
        for sender in torture.senders:
            assert sender.refused
            sender.finish(server.port)
        torture.check_running(server)
    torture.finish()
    torture.report(rounds)
