"""The store on SQLite: the contract with both drivers, the pragmas, and what happens when the file cannot serve."""

from __future__ import annotations

import logging
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import exc

from fluxrate.core.errors import Unavailable
from fluxrate.core.store import Store, engines, faults
from tests.contracts.migrations import ROOT, MigrationContract
from tests.contracts.store import StoreContract
from tests.contracts.store_case import NOW, everything, make_meter, new, together
from tests.core.store.process import BATCH


class OnSqlite:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.db"


class TestStore(OnSqlite, StoreContract):
    pass


class TestStoreOnTheStandardLibrary(OnSqlite, StoreContract):
    """Where there is no wheel of pysqlite3, Python's own sqlite3 must do."""

    @pytest.fixture(autouse=True)
    def _driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "sqlite", sqlite3)
        monkeypatch.setattr(faults, "sqlite", sqlite3)


class TestMigrations(OnSqlite, MigrationContract):
    def test_rebuilt_tables_stay_strict(
        self, store: Store, scripts: Path, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        """A table that a migration rebuilt still refuses values of the wrong type and does not reuse keys."""
        self.test_filled_database(store, scripts, monkeypatch, url)
        with store.read() as connection:
            rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'").all()
        made = {row.name: row.sql for row in rows}
        for name in ("meters", "customers"):
            assert "AUTOINCREMENT" in made[name]
            assert made[name].rstrip().endswith("STRICT")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "LOCK_SECONDS", 0.1)


def other_connection(tmp_path: Path) -> sqlite3.Connection:
    return engines.sqlite.connect(tmp_path / "store.db", isolation_level=None, timeout=0.1)


def test_pragmas_are_in_force(store: Store) -> None:
    """Every connection is durable, checks foreign keys and waits for locks; the writer has the larger cache."""
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 5000,
        "foreign_keys": 1,
        "temp_store": 2,
        "journal_size_limit": 64 * 1024 * 1024,
        "wal_autocheckpoint": 8192,
    }
    for using, cache in ((store.read, -8192), (store.write, -65536)):
        with using() as connection:
            shown = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in expected}
            assert shown == expected
            assert connection.exec_driver_sql("PRAGMA cache_size").scalar() == cache


def test_driver_has_no_known_bug() -> None:
    """The driver in use is new enough for a write-ahead log that loses nothing."""
    assert engines.sqlite.sqlite_version_info >= (3, 51, 3)


def test_old_sqlite_is_warned_about(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A SQLite that can lose commits works, with a warning in the log that names its version."""
    monkeypatch.setattr(engines, "sqlite", sqlite3)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    with caplog.at_level(logging.WARNING):
        Store(url).close()
    assert "can lose commits" in caplog.text


def test_tables_are_strict(store: Store) -> None:
    """Every table refuses a value of the wrong type."""
    with store.read() as connection:
        tables = connection.exec_driver_sql("SELECT name, strict FROM pragma_table_list WHERE type = 'table'").all()
    assert {name for name, strict in tables if not strict} == {
        "alembic_version",
        "sqlite_schema",
        "sqlite_sequence",
        "sqlite_temp_schema",
    }
    with pytest.raises(exc.IntegrityError, match="TEXT value"), store.write() as connection:
        connection.exec_driver_sql("UPDATE ingest SET last_seq = 'many'")


def test_reading_takes_no_write_lock(store: Store, tmp_path: Path) -> None:
    """Another process can write while this one is in the middle of reading, and reads on in its snapshot."""
    make_meter(store)
    with store.read() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM customers").scalar()
        other = other_connection(tmp_path)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO customers VALUES (1, 'i', 'e', NULL, NULL, 0, 0)")
        other.execute("COMMIT")
        other.close()
        assert connection.exec_driver_sql("SELECT count(*) FROM customers").scalar() == before == 0
    assert store.customers.count() == 1


def test_writing_begins_with_the_lock(store: Store, tmp_path: Path) -> None:
    """A write transaction holds the write lock from its beginning, so it never fails half way for want of it."""
    other = other_connection(tmp_path)
    with store.write(), pytest.raises(engines.sqlite.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_new_file_opened_by_many(tmp_path: Path) -> None:
    """Stores that open the same new file at the same moment all succeed."""
    for turn in range(25):
        stores = [Store(f"sqlite:///{tmp_path}/{turn}.db") for _ in range(6)]
        together(6, lambda number, stores=stores: stores[number].ping())  # type: ignore[misc]
        for store in stores:
            store.close()


def test_writing_keeps_no_reader_waiting(store: Store) -> None:
    """While a write transaction is open, others read what was there before."""
    meter = make_meter(store)
    found = []
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE meters SET name = 'changed'")
        thread = threading.Thread(target=lambda: found.append(store.meters.get(meter.pk)))
        thread.start()
        thread.join(timeout=5)
        assert found == [meter]


@pytest.mark.usefixtures("impatient")
def test_locked_by_another_process(tmp_path: Path, url: str) -> None:
    """When another process keeps the database locked, a write is unavailable; it works again afterwards."""
    store = Store(url)
    store.migrate()
    meter = make_meter(store)
    other = other_connection(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked by another process"):
        store.events.append([new(meter)], NOW)
    assert everything(store) == []
    other.execute("ROLLBACK")
    other.close()
    assert store.events.append([new(meter)], NOW)[0].event.seq == 1
    store.close()


def test_full_disk(store: Store) -> None:
    """When the disk is full a batch is unavailable and leaves nothing; reading goes on, and writing when
    there is room.
    """
    meter = make_meter(store)
    [first] = store.events.append([new(meter, "first")], NOW)
    with store.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    batch = [new(meter, f"k{i}", metadata='{"x":"' + "y" * 1000 + '"}') for i in range(500)]
    with pytest.raises(Unavailable, match="full"):
        store.events.append(batch, NOW)
    assert [row[0] for row in store.events.read_after(0)] == [first.event.seq]
    assert store.events.last_seq() == first.event.seq
    with store.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert not any(one.duplicate for one in store.events.append(batch, NOW))
    assert len(everything(store)) == 501


def test_files_that_cannot_serve(tmp_path: Path) -> None:
    """A missing folder and a file that is no database are unavailable, each with its own sentence."""
    (tmp_path / "text.db").write_text("This is no database. " * 100)
    for name, sentence in (("missing/store.db", "cannot be opened"), ("text.db", "not a SQLite database")):
        store = Store(f"sqlite:///{tmp_path}/{name}")
        for ask in (store.ping, store.migrate, store.meters.all):
            with pytest.raises(Unavailable, match=sentence) as error:
                ask()
            assert str(tmp_path) not in error.value.detail
        store.close()


def test_damaged_file(store: Store, tmp_path: Path, url: str) -> None:
    """A damaged file is said to be damaged."""
    meter = make_meter(store)
    store.events.append([new(meter, f"k{i}") for i in range(2000)], NOW)
    store.close()
    path = tmp_path / "store.db"
    content = bytearray(path.read_bytes())
    content[4096 * 12 :] = random.Random(1).randbytes(len(content) - 4096 * 12)
    path.write_bytes(content)
    damaged = Store(url)
    with pytest.raises(Unavailable, match="damaged"):
        damaged.events.read_after(0)
    damaged.close()


def test_closing_leaves_one_file(store: Store, tmp_path: Path) -> None:
    """A closed store is one file: the write-ahead log is folded in, and what writers took turns by is empty."""
    store.events.append([new(make_meter(store))], NOW)
    store.close()
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size] == ["store.db"]


def test_killed_while_writing(store: Store, url: str) -> None:
    """Every event acknowledged before a process was killed is there afterwards, and no batch is there in part."""
    make_meter(store)
    acknowledged: set[int] = set()
    for seed in range(5):
        acknowledged |= _killed(url, random.Random(seed).uniform(0.02, 0.25))
        stored = [row[0] for row in store.events.read_after(0)]
        assert acknowledged <= set(stored)
        assert len(stored) % BATCH == 0
        assert store.events.last_seq() == stored[-1]
    assert len(acknowledged) > 5 * BATCH
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def test_killed_while_voiding(store: Store, url: str) -> None:
    """Every void acknowledged before a process was killed is there afterwards, at most one more, and the sequences have
    no gap.
    """
    make_meter(store)
    acknowledged: set[int] = set()
    for seed in range(3):
        acknowledged |= _killed(url, random.Random(seed).uniform(0.02, 0.25), "void")
        voids = store.voids.read_after(0)
        assert acknowledged <= {row[1] for row in voids}
        assert len(voids) <= len(acknowledged) + seed + 1
        taken = sorted([row[0] for row in voids] + [row[0] for row in store.events.read_after(0)])
        assert taken == list(range(1, store.events.last_seq() + 1))
    assert len(acknowledged) > 3 * BATCH
    with store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


def _killed(url: str, seconds: float, work: str = "append") -> set[int]:
    """The sequences that a process had acknowledged when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.core.store.process", work, url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    whole = [line for line in lines if line.endswith("\n")]
    return {int(seq) for line in whole for seq in line.split()}
