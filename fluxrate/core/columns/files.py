"""Saved columns: a cache of the store in plain array files, checked before it is believed.

A generation is a folder of `.npy` files; `manifest.json` names it, with the version of this format, the instance it
belongs to, the sequence it covers, and a length and checksum for every file. The manifest is replaced in one step after
everything it names is on disk, so a save that dies half-way leaves the former one in force. Files of meters that did
not change are linked, not written again. Anything that does not fit is answered with None, and the columns are then
built from the store again. Deleting the folder is always safe.

Several processes may share a folder: one saves at a time, and a generation that a process has mapped stays until it has
let go of it, because a file that is mapped lazily must still be there.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.alone import alone, locked
from fluxrate.core.columns.base import Base
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.snapshot import Graves, Snapshot

VERSION = 5

_MANIFEST = "manifest.json"
_WORTH_MAPPING = 4_096
_DICTIONARIES = "dictionaries.json"
_COLUMNS = (("ts", np.int64), ("seq", np.int64), ("quantity", np.int64), ("customer", np.int32))
# numpy reads a file's header as a Python literal, which CPython 3.11 cannot do in two threads at once: it raises
# SystemError, "AST constructor recursion depth mismatch".
_PARSING = threading.Lock()
_LOG = logging.getLogger(__name__)

Dictionaries = Mapping[str, Sequence[str] | None]
Arrays = dict[str, NDArray[Any]]


class Mark(NamedTuple):
    """Where in the store's past a save belongs: it covers everything up to `seq`, the last event it has is the one with
    this sequence and id, and the last void is the one of this event. Zeros and None stand for none.
    """

    seq: int
    event_seq: int
    event_id: str | None
    voided_seq: int
    void: str | None


class Lease:
    """Keeps a generation on disk as long as this lives."""

    def __init__(self, generation: Path) -> None:
        handle = os.open(generation / "lock", os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise
        # Only now: a handle closed twice may by then be another file's.
        self._handle = handle

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a folder held: the sequence it covers, the meters (mapped when asked for), and the dictionaries that their
    codes stand for.
    """

    seq: int
    meters: Mapping[int, Snapshot]
    dictionaries: Dictionaries


def save(
    folder: Path, instance_id: str, mark: Mark, meters: Mapping[int, Snapshot], dictionaries: Dictionaries
) -> Saved | None:
    """Write folded snapshots as a new generation, and map it.

    None when another process is saving at this moment. Raises OSError when the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / "saving.lock") as mine:
        if not mine:
            return None
        generation = folder / f"at-{mark.seq}-{secrets.token_hex(4)}"
        generation.mkdir()
        (generation / "lock").touch()
        files = {_DICTIONARIES: _write_json(generation / _DICTIONARIES, dictionaries)}
        known = _former_files(folder)
        named = {}
        for pk, snapshot in meters.items():
            arrays = _arrays(snapshot)
            named[str(pk)] = {"rows": len(snapshot.held), "keys": list(snapshot.base.meta), "arrays": list(arrays)}
            for name, array in arrays.items():
                path = generation / f"{pk}.{name}.npy"
                files[path.name] = _linked(path, array, known) or _write_array(path, array)
        manifest = {
            "version": VERSION,
            "instance": instance_id,
            "seq": mark.seq,
            "mark": list(mark),
            "generation": generation.name,
            "meters": named,
            "files": files,
        }
        _sync_folder(generation)
        _write_json(folder / f"{_MANIFEST}.new", manifest)
        os.replace(folder / f"{_MANIFEST}.new", folder / _MANIFEST)
        _sync_folder(folder)
        return _mapped(folder, manifest)


def load(folder: Path, instance_id: str, fits: Callable[[Mark], bool]) -> Saved | None:
    """The saved meters, or None when there is nothing that fits this instance and store.

    `fits` says whether the store's past has the mark. A save of another past belongs to a store that has been put back
    since, and may have grown again.
    """
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        _check(folder, manifest, instance_id, fits)
        return _mapped(folder, manifest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as why:
        _LOG.warning("The saved columns do not fit and are rebuilt from the store: %s", why)
        return None


def clear(folder: Path) -> None:
    """Drop the generations that are not in force and that no process has mapped."""
    with alone(folder / "saving.lock") as mine:
        if not mine:
            return
        current = _manifest(folder).get("generation")
        for other in folder.glob("at-*"):
            if other.name != current:
                _drop(other)


def saved_seq(folder: Path) -> int:
    """The sequence that the folder's manifest covers, 0 when there is none of this version."""
    found = _manifest(folder)
    seq = found.get("seq") if found.get("version") == VERSION else None
    return seq if isinstance(seq, int) else 0


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _former_files(folder: Path) -> Mapping[str, Any]:
    """Length and checksum by path of what the manifest in force names."""
    former = _manifest(folder)
    files, name = former.get("files"), former.get("generation")
    if not isinstance(files, dict) or not isinstance(name, str):
        return {}
    # numpy tells of a mapped file by its resolved path.
    return {str(folder.resolve() / Path(name).name / file): found for file, found in files.items()}


def _linked(path: Path, array: NDArray[Any], known: Mapping[str, Any]) -> tuple[int, int] | None:
    """Take over the file that the array is mapped from, if it is one of the generation in force."""
    origin = str(getattr(array.base, "filename", ""))
    if origin not in known:
        return None
    try:
        os.link(origin, path)
    except OSError:
        return None
    size, checksum = known[origin]
    return size, checksum


def _check(folder: Path, manifest: Mapping[str, Any], instance_id: str, fits: Callable[[Mark], bool]) -> None:
    for name, expected in (("version", VERSION), ("instance", instance_id)):
        if manifest[name] != expected:
            raise ValueError(f"{name} is {manifest[name]!r}, not {expected!r}")
    mark = Mark(*manifest["mark"])
    numbers = (manifest["seq"], mark.seq, mark.event_seq, mark.voided_seq)
    if any(type(number) is not int for number in numbers) or manifest["seq"] != mark.seq or not fits(mark):
        raise ValueError(f"the store's past is not that of {mark}")
    generation = folder / Path(manifest["generation"]).name
    for name, (size, checksum) in manifest["files"].items():
        _check_file(generation / Path(name).name, size, checksum)


def _mapped(folder: Path, manifest: Mapping[str, Any]) -> Saved:
    generation = folder / Path(manifest["generation"]).name
    lease = Lease(generation)
    meters = {int(pk): _snapshot(generation, pk, found, lease) for pk, found in manifest["meters"].items()}
    dictionaries = json.loads((generation / _DICTIONARIES).read_text("utf-8"))
    return Saved(manifest["seq"], meters, dictionaries)


def _snapshot(generation: Path, pk: str, found: Mapping[str, Any], lease: Lease) -> Snapshot:
    rows, keys, names = found["rows"], list(found["keys"]), list(found["arrays"])

    def source(held: Lease = lease) -> Index:
        arrays = {name: _array(generation / f"{pk}.{name}.npy") for name in names if not name.startswith("graves.")}
        frame = _frame(arrays, "", keys)
        if len(frame) != rows:
            raise ValueError(f"meter {pk} has {len(frame)} rows, not {rows}")
        parts = {name.removeprefix("index."): part for name, part in arrays.items() if name.startswith("index.")}
        return Index.restored(frame, parts)

    # Mapped once to see that it fits, then let go until somebody asks.
    source()
    return Snapshot(Base(None, source, rows), graves=_graves(generation, pk, keys, names))


def _graves(generation: Path, pk: str, keys: Sequence[str], names: Sequence[str]) -> Graves:
    if "graves.died" not in names:
        return Graves()
    arrays = {name: _array(generation / f"{pk}.{name}.npy") for name in names if name.startswith("graves.")}
    return Graves(_frame(arrays, "graves.", keys), arrays["graves.died"])


def _arrays(snapshot: Snapshot) -> Arrays:
    keys = list(snapshot.base.meta)
    found = _columns(snapshot.base, "", keys)
    found |= {f"index.{name}": part for name, part in snapshot.index.parts().items()}
    if len(snapshot.graves.died):
        found |= _columns(snapshot.graves.rows, "graves.", keys) | {"graves.died": snapshot.graves.died}
    return found


def _columns(frame: Frame, start: str, keys: Sequence[str]) -> Arrays:
    columns: Arrays = {f"{start}{name}": getattr(frame, name) for name, _ in _COLUMNS}
    return columns | {f"{start}meta-{number}": frame.codes(key) for number, key in enumerate(keys)}


def _frame(arrays: Mapping[str, NDArray[Any]], start: str, keys: Sequence[str]) -> Frame:
    ts, seq, quantity, customer = (_typed(arrays[f"{start}{name}"], dtype, name) for name, dtype in _COLUMNS)
    meta = {key: _typed(arrays[f"{start}meta-{number}"], np.int32, key) for number, key in enumerate(keys)}
    if len({len(column) for column in (ts, seq, quantity, customer, *meta.values())}) != 1:
        raise ValueError("the columns of a meter differ in length")
    return Frame(ts, seq, quantity, customer, meta)


def _typed(array: NDArray[Any], dtype: type, name: str) -> NDArray[Any]:
    if array.dtype != np.dtype(dtype):
        raise ValueError(f"{name} holds {array.dtype}, not {np.dtype(dtype)}")
    return array


def _array(path: Path) -> NDArray[Any]:
    # allow_pickle stays off: these files are never code. An empty array cannot be mapped.
    small = path.stat().st_size < _WORTH_MAPPING
    with _PARSING:
        array: NDArray[Any] = np.load(path, mmap_mode=None if small else "r", allow_pickle=False)
    if array.ndim != 1:
        raise ValueError(f"{path.name} has {array.ndim} dimensions")
    array.flags.writeable = False
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


def _check_file(path: Path, size: int, checksum: int) -> None:
    if path.stat().st_size != size or _checksum(path) != checksum:
        raise ValueError(f"{path.name} is not what was saved")


def _checksum(path: Path) -> int:
    # crc32 tells a torn or flipped file, which is all it is for; it reads over a gigabyte a second.
    found = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
    return found


def _drop(generation: Path) -> None:
    try:
        handle = os.open(generation / "lock", os.O_RDONLY)
    except FileNotFoundError:
        # A save that died before it had one.
        shutil.rmtree(generation, ignore_errors=True)
        return
    try:
        if locked(handle):
            shutil.rmtree(generation, ignore_errors=True)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
