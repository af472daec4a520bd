"""From a question to the rows of the columns it is about: what indexes can answer is left to them, the rest is taken.

Nothing here scans what an index answers. Equality with one customer or one metadata value is a lane of an arrangement;
with several, or together with other filters, the index finds the rows and only those are looked at. Bounds on
quantities look at every row of the window; a list of events, which is one cell, has the order of sizes instead (`log`,
`beside`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from fluxrate.core import filters
from fluxrate.core.columns import kernels
from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.cut import NO_ROWS
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.paging import Positions
from fluxrate.core.columns.selection import Fresh, Selection
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.types import Ints
from fluxrate.core.filters import Lane, Mask, Scope
from fluxrate.core.live import properties
from fluxrate.core.metric import Metric
from fluxrate.core.model import Meter

_FEW = 4_096
_FRACTION = 16
"""Rows left out of an indexed base are corrected for one by one; beyond this part of it a scan is cheaper."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of a question, and the index whose arrangements can lay them out by other keys."""

    selection: Selection
    index: Index


def choose(state: State, scope: Scope, metric: Metric, keys: Sequence[Key] = ()) -> Chosen:
    """The rows of the meter that count for the scope's query; `keys` are those the answer is broken down by."""
    chosen = Choice(state, scope, [part for key in keys for part in key.parts if part is not None]).chosen()
    return _counting(chosen, scope) if metric.needs_property else chosen


class Choice:
    """One question while its rows are being found."""

    def __init__(self, state: State, scope: Scope, columns: Sequence[str]) -> None:
        window, meter = scope.query.window, scope.meter
        snapshot = state.snapshot(meter.pk)
        seq = state.seq if scope.query.as_of is None else scope.query.as_of
        self.scope, self.columns = scope, columns
        self.lanes = filters.lanes(scope)
        self.seq, self.index, self.dead = seq, snapshot.index, snapshot.dead_at(seq)
        known = snapshot.newcomers
        if meter.filters:
            # Its filters never change once it has events, so the rows that pass them have an index of their own.
            counted = partial(_counted, meter, scope.coder)
            subset = self.index.subset(meter.filters, counted)
            self.index, self.dead = subset.index, subset.of(self.dead)
            known = known.passing(meter.filters, subset, counted)
        self.first, self.last = self.index.frame.between(window.start, window.end)
        self._added = snapshot.added(seq)
        # Of all newcomers together it is known how they stand beside the base, and not of some of them.
        whole = len(self._added) == 1 and self._added[0] is snapshot.tail
        self._known = known if whole else None

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """The rows beside the base, where they are scanned."""
        window = self.scope.query.window
        found = (self._passing(frame.window(window.start, window.end)) for frame in self._added)
        return tuple(frame for frame in found if len(frame))

    def _passing(self, frame: Frame) -> Frame:
        """The rows of a frame beside the base that pass every filter."""
        masks = [
            filters.meter_mask(frame, self.scope.meter, self.scope.coder),
            filters.in_lanes(frame, self.lanes),
            filters.mask(frame, self.scope),
        ]
        found = [mask for mask in masks if mask is not None]
        return frame.take(np.logical_and.reduce(found)) if found else frame

    def chosen(self) -> Chosen:
        """The rows, laid out as suits the question."""
        removed = self.removed()
        looks = filters.looks_at_rows(self.scope.query)
        if removed is None or looks or len(self.lanes) > 1 or (self.lanes and len(self.lanes[0][1]) != 1):
            return self._scanned()
        base, fresh = (self.index.time, self.first, self.last), self._fresh()
        if self.lanes:
            (key, (code,)), index = self.lanes[0], self.index
            base = _lane(index, key, code, self.first, self.last)
            if len(removed):
                removed = removed[index.frame.column(key)[removed] == code]
                removed = index.lanes(key).places(np.full(len(removed), code), removed)
            if fresh is not None:
                fresh = Fresh(fresh.known, *_lane(fresh.known.index, key, code, fresh.first, fresh.last))
        frames = self.frames if self._known is None else ()
        if fresh is not None and fresh.first == fresh.last:
            fresh = None
        return Chosen(Selection(*base, removed, frames, fresh=fresh), self.index)

    def _fresh(self) -> Fresh | None:
        """The newcomers of the window."""
        if self._known is None:
            return None
        window, rows = self.scope.query.window, self._known.index.time
        return Fresh(self._known, rows, *rows.frame.between(window.start, window.end))

    def removed(self) -> Ints | None:
        """Rows of the base that do not count, rising; None where they are too many to be corrected for one by one."""
        later = self.index.later_than(self.seq)
        if later is None or len(later) + len(self.dead) > max(_FEW, len(self.index.frame) // _FRACTION):
            return None
        return kernels.merged(self.dead, later)

    def counted(self) -> Key | None:
        """The one key whose values a distinct count of these rows reads; None where it takes several."""
        keys = properties(self.scope.meter)
        found = {frame.covering(keys) for frame in self.frames if any(key in frame.meta for key in keys)}
        found.add(self.index.covering(keys))
        one = found.pop()
        return None if found or one is None else Key((one,))

    def _scanned(self) -> Chosen:
        frame = self.index.frame.with_keys({*self.columns, *properties(self.scope.meter)})
        positions = self.positions()
        rows = frame.slice(self.first, self.last) if positions is None else frame.take(positions)
        frames = tuple(found for found in (rows, *self.frames) if len(found))
        return Chosen(Selection(self.index.time, 0, 0, NO_ROWS, frames), self.index)

    def positions(self) -> Ints | None:
        """The rows of the base that pass every filter, in order of time; None for all of the window."""
        frame, all_arrived = self.index.frame, self.seq >= self.index.newest
        if self.lanes:
            found, _ = found_by(self.index, self.scope, self.lanes, self.first, self.last)
            found = found if all_arrived else found[frame.seq[found] <= self.seq]
            return kernels.without(found, self.dead)
        rows = frame.slice(self.first, self.last)
        mask = filters.mask(rows, self.scope)
        if not all_arrived:
            arrived = rows.seq <= self.seq
            mask = arrived if mask is None else mask & arrived
        dead = self.dead[(self.dead >= self.first) & (self.dead < self.last)]
        if mask is None and not len(dead):
            return None
        mask = np.ones(len(rows), np.bool_) if mask is None else mask
        mask[dead - self.first] = False
        return np.flatnonzero(mask) + self.first


def _counted(meter: Meter, coder: Coder, frame: Frame) -> Mask:
    """Which rows pass the meter's own filters."""
    mask = filters.meter_mask(frame, meter, coder)
    return np.ones(len(frame), np.bool_) if mask is None else mask


def _lane(index: Index, key: Key, code: int, first: int, last: int) -> tuple[Arrangement, int, int]:
    """The places in the arrangement by a key of the rows between two positions that have the code."""
    return index.by(key), *index.lanes(key).between(code, first, last)


def found_by(index: Index, scope: Scope, lanes: Sequence[Lane], first: int, last: int) -> tuple[Positions, Ints | None]:
    """Positions between two others of the rows that pass the query's filters, of which some ask for equality; and their
    quantities, where these had to be read.
    """
    # The fewest rows that an index finds for one of the filters; the others look at these alone.
    every = [(_in_window(index, lane, first, last), lane) for lane in lanes]
    found, mine = min(every, key=lambda one: len(one[0]))
    rows = index.frame.at(found)
    masks = (filters.in_lanes(rows, [lane for lane in lanes if lane is not mine]), filters.mask(rows, scope))
    kept = [mask for mask in masks if mask is not None]
    if not kept:
        return found, None
    # Several times faster than by the mask itself, unless it keeps next to all or nothing.
    left = np.flatnonzero(np.logical_and.reduce(kept))
    return found[left], rows.quantity[left] if filters.looks_at_rows(scope.query) else None


def _in_window(index: Index, lane: Lane, first: int, last: int) -> Positions:
    found = lanes_in_window(index, lane, first, last)
    if len(found) == 1:
        return found[0]
    return np.sort(np.concatenate(found)) if found else NO_ROWS


def lanes_in_window(index: Index, lane: Lane, first: int, last: int) -> list[Positions]:
    """For each of the lane's codes the positions between two others of the rows that have it, rising."""
    key, codes = lane
    order = index.lanes(key)
    return [order.positions[slice(*order.between(code, first, last))] for code in codes]


def _counting(chosen: Chosen, scope: Scope) -> Chosen:
    """The same rows with what a distinct count reads: an index's column where one key has every value."""
    keys = properties(scope.meter)
    selection = chosen.selection
    covering = {frame.covering(keys) for frame in selection.frames if any(key in frame.meta for key in keys)}
    if len(selection.base):
        covering.add(chosen.index.covering(keys))
    fresh = selection.fresh
    if fresh is not None and any(key in fresh.rows.frame.meta for key in keys):
        covering.add(fresh.known.index.covering(keys))
    one = next(iter(covering), keys[0])
    if len(covering) <= 1 and one is not None:
        frames = tuple(frame.with_property(frame.codes(one)) for frame in selection.frames)
        return replace(chosen, selection=replace(selection, frames=frames, counted=Key((one,))))
    taken = selection.scanned()
    codes = scope.coder.counted(taken.frames, keys)
    frames = tuple(frame.with_property(mine) for frame, mine in zip(taken.frames, codes, strict=True))
    return replace(chosen, selection=replace(taken, frames=frames))
