"""What every database must do when its tables are brought up to date."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from fluxrate.core.errors import ConfigError, Unavailable
from fluxrate.core.model import COMMAND_LINE, Note
from fluxrate.core.store import Store, migrate
from fluxrate.core.store.schema import METADATA
from tests.contracts.store_billing import fill_billing
from tests.contracts.store_case import NOW, everything, make_meter, new

ROOT = Path(__file__).parents[2]

LATER = "9998"
"""The revision of a version to come, after all that are there."""

# Rebuilds the tables that others point at, which is where rows get lost.
REBUILD = f"""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{LATER}", "{migrate.HEAD}"

def upgrade():
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    for table, counted in (("meters", True), ("customers", True), ("events", False)):
        kept = dict(sqlite_autoincrement=True) if counted else dict()
        with op.batch_alter_table(table, recreate=recreate, table_kwargs=kept) as batch:
            batch.add_column(sa.Column("note", sa.Text()))
"""
FAILING = (
    REBUILD
    + """
    raise RuntimeError("half way")
"""
)


POSTGRESQL_CATALOG = (
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
    ),
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    (
        "SELECT table_name, column_name, ordinal_position, data_type, collation_name, is_nullable, column_default,"
        " identity_generation FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3"
    ),
)


def fill(store: Store) -> None:
    """At least one row in every table."""
    fill_first(store)
    store.voids.add(7, "sent twice", "key:k", NOW, Note(COMMAND_LINE, "event.voided", None, NOW))
    fill_billing(store)


def fill_first(store: Store) -> None:
    """At least one row in every table of the first revision."""
    meter = make_meter(store)
    names = [f"c{i}" for i in range(50)]
    store.events.append([new(meter, name, customer_external_id=name, metadata='{"a":1}') for name in names], NOW)
    store.keys.create(name="k", prefix="p", digest=b"d", scopes=("admin",), now=NOW)
    user = store.users.create(email="a@x.test", password_hash="h", now=NOW)
    store.sessions.create(b"t", user.pk, NOW)


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in METADATA.sorted_tables
        }


def described(store: Store) -> list[tuple[object, ...]]:
    """Every column, constraint and index, in the database's own words."""
    with store.read() as connection:
        if store.dialect == "postgresql":
            return [tuple(row) for query in POSTGRESQL_CATALOG for row in connection.exec_driver_sql(query)]
        made = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
        return sorted((name, line.strip(" ,\t")) for name, text in made for line in text.split("\n"))


class MigrationContract:
    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, url: str) -> Iterator[Store]:
        store = Store(url)
        yield store
        store.close()

    @pytest.fixture
    def scripts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A copy of the scripts, to which a test adds the revision of a later version."""
        copy = tmp_path / "later"
        shutil.copytree(migrate.SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(migrate, "SCRIPTS", copy)
        return copy / "versions"

    def test_first_and_second_time(self, store: Store, url: str) -> None:
        """The first migration applies every revision, the second none, and `pending` knows beforehand."""
        assert store.pending()
        applied = store.migrate()
        assert applied[0] == "0001"
        assert applied[-1] == migrate.HEAD
        assert not store.pending()
        assert store.migrate() == []

    def test_head_is_the_last_script(self) -> None:
        """The revision that stands in the code is that of the last script."""
        assert ScriptDirectory.from_config(migrate.config()).get_heads() == [migrate.HEAD]

    def test_nothing_to_do_reads_no_script(self, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A start with nothing to migrate looks at one row only."""
        store.migrate()
        monkeypatch.setattr(migrate, "SCRIPTS", tmp_path / "missing")
        assert store.migrate() == []

    def test_tables_are_those_of_the_schema(self, store: Store) -> None:
        """The migrations lead to the tables that the code is written for."""
        store.migrate()
        migrated = described(store)
        with store.write() as connection:
            METADATA.drop_all(connection)
            METADATA.create_all(connection)
        assert migrated == described(store)

    def test_unmigrated(self, store: Store) -> None:
        """A store that was never migrated says so instead of failing strangely."""
        for ask in (store.events.last_seq, lambda: store.events.read_after(0), store.meters.all):
            with pytest.raises(Unavailable, match="has not been migrated") as error:
                ask()
            assert "select" not in error.value.detail.lower()

    def test_newer_database(self, store: Store) -> None:
        """A database of a newer version is left alone."""
        store.migrate()
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        for attempt in (store.migrate, store.pending):
            with pytest.raises(ConfigError, match="9999"):
                attempt()

    def test_filled_database(self, store: Store, scripts: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        """A migration that rebuilds tables keeps every row of every table, and foreign keys hold afterwards."""
        store.migrate()
        fill(store)
        before, events = counts(store), everything(store)
        (scripts / "later_rebuild.py").write_text(REBUILD)
        monkeypatch.setattr(migrate, "HEAD", LATER)
        later = Store(url)
        try:
            assert later.pending()
            assert later.migrate() == [LATER]
            assert min(before.values()) > 0
            assert counts(later) == before
            assert everything(later) == events
            with later.read() as connection:
                assert len(connection.exec_driver_sql("SELECT note FROM customers").all()) == 50
            with pytest.raises(Exception, match=r"(?i)foreign key"), later.write() as connection:
                connection.exec_driver_sql("DELETE FROM meters")
        finally:
            later.close()

    def test_database_without_voids(self, store: Store, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A database of the version before there were voids keeps all it has, and its events can be voided."""
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "HEAD", "0001")
            later = {file: file.read_text() for file in scripts.glob("000[2-9]_*.py")}
            for file in later:
                file.unlink()
            assert store.migrate() == ["0001"]
            fill_first(store)
            before = everything(store)
        for file, text in later.items():
            file.write_text(text)
        assert store.pending()
        assert store.migrate() == ["0002", "0003", "0004", "0005"]
        assert everything(store) == before
        assert list(store.voids.read_after(0)) == []
        assert store.voids.add(3, "sent twice", "key:k", NOW).seq == 51

    def test_failed_migration(self, store: Store, scripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A migration that fails half way leaves the database as it was, and working."""
        store.migrate()
        fill(store)
        before = counts(store)
        (scripts / "later_failing.py").write_text(FAILING)
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "HEAD", LATER)
            with pytest.raises(RuntimeError, match="half way"):
                store.migrate()
        assert not store.pending()
        assert counts(store) == before
        assert store.events.append([new(store.meters.all()[0])], NOW)[0].duplicate is False

    def test_processes_at_once(self, url: str) -> None:
        """When several processes start at once on an empty database, one migrates, the others wait, none
        complains.
        """
        command = [sys.executable, "-m", "tests.core.store.process", "migrate", url]
        pipe = subprocess.PIPE
        processes = [
            subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env={**os.environ})
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60) for process in processes]
        assert [err for _, err in answers] == ["", "", ""]
        assert sorted(out for out, _ in answers) == ["0001 0002 0003 0004 0005\n", "none\n", "none\n"]
