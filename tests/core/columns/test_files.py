"""Saved columns: what was saved comes back exactly, and anything else that lies in the folder is refused."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fluxrate.core.columns import files
from fluxrate.core.columns.files import Mark
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import CUSTOMER
from fluxrate.core.columns.snapshot import Snapshot
from fluxrate.core.columns.types import MISSING
from tests.core.columns.rows import HUGE, ints, whole
from tests.core.columns.saves import (
    DICTIONARIES,
    INSTANCE,
    LARGE,
    MARK,
    content,
    generation,
    large,
    load,
    manifest,
    sample,
    save,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, saved once."""
    folder: Path = tmp_path_factory.mktemp("template") / "columns"
    save(folder)
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A folder of one's own with the sample saved in it."""
    return Path(shutil.copytree(template, tmp_path / "columns"))


def loaded(folder: Path) -> files.Saved:
    found = load(folder)
    assert found is not None
    return found


def test_what_was_saved_comes_back(folder: Path) -> None:
    """The rows, the graves with the sequences of their voids, and the dictionaries, closed keys among them."""
    saved = loaded(folder)
    assert saved.seq == files.saved_seq(folder) == 8
    assert content(saved.meters) == content(sample())
    assert saved.dictionaries == DICTIONARIES


def test_what_a_save_gives_back_is_what_a_start_loads(tmp_path: Path) -> None:
    found = save(tmp_path / "columns")
    assert content(found.meters) == content(sample())
    assert (found.seq, found.dictionaries) == (8, DICTIONARIES)


def test_graves_are_saved_with_the_sequences_of_their_voids(folder: Path) -> None:
    graves = loaded(folder).meters[1].graves
    assert graves.rows.seq.tolist() == [2, 4]
    assert graves.rows.quantity.tolist() == [HUGE, HUGE]
    assert graves.rows.codes("plan").tolist() == [MISSING, 1]
    assert graves.died.tolist() == [8, 7]
    assert [graves.alive(seq).seq.tolist() for seq in (3, 6, 7, 8)] == [[2], [2, 4], [2], []]
    assert not list(generation(folder).glob("7.graves*"))
    assert not len(loaded(folder).meters[7].graves.died)


def test_a_start_need_not_build_the_indexes_again(folder: Path) -> None:
    """They are mapped, and answer; nothing of them is on the heap."""
    for pk, snapshot in loaded(folder).meters.items():
        made = sample()[pk].index.prepare()
        rows = len(made.frame)
        cells = ints([0, rows // 3]), ints([rows // 3, rows])
        found = snapshot.index
        assert found.nbytes == found.mapped_bytes == made.nbytes
        assert whole(found.time.sums(*cells)) == whole(made.time.sums(*cells))
        assert whole(found.by(CUSTOMER).sums(*cells)) == whole(made.by(CUSTOMER).sums(*cells))
        assert (
            found.time.order(CUSTOMER).distinct(*cells).tolist() == made.time.order(CUSTOMER).distinct(*cells).tolist()
        )
        assert snapshot.held.heap_bytes == 0
        assert snapshot.held.mapped_bytes == snapshot.base.nbytes() + found.mapped_bytes


def test_loaded_columns_cannot_be_written_to(folder: Path) -> None:
    """Neither mapped ones nor those that are so small that they are read."""
    for pk in (1, 7, 42):
        snapshot = loaded(folder).meters[pk]
        for column in (snapshot.base.quantity, snapshot.base.customer, snapshot.index.time.running[0]):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        loaded(folder).meters[1].graves.died[0] = 1


def test_large_columns_are_mapped_and_small_ones_are_read(folder: Path) -> None:
    meters = loaded(folder).meters
    assert isinstance(meters[7].base.quantity.base, np.memmap)
    assert not isinstance(meters[1].base.quantity.base, np.memmap)


def test_a_base_that_was_let_go_is_mapped_again(folder: Path) -> None:
    """And no column is mapped at all before somebody asks."""
    held = loaded(folder).meters[7].held
    for _ in range(2):
        assert (held.resident, len(held), held.heap_bytes, held.mapped_bytes) == (False, LARGE, 0, 0)
        assert held.frame.quantity.tolist() == large().quantity.tolist()
        assert (held.resident, held.heap_bytes, held.mapped_bytes > 0) == (True, 0, True)
        held.let_go()


def test_what_was_asked_is_let_go_and_what_was_saved_is_kept(folder: Path) -> None:
    held = loaded(folder).meters[7].held
    held.index.prepare()
    mapped = held.mapped_bytes
    assert held.heap_bytes == 0
    held.index.time.maxima(ints([0]), ints([LARGE]))
    held.index.subset("half", lambda frame: frame.codes("plan") == 0)
    held.forget()
    # The extremes of blocks are few bytes and stay with the arrangement in time.
    assert held.heap_bytes == LARGE // 64 * 8
    assert held.mapped_bytes == mapped


def test_no_meters_are_saved_too(tmp_path: Path) -> None:
    save(tmp_path / "columns", Mark(0, 0, None, 0, None), {})
    found = load(tmp_path / "columns", Mark(0, 0, None, 0, None))
    assert found is not None
    assert (found.seq, found.meters) == (0, {})


def test_a_folder_without_a_save_is_no_save_and_no_complaint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load(tmp_path / "nothing") is None
    assert files.saved_seq(tmp_path / "nothing") == 0
    assert not caplog.records


def to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def rewrite(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "manifest.json").write_text(json.dumps(manifest(folder) | changes), "utf-8")

    return change


def of_meter(pk: str, **changes: object) -> Callable[[Path], None]:
    """Say something else of one meter."""

    def change(folder: Path) -> None:
        meters = manifest(folder)["meters"]
        meters[pk] = meters.get(pk, meters["1"]) | changes
        rewrite(meters=meters)(folder)

    return change


def unnamed(array: str) -> Callable[[Path], None]:
    """Leave one array of a meter out of the manifest."""

    def change(folder: Path) -> None:
        arrays = [name for name in manifest(folder)["meters"]["1"]["arrays"] if name != array]
        of_meter("1", arrays=arrays)(folder)

    return change


def swapped(name: str, array: np.ndarray) -> Callable[[Path], None]:
    """Another array in place of a file, and named in the manifest as if it had been saved."""

    def change(folder: Path) -> None:
        path = generation(folder) / name
        np.save(path, array)
        named = files._checksum(path)
        rewrite(files=manifest(folder)["files"] | {name: (path.stat().st_size, named)})(folder)

    return change


def whole_text(text: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "manifest.json").write_bytes(text.encode() if isinstance(text, str) else text)

    return change


def in_file(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda folder: (change(generation(folder) / name), None)[1]


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a byte of a column is flipped": in_file("1.ts.npy", lambda path: flip(path, -1)),
    "a byte of a mapped column is flipped": in_file("7.ts.npy", lambda path: flip(path, -1)),
    "a byte of a column's header is flipped": in_file("1.quantity.npy", lambda path: flip(path, 20)),
    "a byte of a metadata column is flipped": in_file("1.meta-0.npy", lambda path: flip(path, -4)),
    "a byte of the graves is flipped": in_file("1.graves.quantity.npy", lambda path: flip(path, -2)),
    "a byte of the voids is flipped": in_file("1.graves.died.npy", lambda path: flip(path, -8)),
    "a byte of an index is flipped": in_file("7.index.customers.previous.npy", lambda path: flip(path, -40)),
    "a byte of the dictionaries is flipped": in_file("dictionaries.json", lambda path: flip(path, 5)),
    "a column is cut short": in_file("1.seq.npy", lambda path: os.truncate(path, path.stat().st_size - 8)),
    "a column is longer": in_file("42.ts.npy", lambda path: path.write_bytes(path.read_bytes() + b"\0" * 8)),
    "a column is empty": in_file("42.customer.npy", lambda path: os.truncate(path, 0)),
    "a column is missing": in_file("1.customer.npy", Path.unlink),
    "an index is missing": in_file("1.index.time.totals.npy", Path.unlink),
    "the dictionaries are missing": in_file("dictionaries.json", Path.unlink),
    "the lock is missing": in_file("lock", Path.unlink),
    "a column is a folder": in_file("1.ts.npy", to_folder),
    "the generation is missing": lambda folder: shutil.rmtree(generation(folder)),
    "the manifest is empty": whole_text(""),
    "the manifest is cut short": lambda folder: os.truncate(folder / "manifest.json", 40),
    "the manifest is no JSON": whole_text("PK\x03\x04 garbage"),
    "the manifest is no UTF-8": whole_text(b"\xff\xfe\x00"),
    "the manifest is a list": whole_text("[]"),
    "the manifest is null": whole_text("null"),
    "the manifest is a number": whole_text("7"),
    "the manifest is nested without end": whole_text("[" * 100_000),
    "the manifest is an empty object": whole_text("{}"),
    "the manifest is a folder": lambda folder: to_folder(folder / "manifest.json"),
    "it is of another instance": rewrite(instance="somebody else"),
    "it is of another version": rewrite(version=files.VERSION + 1),
    "it is of a former version": rewrite(version=3),
    "its sequence is no number": rewrite(seq="eight"),
    "its sequence is null": rewrite(seq=None),
    "its sequence is not that of its mark": rewrite(seq=7),
    "its mark is null": rewrite(mark=None),
    "its mark says too little": rewrite(mark=[8, 6, MARK.event_id]),
    "its mark has no numbers": rewrite(mark=["8", "6", MARK.event_id, "2", MARK.void]),
    "its mark is an object": rewrite(mark=MARK._asdict()),
    "its meters are a list": rewrite(meters=[1, 2]),
    "its meters have no number": rewrite(meters={"one": {"rows": 0, "keys": [], "arrays": []}}),
    "its meters say nothing": rewrite(meters={"1": {}}),
    "its meters are lists of keys": rewrite(meters={"1": ["plan", 'odd/../key"']}),
    "a meter has other rows": of_meter("1", rows=4),
    "a meter's rows are null": of_meter("1", rows=None),
    "a meter's arrays are null": of_meter("1", arrays=None),
    "a meter lacks a column": unnamed("ts"),
    "a meter lacks a metadata column": unnamed("meta-1"),
    "a meter lacks an index": unnamed("index.customers.starts"),
    "a meter lacks a column of its graves": unnamed("graves.seq"),
    "its files are null": rewrite(files=None),
    "its files say too little": rewrite(files={"1.ts.npy": [8]}),
    "its generation is a number": rewrite(generation=5),
    "its generation is another folder": rewrite(generation=".."),
    "it names a meter that was not saved": of_meter("2"),
    "it names a key that was not saved": of_meter("1", keys=["plan", 'odd/../key"', "more"]),
    "a column has other rows than the others": swapped("1.customer.npy", np.zeros(4, np.int32)),
    "a column has another type": swapped("1.quantity.npy", np.zeros(3, np.float64)),
    "a metadata column has another type": swapped("1.meta-0.npy", np.zeros(3, np.int64)),
    "a column has two dimensions": swapped("1.ts.npy", np.zeros((3, 1), np.int64)),
    "a column holds objects": swapped("1.ts.npy", np.array([1, None, "x"], object)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_save_that_is_not_whole_is_no_save(folder: Path, damage: Callable[[Path], None]) -> None:
    """And the next save goes its way over it."""
    damage(folder)
    assert load(folder) is None
    if (folder / "manifest.json").is_file():
        save(folder, meters={42: sample()[42]})
        files.clear(folder)
        assert list(loaded(folder).meters) == [42]


def test_what_does_not_fit_is_said_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip(generation(folder) / "1.ts.npy", -1)
    with caplog.at_level(logging.WARNING):
        load(folder)
    assert "rebuilt from the store" in caplog.text
    assert "1.ts.npy" in caplog.text


@pytest.mark.parametrize(
    "past",
    [
        MARK._replace(event_id=None),
        MARK._replace(event_id="01977e0d-3c41-7000-8000-000000000006"),
        MARK._replace(void=None),
        MARK._replace(void="8@1750000000000001"),
        MARK._replace(seq=7),
    ],
)
def test_a_save_with_a_mark_that_the_store_does_not_have_belongs_to_another_past(folder: Path, past: Mark) -> None:
    """A store put back to an earlier state has no such event or void, and one that grew again has another one."""
    assert load(folder, past) is None


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("other", [True, "8", 8.0, None])
def test_what_is_no_number_is_no_sequence(folder: Path, place: int, other: object) -> None:
    """Whatever the store says of it."""
    mark: list[object] = [*MARK]
    mark[place] = other
    rewrite(mark=mark, seq=mark[0])(folder)
    assert files.load(folder, INSTANCE, lambda _: True) is None


def test_the_store_is_asked_for_the_mark_as_it_was_saved(folder: Path) -> None:
    asked: list[Mark] = []
    files.load(folder, INSTANCE, lambda mark: not asked.append(mark))  # type: ignore[func-returns-value]
    assert asked == [MARK]


def test_a_file_name_in_the_manifest_cannot_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    generation(folder).rename(tmp_path / "elsewhere")
    rewrite(generation="../elsewhere")(folder)
    assert load(folder) is None


def test_columns_without_rows_are_saved_too(tmp_path: Path) -> None:
    """A meter all of whose events were voided, and one whose index has nothing in it."""
    few = sample()[42].extended(sample()[43].base, [(9, 3, 1)]).folded()
    assert (len(few.base), len(few.graves.died)) == (0, 1)
    save(tmp_path / "columns", meters={1: few, 2: Snapshot()})
    found = loaded(tmp_path / "columns")
    assert content(found.meters) == content({1: few, 2: Snapshot()})
    assert isinstance(found.meters[1].index, Index)
    assert found.meters[1].index.later_than(0) is not None
