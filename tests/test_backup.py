"""`fluxrate backup` and `restore`: one file, consistent while events arrive, and never in place of another."""

from __future__ import annotations

import threading

import pytest

from fluxrate.cli import main
from fluxrate.core.store import Store
from fluxrate.core.verify import verify
from tests.instances import make_meter, new, open_instance, total

POSTGRESQL = "postgresql://nobody:secret@127.0.0.1:1/none"


@pytest.fixture
def run(capsys):
    def run(*args):
        status = 0
        try:
            main(args)
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def parts(tmp_path):
    parts = open_instance(tmp_path / "ours")
    make_meter(parts)
    yield parts
    parts.close()


def refused(found, *said):
    """Status 1 and one sentence with these texts."""
    status, out, err = found
    assert (status, out, err.count("\n")) == (1, "", 1), found
    assert all(text in err for text in said), err


def test_while_writers_write(parts, tmp_path, run):
    """What was acknowledged before is in it, batches wholly or not at all, and figures are those of the rows."""
    [meter] = parts.store.meters.all()
    stop, acknowledged = threading.Event(), [0]

    def write():
        number = 0
        while not stop.is_set():
            parts.ingest.store([new(meter, key=f"{number}-{item}", customer=f"c{number}") for item in range(10)])
            number += 1
            acknowledged[0] = number

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(4):
            while acknowledged[0] < (turn + 1) * 5:
                stop.wait(0.001)
            before, file = acknowledged[0], tmp_path / f"{turn}.db"
            status, out, err = run("--instance", str(parts.instance), "backup", str(file))
            assert (status, err) == (0, "")
            assert run("--instance", str(tmp_path / str(turn)), "restore", str(file))[0] == 0
            again = open_instance(tmp_path / str(turn))
            last = again.store.events.last_seq()
            assert f"up to sequence {last}." in out
            assert last % 10 == 0
            assert last >= before * 10
            assert total(again, meter) == len(again.store.events.read_after(0)) == last
            assert [len(found.differences) for found in verify(again, [meter], 5, 1)] == [0] * 5
            [stored] = again.ingest.store([new(meter, key="0-0", customer="c0")])
            assert stored.duplicate
            again.close()
    finally:
        stop.set()
        writer.join()
    assert sorted(path.name for path in tmp_path.glob("*.db*")) == ["0.db", "1.db", "2.db", "3.db"]
    assert (tmp_path / "0.db").stat().st_mode & 0o777 == 0o600


def test_back_to_an_earlier_moment(parts, tmp_path, run):
    """Columns that were saved later are not believed, though sequences come again."""
    [meter] = parts.store.meters.all()
    parts.ingest.store([new(meter, quantity=5)])
    file = str(tmp_path / "saved.db")
    folder = str(parts.instance)
    assert run("--instance", folder, "backup", file)[0] == 0
    parts.ingest.store([new(meter, quantity=7)] * 3)
    parts.live.refresh()
    parts.live.save(force=True)
    parts.close()
    for path in parts.instance.glob("fluxrate.db*"):
        path.unlink()
    assert run("--instance", folder, "restore", file)[0] == 0
    again = open_instance(parts.instance)
    assert total(again, meter) == 5
    again.ingest.store([new(meter, quantity=1)] * 3)
    assert total(again, meter) == 8
    again.close()


def test_nothing_is_replaced(parts, tmp_path, run):
    """Not a file, not a store, and no store is made beside what is left of another."""
    folder, file = str(parts.instance), tmp_path / "saved.db"
    assert run("--instance", folder, "backup", str(file))[0] == 0
    before = file.read_bytes()
    refused(run("--instance", folder, "backup", str(file)), "exists already")
    assert (parts.instance / "fluxrate.db-wal").exists()
    refused(run("--instance", folder, "restore", str(file)), "fluxrate.db exists already")
    assert file.read_bytes() == before
    left = tmp_path / "left"
    left.mkdir()
    (left / "fluxrate.db-wal").write_bytes(b"")
    refused(run("--instance", str(left), "restore", str(file)), "fluxrate.db-wal")
    assert [path.name for path in left.iterdir()] == ["fluxrate.db-wal"]
    (tmp_path / "other.db.part").write_bytes(b"")
    refused(run("--instance", folder, "backup", str(tmp_path / "other.db")), "another run")


def test_what_is_no_backup(tmp_path, run):
    """A text, another database, a damaged or missing file: refused in one sentence, and no store is made of it."""
    empty = tmp_path / "empty"
    (tmp_path / "text").write_text("no database" * 100)
    other = Store(f"sqlite:///{tmp_path / 'other'}")
    with other.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
    other.close()
    (tmp_path / "short").write_bytes((tmp_path / "other").read_bytes()[:600])
    for name in ("text", "other", "short"):
        refused(run("--instance", str(empty), "restore", str(tmp_path / name)), "no backup")
    refused(run("--instance", str(empty), "restore", str(tmp_path / "missing")), "There is no file")
    refused(run("--instance", str(empty), "backup", str(tmp_path / "new")), "There is no store")
    refused(run("--instance", str(empty), "backup", str(tmp_path / "no" / "folder")), "There is no store")
    assert list(empty.iterdir()) == []


def test_postgresql_has_its_own_tools(tmp_path, run):
    """They are named, and nothing is connected to."""
    options = ("--instance", str(tmp_path))
    refused(run(*options, "backup", "--database-url", POSTGRESQL, str(tmp_path / "f")), "pg_dump")
    refused(run(*options, "restore", "--database-url", POSTGRESQL, str(tmp_path / "f")), "pg_restore")
