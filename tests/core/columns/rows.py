"""Rows of columns as plain Python sees them: what the tests of this folder generate, and judge figures by."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from fluxrate.core.columns import kernels
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.types import MISSING, Ints

PLAN, SEAT = Key(("plan",)), Key(("seat",))
KEYS = (CUSTOMER, PLAN, SEAT, Key(("plan", "seat")), Key((None, "seat")), Key(("seat", None)))
"""Every kind of key; `seat` is often missing, `plan` is few values."""

HUGE = 2**63 - 1


class Row(NamedTuple):
    """One event; sorted by time, then by sequence."""

    ts: int
    seq: int
    quantity: int
    customer: int
    plan: int = MISSING
    seat: int = MISSING


def frame(rows: Sequence[Row], keys: Sequence[str] = ("plan", "seat")) -> Frame:
    """The rows in order of (time, sequence), with these metadata columns."""
    rows = sorted(rows)
    return Frame(
        ints([row.ts for row in rows]),
        ints([row.seq for row in rows]),
        ints([row.quantity for row in rows]),
        codes([row.customer for row in rows]),
        {key: codes([getattr(row, key) for row in rows]) for key in keys},
    )


def sparse(rows: Sequence[Row]) -> Frame:
    """The rows with only the metadata columns of which one of them has a value, as they come from the store."""
    return frame(rows, [key for key in ("plan", "seat") if any(getattr(row, key) >= 0 for row in rows)])


def rows_of(found: Frame) -> list[Row]:
    """The rows of a frame, in its order."""
    columns = (found.ts, found.seq, found.quantity, found.customer, found.codes("plan"), found.codes("seat"))
    return [Row(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def ints(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)


def codes(values: Sequence[int]) -> Any:
    return np.array(values, np.int32)


def code_of(key: Key, row: Row) -> int:
    """The row's code of a key, told from the parts that `split` gives."""
    parts = [row.customer if part is None else getattr(row, part) for part in key.parts]
    return parts[0] if len(parts) == 1 else ((parts[0] + 1) << 32) | (parts[1] + 1)


def whole(limbs: tuple[Any, ...]) -> list[int]:
    """Sums out of their limbs."""
    high, low = limbs
    return [(one << kernels.LIMB) + other for one, other in zip(high.tolist(), low.tolist(), strict=True)]


def cells_of(rows: Sequence[Row], bounds: Ints) -> list[list[Row]]:
    """The rows between each two bounds."""
    return [list(rows[a:b]) for a, b in pairwise(bounds.tolist())]


def distinct(values: Sequence[int]) -> int:
    return len(set(values) - {MISSING})


def judge(found: Any, bounds: Ints, cells: Sequence[Sequence[Row]], counted: str | None = None) -> None:
    """Every figure that rows answer per cell is the one that plain Python gives, and so are their columns."""
    quantities = [[row.quantity for row in cell] for cell in cells]
    assert np.diff(bounds).tolist() == [len(cell) for cell in cells]
    assert whole(found.sums(bounds)) == [sum(values) for values in quantities]
    assert found.maxima(bounds).tolist() == [max(values, default=kernels.LEAST) for values in quantities]
    assert found.minima(bounds).tolist() == [min(values, default=kernels.MOST) for values in quantities]
    lasts = list(zip(*(column.tolist() for column in found.lasts(bounds)), strict=True))
    assert lasts == [(cell[-1].ts, cell[-1].seq, cell[-1].quantity) if cell else (-1, -1, -1) for cell in cells]
    if counted is not None:
        expected = [distinct([getattr(row, counted) for row in cell]) for cell in cells]
        assert found.distinct(bounds).tolist() == expected
    first, last = int(bounds[0]), int(bounds[-1])
    for name in ("ts", "seq", "quantity", "customer"):
        assert getattr(found, name)[first:last].tolist() == [getattr(row, name) for cell in cells for row in cell]


SIZES = (0, 1, 2, 3, 4, 5, 15, 16, 17, 33, 63, 64, 65, 127, 128, 129, 200)
"""Around the steps and blocks of an arrangement."""


@st.composite
def row_lists(draw: st.DrawFn, sizes: Sequence[int] = SIZES, first_seq: int = 1) -> list[Row]:
    """Rows in order of (time, sequence): perhaps none, perhaps all at one instant, perhaps of huge quantities."""
    size, chance = draw(st.sampled_from(sizes)), random.Random(draw(st.integers(0, 1 << 30)))
    instants = draw(st.sampled_from([1, 2, 12, 1_000]))
    customers = draw(st.sampled_from([1, 3, 40]))
    plans, seats = draw(st.sampled_from([([0, 1, 2], [MISSING, MISSING, 0, 1, 5]), ([2], [MISSING]), ([MISSING], [4])]))
    largest = draw(st.sampled_from([0, 9, 2**40, HUGE]))
    return sorted(
        Row(
            chance.randrange(instants),
            seq,
            chance.randint(largest // 2, largest),
            chance.randint(1, customers),
            chance.choice(plans),
            chance.choice(seats),
        )
        for seq in range(first_seq, first_seq + size)
    )


@st.composite
def cuts(draw: st.DrawFn, size: int, *, gaps: bool | None = None) -> tuple[Ints, Ints]:
    """Starts and ends of cells of places up to `size`: rising, often empty, with gaps between them or without."""
    if gaps is None:
        gaps = draw(st.booleans())
    edges = sorted(draw(st.lists(st.integers(0, size), min_size=2, max_size=12)))
    if not gaps:
        return ints(edges[:-1]), ints(edges[1:])
    edges = edges[: len(edges) // 2 * 2]
    return ints(edges[::2]), ints(edges[1::2])


def some_of(size: int) -> st.SearchStrategy[list[int]]:
    """Places below `size`, rising: none, a few, or nearly all."""
    few = st.lists(st.integers(0, max(size - 1, 0)), max_size=8 if size else 0, unique=True)
    ends = st.integers(0, size).map(lambda left: list(range(left, size)))
    return st.one_of(few, few.map(lambda kept: [place for place in range(size) if place not in kept]), ends).map(sorted)
