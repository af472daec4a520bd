"""Saved columns: a cache of the store in plain array files, checked before it is believed.

A generation is a folder of `.npy` files; `manifest.json` names it, with the version of this format, the instance it
belongs to, the sequence it covers, and a checksum and length for every file. The manifest is replaced in one step after
everything it names is on disk, so a save that dies half-way leaves the former one in force. Anything that does not
fit is answered with None, and the columns are then built from the store again. Deleting the folder is always safe.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.snapshot import Snapshot, State

VERSION = 3

_MANIFEST = "manifest.json"
_COLUMNS = (("ts", np.int64), ("seq", np.int64), ("quantity", np.int64), ("customer", np.int32))
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a folder held: the sequence it covers, the meters, and the dictionaries that their codes stand for."""

    seq: int
    meters: Mapping[int, Snapshot]
    dictionaries: Mapping[str, Sequence[str]]


def save(
    folder: Path, instance_id: str, last_event: str | None, state: State, dictionaries: Mapping[str, Sequence[str]]
) -> None:
    """Write the state as a new generation and drop the former one. Raises OSError when the disk refuses.

    `last_event` is the id of the event at the state's sequence.
    """
    generation = folder / f"at-{state.seq}-{os.getpid()}"
    shutil.rmtree(generation, ignore_errors=True)
    generation.mkdir(parents=True)
    files = {"dictionaries.json": _write_json(generation / "dictionaries.json", dictionaries)}
    meters = {}
    for pk, snapshot in state.meters.items():
        frame = snapshot.folded().base
        keys = list(frame.meta)
        meters[str(pk)] = keys
        for name, array in _arrays(pk, frame, keys).items():
            files[name] = _write_array(generation / name, array)
    manifest = {
        "version": VERSION,
        "instance": instance_id,
        "seq": state.seq,
        "last_event": last_event,
        "generation": generation.name,
        "meters": meters,
        "files": files,
    }
    _write_json(folder / f"{_MANIFEST}.new", manifest)
    os.replace(folder / f"{_MANIFEST}.new", folder / _MANIFEST)
    _sync_folder(folder)
    for other in folder.glob("at-*"):
        if other != generation:
            shutil.rmtree(other, ignore_errors=True)


def load(folder: Path, instance_id: str, event_at: Callable[[int], str | None]) -> Saved | None:
    """The saved state, memory-mapped, or None when there is none that fits this instance and store.

    `event_at` gives the id of the store's event at a sequence. A save that ends with another event belongs to another
    past of the store, which has been put back since and may have grown again.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        return _read(folder, manifest, instance_id, event_at)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as why:
        _LOG.warning("The saved columns do not fit and are rebuilt from the store: %s", why)
        return None


def _read(folder: Path, manifest: Mapping[str, Any], instance_id: str, event_at: Callable[[int], str | None]) -> Saved:
    for name, expected in (("version", VERSION), ("instance", instance_id)):
        if manifest[name] != expected:
            raise ValueError(f"{name} is {manifest[name]!r}, not {expected!r}")
    if type(manifest["seq"]) is not int or event_at(manifest["seq"]) != str(manifest["last_event"]):
        raise ValueError(f"the store has another event at {manifest['seq']!r}, or none")
    generation = folder / Path(manifest["generation"]).name
    for name, (size, checksum) in manifest["files"].items():
        _check(generation / Path(name).name, size, checksum)
    meters = {int(pk): Snapshot(_frame(generation, int(pk), keys)) for pk, keys in manifest["meters"].items()}
    dictionaries = json.loads((generation / "dictionaries.json").read_text("utf-8"))
    return Saved(manifest["seq"], meters, dictionaries)


def _arrays(pk: int, frame: Frame, keys: Sequence[str]) -> dict[str, NDArray[Any]]:
    columns = {f"{pk}.{name}.npy": getattr(frame, name) for name, _ in _COLUMNS}
    return columns | {f"{pk}.meta-{index}.npy": frame.meta[key] for index, key in enumerate(keys)}


def _frame(generation: Path, pk: int, keys: Sequence[str]) -> Frame:
    ts, seq, quantity, customer = (_array(generation / f"{pk}.{name}.npy", dtype) for name, dtype in _COLUMNS)
    meta = {key: _array(generation / f"{pk}.meta-{index}.npy", np.int32) for index, key in enumerate(keys)}
    if len({len(column) for column in (ts, seq, quantity, customer, *meta.values())}) != 1:
        raise ValueError(f"the columns of meter {pk} differ in length")
    return Frame(ts, seq, quantity, customer, meta)


def _array(path: Path, dtype: type) -> NDArray[Any]:
    # An empty array cannot be mapped, and allow_pickle stays off: these files are never code.
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != np.dtype(dtype) or array.ndim != 1:
        raise ValueError(f"{path.name} holds {array.dtype}, not {np.dtype(dtype)}")
    return array.view(np.ndarray)


def _write_array(path: Path, array: NDArray[Any]) -> tuple[int, int]:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    return path.stat().st_size, _checksum(path)


def _write_json(path: Path, value: object) -> tuple[int, int]:
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    return path.stat().st_size, _checksum(path)


def _check(path: Path, size: int, checksum: int) -> None:
    if path.stat().st_size != size or _checksum(path) != checksum:
        raise ValueError(f"{path.name} is not what was saved")


def _checksum(path: Path) -> int:
    # crc32 tells a torn or flipped file, which is all it is for; it reads over a gigabyte a second.
    found = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
    return found


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
