"""The snapshot that readers hold: a large indexed base and small frames of what came since, all immutable.

A reader takes a reference once and needs no lock. New rows go into the tail, which every question merges. A voided row
goes from the tail to the graves; one of the base stays there and is named in `dead` until the next fold. Graves are
kept for questions about what was before. A small base takes its tail in at once; a large one when `folded`, which is
work for the background.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fluxrate.core.columns import kernels
from fluxrate.core.columns.base import Base
from fluxrate.core.columns.changes import Loss
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.cut import NO_ROWS
from fluxrate.core.columns.frame import EMPTY, Frame, merge
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.newcomers import Newcomers
from fluxrate.core.columns.types import Ints

SMALL = 50_000
"""Rows up to which folding costs a reader next to nothing."""

_WORTH_FOLDING = 4_096
_FRACTION = 32

_NOBODY = Newcomers(Base(Index(EMPTY)))

Void = tuple[int, int, int]
"""(sequence of the void, sequence of the event, time of the event)."""


@dataclass(frozen=True, slots=True, eq=False)
class Graves:
    """Voided rows, and for each the sequence of its void."""

    rows: Frame = EMPTY
    died: Ints = field(default_factory=lambda: NO_ROWS)

    def with_more(self, rows: Frame, died: Ints) -> Graves:
        """These and further rows, in order of time."""
        if not len(rows):
            return self
        whole = merge([self.rows, rows])
        deaths = np.concatenate((self.died, died))
        return Graves(whole, deaths[np.lexsort((np.concatenate((self.rows.seq, rows.seq)), _times(self.rows, rows)))])

    def alive(self, seq: int) -> Frame:
        """The rows that had arrived by the sequence and were voided after it."""
        if not len(self.died) or int(self.died.max()) <= seq:
            return EMPTY
        return self.rows.take(np.flatnonzero((self.rows.seq <= seq) & (self.died > seq)))


def _times(one: Frame, other: Frame) -> Ints:
    return np.concatenate((one.ts, other.ts))


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything known of one meter at one sequence; all rows of `tail` arrived after those of `base`.

    `dead` are positions of the base, rising, with the sequence of each one's void. `newcomers` is what is known of the
    tail's rows beside the base.
    """

    held: Base = field(default_factory=lambda: Base(Index(EMPTY)))
    tail: Frame = EMPTY
    graves: Graves = field(default_factory=Graves)
    dead: tuple[Ints, Ints] = (NO_ROWS, NO_ROWS)
    newcomers: Newcomers = _NOBODY

    def __post_init__(self) -> None:
        if not self.newcomers.are(self.held, self.tail):
            object.__setattr__(self, "newcomers", Newcomers(self.held, self.tail))
        self.tail.freeze()
        self.graves.rows.freeze()

    @classmethod
    def of(cls, rows: Frame, graves: Graves | None = None) -> Snapshot:
        """A snapshot whose base has these rows."""
        rows.freeze()
        return cls(Base(Index(rows)), graves=graves or Graves())

    @property
    def base(self) -> Frame:
        """The rows of the base."""
        return self.held.frame

    @property
    def index(self) -> Index:
        """The index of the base."""
        return self.held.index

    @property
    def frames(self) -> tuple[Frame, Frame, Frame]:
        """All rows ever stored, voided ones last."""
        return self.base, self.tail, self.graves.rows

    def __len__(self) -> int:
        """Rows ever stored, voided ones too."""
        return len(self.held) + len(self.tail) + len(self.graves.rows)

    def extended(self, rows: Frame, voids: Sequence[Void] = ()) -> Snapshot:
        """A snapshot with rows that arrived later, in any order of time, and with rows of any age voided."""
        more = self._with_rows(rows)._voided(voids)
        return more.folded() if more.wants_folding and len(more) <= SMALL else more

    def _with_rows(self, rows: Frame) -> Snapshot:
        if not len(rows) or not len(self.tail):
            return replace(self, tail=rows) if len(rows) else self
        tail, change = self.tail.with_more(rows)
        return replace(self, tail=tail, newcomers=self.newcomers.changed(tail, change))

    def _voided(self, voids: Sequence[Void]) -> Snapshot:
        if not voids:
            return self
        died, seqs, times = (np.array(column, np.int64) for column in zip(*voids, strict=True))
        rows = _find(self.tail, times, seqs)
        in_tail = rows >= 0
        left = self._without(rows[in_tail], died[in_tail]) if in_tail.any() else self
        if in_tail.all():
            return left
        rows = _find(self.base, times, seqs)
        positions = np.concatenate((self.dead[0], rows[rows >= 0]))
        order = np.argsort(positions)
        dead = positions[order], np.concatenate((self.dead[1], died[rows >= 0]))[order]
        return replace(left, dead=dead)

    def _without(self, rows: Ints, died: Ints) -> Snapshot:
        """With these rows of the tail in their graves."""
        kept = np.ones(len(self.tail), np.bool_)
        kept[rows] = False
        tail, graves = self.tail.take(np.flatnonzero(kept)), self.graves.with_more(*_by_place(self.tail, rows, died))
        return replace(self, tail=tail, graves=graves, newcomers=self.newcomers.changed(tail, Loss(kept)))

    @property
    def wants_folding(self) -> bool:
        """Whether the tail has grown enough to be worth the work."""
        return len(self.tail) + len(self.dead[0]) > max(_WORTH_FOLDING, len(self.held) // _FRACTION)

    @property
    def newest(self) -> int:
        """The sequence of the row that arrived last, 0 when there is none."""
        buried = int(self.graves.rows.seq.max(initial=0))
        return max(self.index.newest, self.newcomers.newest, buried)

    @property
    def newest_void(self) -> tuple[int, int]:
        """The sequence of the last void, and that of its event; zeros when there is none."""
        seqs = np.concatenate((self.graves.rows.seq, self.base.seq[self.dead[0]]))
        died = np.concatenate((self.graves.died, self.dead[1]))
        last = int(died.argmax()) if len(died) else None
        return (0, 0) if last is None else (int(died[last]), int(seqs[last]))

    def folded(self, keys: Collection[str] | None = None) -> Snapshot:
        """The same rows with nothing left in the tail, and the dead in their graves; metadata keys that are not among
        `keys` are left out.
        """
        positions, died = self.dead
        if not len(self.tail) and not len(positions):
            return self
        living = self.base
        if len(positions):
            keep = np.ones(len(self.base), np.bool_)
            keep[positions] = False
            living = self.base.take(np.flatnonzero(keep))
        graves = self.graves.with_more(self.base.take(positions), died)
        rows = merge([living, self.tail])
        return Snapshot.of(rows if keys is None else rows.with_keys(keys), graves)

    def since(self, seq: int) -> tuple[Frame, list[Void]]:
        """The rows that arrived after the sequence, wherever they are by now, and the voids that did."""
        buried = self.graves.rows
        dead = self.base.take(self.dead[0]) if len(self.dead[0]) else EMPTY
        late_rows = [frame.take(np.flatnonzero(frame.seq > seq)) for frame in (self.tail, buried)]
        if self.index.newest > seq:
            # A small tail may have been folded in meanwhile.
            late_rows.append(self.base.take(np.flatnonzero(self.base.seq > seq)))
        rows = merge(late_rows)
        died = np.concatenate((self.graves.died, self.dead[1]))
        late = died > seq
        seqs, times = np.concatenate((buried.seq, dead.seq)), np.concatenate((buried.ts, dead.ts))
        return rows, list(zip(died[late].tolist(), seqs[late].tolist(), times[late].tolist(), strict=True))

    @property
    def let_go_bytes(self) -> int:
        """Bytes of what `forget` and `let_go` may let go of: the base, and what is known of the newcomers."""
        return self.held.heap_bytes + self.held.mapped_bytes + self.newcomers.nbytes

    def forget(self) -> None:
        """Let go of what was built for single questions."""
        self.held.forget()
        self.newcomers.forget()

    def let_go(self) -> None:
        """Let go of everything of the base that can be mapped again."""
        self.held.let_go()

    def dead_at(self, seq: int) -> Ints:
        """Positions of the base, rising, that had been voided by the sequence."""
        positions, died = self.dead
        return positions if not len(died) or int(died.max()) <= seq else positions[died <= seq]

    def added(self, seq: int) -> list[Frame]:
        """The rows beside the base that count at the sequence."""
        tail = self.tail
        if self.newcomers.newest > seq:
            tail = tail.take(np.flatnonzero(tail.seq <= seq))
        return [frame for frame in (tail, self.graves.alive(seq)) if len(frame)]


def _find(frame: Frame, times: Ints, seqs: Ints) -> Ints:
    """Positions of the rows of these times and sequences, -1 for those the frame does not have."""
    first, last = np.searchsorted(frame.ts, times), np.searchsorted(frame.ts, times, side="right")
    # Rows of one instant stand in order of sequence.
    at = kernels.bisect(frame.seq, first, last, seqs)
    known = at < last
    known[known] = frame.seq[at[known]] == seqs[known]
    return np.where(known, at, -1)


def _by_place(frame: Frame, positions: Ints, died: Ints) -> tuple[Frame, Ints]:
    order = np.argsort(positions)
    return frame.take(positions[order]), died[order]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All meters at one ingest sequence; swapped whole, so answers about several meters agree with each other.

    `coder` has the dictionaries that the metadata codes stand for.
    """

    coder: Coder
    seq: int = 0
    meters: Mapping[int, Snapshot] = field(default_factory=dict)

    def snapshot(self, meter_pk: int) -> Snapshot:
        """The meter's rows; none for a meter that has no events."""
        return self.meters.get(meter_pk) or Snapshot()
