"""A sample of what is saved, and short ways to a folder that holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fluxrate.core.columns import files
from fluxrate.core.columns.files import Mark
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.snapshot import Snapshot
from fluxrate.core.columns.types import MISSING
from tests.core.columns.rows import HUGE, codes, ints

INSTANCE = "0f8e2a3c-0000-4000-8000-000000000001"
MARK = Mark(8, 6, "01977e0d-3c40-7000-8000-000000000006", 2, "8@1750000000000000")
LATER = Mark(9, 9, "01977e0d-3c40-7000-8000-000000000009", 2, "8@1750000000000000")
DICTIONARIES = {"plan": ["basic", "prö\u2028"], 'odd/../key"': ["x"], "closed": None}
LARGE = 9_000
"""Rows of a meter whose columns are worth mapping."""


def sample() -> dict[int, Snapshot]:
    """A meter of few rows with a grave and two keys, one of many rows, one without keys, and one without events."""
    base = Frame(
        ints([10, 20, 20]),
        ints([1, 2, 5]),
        ints([7, HUGE, 0]),
        codes([1, 2, 1]),
        {"plan": codes([0, MISSING, 1]), 'odd/../key"': codes([MISSING, 0, MISSING])},
    )
    tail = Frame(ints([15, 21]), ints([6, 4]), ints([3, HUGE]), codes([2, 2]), {"plan": codes([1, 1])})
    few = Snapshot.of(base).extended(tail, [(8, 2, 20), (7, 4, 21)]).folded()
    other = Frame(ints([1]), ints([3]), ints([9]), codes([1]))
    return {1: few, 7: Snapshot.of(large()), 42: Snapshot.of(other), 43: Snapshot()}


def large() -> Frame:
    """Many rows, the same each time."""
    rng = np.random.default_rng(4)
    return Frame(
        np.sort(rng.integers(0, 1 << 40, LARGE)),
        rng.permutation(LARGE) + 100,
        rng.integers(0, 1 << 62, LARGE),
        rng.integers(1, 500, LARGE).astype(np.int32),
        {"plan": rng.integers(-1, 2, LARGE).astype(np.int32)},
    )


def save(folder: Path, mark: Mark = MARK, meters: Mapping[int, Snapshot] | None = None) -> files.Saved:
    """Save the meters, or the sample, into the folder."""
    found = files.save(folder, INSTANCE, mark, sample() if meters is None else meters, DICTIONARIES)
    assert found is not None
    return found


def load(folder: Path, mark: Mark = MARK) -> files.Saved | None:
    """Load for a store whose past has this mark, and no other."""
    return files.load(folder, INSTANCE, lambda found: found == mark)


def manifest(folder: Path) -> dict[str, Any]:
    """The manifest as it lies in the folder."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return found


def generation(folder: Path) -> Path:
    """The generation in force."""
    return folder / str(manifest(folder)["generation"])


def frame_content(frame: Frame) -> dict[str, tuple[str, list[int]]]:
    """A frame's columns as plain values."""
    columns = {name: getattr(frame, name) for name in ("ts", "seq", "quantity", "customer")} | dict(frame.meta)
    return {name: (str(column.dtype), column.tolist()) for name, column in columns.items()}


def content(meters: Mapping[int, Snapshot]) -> dict[int, Any]:
    """Everything that snapshots without a tail hold, as plain values; metadata that no grave has is left out there."""
    found = {}
    for pk, snapshot in meters.items():
        assert (len(snapshot.tail), len(snapshot.dead[0])) == (0, 0)
        graves = snapshot.graves.rows
        buried = [
            (row, graves.codes("plan").tolist()) for row in frame_content(graves).items() if row[0] in ("ts", "seq")
        ]
        found[pk] = (frame_content(snapshot.base), buried, snapshot.graves.died.tolist())
    return found
