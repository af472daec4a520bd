"""A folder of saved columns that processes share: nobody loses what they have mapped, and nothing is left over."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fluxrate.core.columns import files
from fluxrate.core.columns.files import Lease
from fluxrate.core.columns.snapshot import Snapshot
from tests.core.columns.saves import (
    DICTIONARIES,
    INSTANCE,
    LATER,
    MARK,
    content,
    generation,
    load,
    manifest,
    sample,
    save,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sample saved in it, and nobody who has it mapped."""
    save(tmp_path / "columns")
    gc.collect()
    return tmp_path / "columns"


def mapped_from(folder: Path) -> files.Saved:
    found = load(folder)
    assert found is not None
    return found


def generations(folder: Path) -> set[str]:
    return {found.name for found in folder.glob("at-*")}


@contextmanager
def elsewhere(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that does something with the folder, says a word, and stays until its input ends."""
    given = "import sys; from pathlib import Path; from fluxrate.core.columns import files; "
    given += "from tests.core.columns.saves import *; folder = Path(sys.argv[1])\n"
    process = subprocess.Popen(
        [sys.executable, "-c", given + code, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


SAVES = "found = save(folder, LATER, {42: sample()[42]}); files.clear(folder); print(found.seq, flush=True)"
LOADS = "found = load(folder); print(len(found.meters), flush=True); sys.stdin.read()"
LOCKS = """
with files.alone(folder / "saving.lock") as alone:
    print(alone, flush=True)
    sys.stdin.read()
"""


def test_another_process_that_saves_leaves_what_this_one_has_mapped(folder: Path) -> None:
    """Also what this one had let go of and maps again only then."""
    mapped = mapped_from(folder)
    former = generation(folder)
    mapped.meters[7].held.let_go()
    with elsewhere(SAVES, folder) as process:
        assert said(process) == "9"
    assert generation(folder) != former
    assert content(mapped.meters) == content(sample())
    newer = load(folder, LATER)
    assert newer is not None
    assert list(newer.meters) == [42]


def test_a_generation_that_another_process_has_mapped_stays_until_it_ends(folder: Path) -> None:
    former = generation(folder)
    with elsewhere(LOADS, folder) as process:
        assert said(process) == "4"
        save(folder, LATER)
        files.clear(folder)
        assert former.exists()
    files.clear(folder)
    assert generations(folder) == {generation(folder).name}


def test_only_one_process_saves_at_a_time(folder: Path) -> None:
    """The other one leaves everything as it is, and neither does it clear away what is being written."""
    before, names = manifest(folder), generations(folder)
    (folder / "at-9-half").mkdir()
    with elsewhere(LOCKS, folder) as process:
        assert said(process) == "True"
        assert files.save(folder, INSTANCE, LATER, sample(), DICTIONARIES) is None
        files.clear(folder)
        assert manifest(folder) == before
        assert generations(folder) == names | {"at-9-half"}
    assert save(folder, LATER).seq == 9
    files.clear(folder)
    assert generations(folder) == {generation(folder).name}


def test_a_generation_goes_with_the_last_who_had_it_mapped(folder: Path) -> None:
    """A snapshot alone keeps it, because it may be let go of and mapped again."""
    mapped = mapped_from(folder)
    former, snapshot = generation(folder), mapped.meters[7]
    save(folder, LATER)
    del mapped
    gc.collect()
    files.clear(folder)
    assert former.exists()
    snapshot.held.let_go()
    assert content({7: snapshot}) == {7: content(sample())[7]}
    del snapshot
    gc.collect()
    files.clear(folder)
    assert not former.exists()


def test_a_generation_that_nobody_has_mapped_is_cleared_away(folder: Path) -> None:
    former = generation(folder)
    save(folder, LATER)
    gc.collect()
    assert former.exists()
    files.clear(folder)
    assert generations(folder) == {generation(folder).name}
    assert not former.exists()


def test_the_generation_in_force_is_never_cleared_away(folder: Path) -> None:
    files.clear(folder)
    files.clear(folder)
    found = load(folder)
    assert found is not None
    assert content(found.meters) == content(sample())


def test_a_lease_is_refused_where_the_generation_is_being_dropped(folder: Path) -> None:
    """So that a start finds nothing there and reads the store, and does not map what is about to go."""
    with files.alone(generation(folder) / "lock") as alone:
        assert alone
        with pytest.raises(OSError, match="temporarily unavailable"):
            Lease(generation(folder))
        assert load(folder) is None
    assert load(folder) is not None


def test_a_lease_that_was_refused_closes_nothing_but_its_own_file(folder: Path) -> None:
    """Numbers of files are given out again: whoever closes one twice may close that of somebody else."""
    with files.alone(generation(folder) / "lock"):
        try:
            Lease(generation(folder))
        except OSError:
            ours = os.open(folder / "manifest.json", os.O_RDONLY)
    gc.collect()
    assert os.fstat(ours).st_size == (folder / "manifest.json").stat().st_size
    os.close(ours)


def test_a_save_that_died_before_its_manifest_leaves_the_former_one_in_force(folder: Path) -> None:
    """A later generation lies there, whole or in pieces, with a lock or before it had one; the next save clears it."""
    for name in ("at-9-1", "at-9-2"):
        shutil.copytree(generation(folder), folder / name)
        (folder / name / "1.ts.npy").unlink()
    (folder / "at-9-2" / "lock").unlink()
    (folder / "manifest.json.new").write_text('{"version": 1, "seq"', "utf-8")
    found = load(folder)
    assert found is not None
    assert content(found.meters) == content(sample())
    save(folder, LATER)
    del found
    gc.collect()
    files.clear(folder)
    assert generations(folder) == {generation(folder).name}
    assert load(folder, LATER) is not None


def test_files_that_did_not_change_are_linked(folder: Path) -> None:
    """A meter that got no events is not written again; one that did is."""
    mapped = mapped_from(folder)
    former = generation(folder)
    other = mapped.meters[42].extended(sample()[1].base).folded()
    again = save(folder, LATER, {**mapped.meters, 42: other})
    for name in ("ts", "seq", "quantity", "customer", "meta-0", "index.customers.positions", "index.time.totals"):
        assert os.path.samefile(former / f"7.{name}.npy", generation(folder) / f"7.{name}.npy")
    assert not os.path.samefile(former / "42.ts.npy", generation(folder) / "42.ts.npy")
    assert content(again.meters) == content({**sample(), 42: other})
    del mapped, again
    gc.collect()
    files.clear(folder)
    assert not former.exists()
    found = load(folder, LATER)
    assert found is not None
    assert content(found.meters) == content({**sample(), 42: other})


def test_files_of_a_generation_that_is_not_in_force_are_not_linked(folder: Path) -> None:
    """Nobody knows their checksums any more: they are written."""
    mapped = mapped_from(folder)
    save(folder, LATER, {42: sample()[42]})
    save(folder, LATER._replace(seq=10), mapped.meters)
    found = load(folder, LATER._replace(seq=10))
    assert found is not None
    assert content(found.meters) == content(sample())


def test_a_folder_reached_by_another_name_has_its_files_linked_too(folder: Path, tmp_path: Path) -> None:
    """Such as an instance whose folder is a link to another disk."""
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    named = tmp_path / "link"
    found = load(named)
    assert found is not None
    former = generation(named)
    save(named, LATER, found.meters)
    assert os.path.samefile(former / "7.quantity.npy", generation(named) / "7.quantity.npy")


def test_the_order_of_saves_is_that_of_their_sequences(folder: Path) -> None:
    assert generation(folder).name.startswith("at-8-")
    assert files.saved_seq(folder) == MARK.seq
    save(folder, LATER, {1: Snapshot()})
    assert generation(folder).name.startswith("at-9-")
    assert files.saved_seq(folder) == LATER.seq
    assert load(folder, MARK) is None
