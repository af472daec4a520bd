"""Saved columns: what was saved comes back exactly, and anything else that lies in the folder is refused."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fluxrate.core.columns import files
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.snapshot import Snapshot, State
from fluxrate.core.columns.types import MISSING

LAST_EVENT = "01977e0d-3c40-7000-8000-000000000006"
CODER = Coder(json.loads)
INSTANCE = "0f8e2a3c-0000-4000-8000-000000000001"
DICTIONARIES = {"plan": ["basic", "prö\u2028"], 'odd/../key"': ["x"]}


def ints(*values: int, dtype: Any = np.int64) -> Any:
    return np.array(values, dtype)


def sample_state() -> State:
    base = Frame(
        ints(10, 20, 20),
        ints(1, 2, 5),
        ints(7, 2**63 - 1, 0),
        ints(1, 2, 1, dtype=np.int32),
        {"plan": ints(0, MISSING, 1, dtype=np.int32), 'odd/../key"': ints(MISSING, 0, MISSING, dtype=np.int32)},
    )
    tail = Frame(ints(15), ints(6), ints(3), ints(2, dtype=np.int32), {})
    other = Frame(ints(1), ints(3), ints(9), ints(1, dtype=np.int32))
    return State(CODER, 6, {1: Snapshot(base, tail), 42: Snapshot(other)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sample saved in it."""
    files.save(tmp_path / "columns", INSTANCE, LAST_EVENT, sample_state(), DICTIONARIES)
    return tmp_path / "columns"


def loaded(folder: Path, seq: int = 6) -> files.Saved | None:
    """Load for a store that has the last event at this sequence, and no other."""
    return files.load(folder, INSTANCE, {seq: LAST_EVENT}.get)


def generation(folder: Path) -> Path:
    (found,) = folder.glob("at-*")
    return found


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return found


def content(state: State) -> dict[int, Any]:
    """Everything in a state, as plain values."""
    found = {}
    for pk, snapshot in state.meters.items():
        frame = snapshot.folded().base
        columns = {name: getattr(frame, name) for name in ("ts", "seq", "quantity", "customer")} | dict(frame.meta)
        found[pk] = {name: (str(column.dtype), column.tolist()) for name, column in columns.items()}
    return found


def test_what_was_saved_comes_back_with_nothing_left_in_a_tail(folder: Path) -> None:
    saved = loaded(folder)
    assert saved is not None
    assert saved.seq == 6
    assert content(saved) == content(sample_state())
    assert saved.dictionaries == DICTIONARIES
    assert all(not len(snapshot.tail) for snapshot in saved.meters.values())


def test_loaded_columns_cannot_be_written_to(folder: Path) -> None:
    saved = loaded(folder)
    assert saved is not None
    with pytest.raises(ValueError, match="read-only"):
        saved.meters[1].base.quantity[0] = 1


def test_a_folder_without_a_save_is_no_save_and_no_complaint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert loaded(tmp_path / "nothing") is None
    assert not caplog.records


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def rewrite(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "manifest.json").write_text(json.dumps(manifest(folder) | changes), "utf-8")

    return change


def whole_text(text: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "manifest.json").write_bytes(text.encode() if isinstance(text, str) else text)

    return change


def in_file(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda folder: (change(generation(folder) / name), None)[1]


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a byte of a column is flipped": in_file("1.ts.npy", lambda path: flip(path, -1)),
    "a byte of a column's header is flipped": in_file("1.quantity.npy", lambda path: flip(path, 20)),
    "a byte of a metadata column is flipped": in_file("1.meta-0.npy", lambda path: flip(path, -4)),
    "a byte of the dictionaries is flipped": in_file("dictionaries.json", lambda path: flip(path, 5)),
    "a column is cut short": in_file("1.seq.npy", lambda path: os.truncate(path, path.stat().st_size - 8)),
    "a column is longer": in_file("42.ts.npy", lambda path: path.write_bytes(path.read_bytes() + b"\0" * 8)),
    "a column is empty": in_file("42.customer.npy", lambda path: os.truncate(path, 0)),
    "a column is missing": in_file("1.customer.npy", Path.unlink),
    "the dictionaries are missing": in_file("dictionaries.json", Path.unlink),
    "a column is a folder": in_file("1.ts.npy", lambda path: (path.unlink(), path.mkdir())),
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
    "the manifest is a folder": lambda folder: (
        (folder / "manifest.json").unlink(),
        (folder / "manifest.json").mkdir(),
    )[1],
    "it is of another instance": rewrite(instance="somebody else"),
    "it is of another version": rewrite(version=files.VERSION + 1),
    "its sequence is no number": rewrite(seq="six"),
    "its sequence is null": rewrite(seq=None),
    "its last event is null": rewrite(last_event=None),
    "its meters are a list": rewrite(meters=[1, 2]),
    "its meters have no number": rewrite(meters={"one": []}),
    "its files are null": rewrite(files=None),
    "its files say too little": rewrite(files={"1.ts.npy": [8]}),
    "its generation is a number": rewrite(generation=5),
    "it names a meter that was not saved": rewrite(meters={"1": ["plan", 'odd/../key"'], "2": []}),
    "it names a key that was not saved": rewrite(meters={"1": ["plan", 'odd/../key"', "more"]}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_save_that_is_not_whole_is_no_save(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    assert loaded(folder) is None


def test_what_does_not_fit_is_said_in_the_log(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip(generation(folder) / "1.ts.npy", -1)
    with caplog.at_level(logging.WARNING):
        loaded(folder)
    assert "rebuilt from the store" in caplog.text
    assert "1.ts.npy" in caplog.text


@pytest.mark.parametrize("event", [None, "01977e0d-3c41-7000-8000-000000000006"])
def test_a_save_whose_last_event_the_store_does_not_have_belongs_to_another_past(
    folder: Path, event: str | None
) -> None:
    """A store put back to an earlier state has no event there, and one that grew again has another one."""
    assert files.load(folder, INSTANCE, {6: event}.get) is None


def test_a_file_name_in_the_manifest_cannot_leave_the_folder(folder: Path, tmp_path: Path) -> None:
    generation(folder).rename(tmp_path / "elsewhere")
    rewrite(generation="../elsewhere")(folder)
    assert loaded(folder) is None


def test_a_save_that_died_before_its_manifest_leaves_the_former_one_in_force(folder: Path) -> None:
    """A later generation lies there, whole or in pieces, but nothing names it."""
    shutil.copytree(generation(folder), folder / "at-9-1")
    (folder / "at-9-1" / "1.ts.npy").unlink()
    (folder / "manifest.json.new").write_text('{"version": 1, "seq"', "utf-8")
    saved = loaded(folder)
    assert saved is not None
    assert content(saved) == content(sample_state())


def test_the_next_save_clears_away_what_no_manifest_names(folder: Path) -> None:
    shutil.copytree(generation(folder), folder / "at-9-1")
    newer = State(CODER, 8, sample_state().meters)
    files.save(folder, INSTANCE, LAST_EVENT, newer, DICTIONARIES)
    assert generation(folder).name.startswith("at-8-")
    saved = loaded(folder, seq=8)
    assert saved is not None
    assert saved.seq == 8


def test_saving_over_a_mapped_save_leaves_its_readers_alone(folder: Path) -> None:
    """Another process may hold the former generation mapped when it is dropped."""
    saved = loaded(folder)
    assert saved is not None
    files.save(folder, INSTANCE, LAST_EVENT, State(CODER, 7, {1: Snapshot()}), {})
    assert content(saved) == content(sample_state())
