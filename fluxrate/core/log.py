"""Raw events: exact totals and any page from the columns, or all of them in steps; only the rows that are shown come
from the store, by key.

Voided events are listed and marked, unless the query says otherwise; the figure beside the list leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fluxrate.core import filters
from fluxrate.core.answers import LogRow
from fluxrate.core.calendar import Window
from fluxrate.core.columns import kernels
from fluxrate.core.columns.cut import NO_ROWS
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.paging import At, Everything, Kept, Picked, Run, Several, page
from fluxrate.core.columns.snapshot import Snapshot, State
from fluxrate.core.columns.types import Ints
from fluxrate.core.columns.within import Within
from fluxrate.core.filters import Lane, Scope
from fluxrate.core.model import Meter
from fluxrate.core.selecting import found_by, lanes_in_window
from fluxrate.core.store import Store

STEP = 16_384
"""Rows of a frame that one step over a whole list looks at: few enough to hold, enough to make the step worth it."""
PIECE = 1_000
"""Rows that are read from the store at once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The meter's events that pass the query's filters, as sorted runs; `base` is what was picked of the base."""

    runs: list[Run]
    base: Picked


def listed(state: State, scope: Scope) -> Listed:
    """What a list of the meter's events has."""
    snapshot, window = state.snapshot(scope.meter.pk), scope.query.window
    seq = state.seq if scope.query.as_of is None else scope.query.as_of
    base = _of_base(snapshot, scope, seq)
    found = [Run(snapshot.base, base)]
    for frame in _beside(snapshot, scope.query.voided, seq):
        rows = frame.window(window.start, window.end)
        masks = [rows.seq <= seq, filters.in_lanes(rows, filters.lanes(scope)), filters.mask(rows, scope)]
        kept = rows.take(np.logical_and.reduce([mask for mask in masks if mask is not None]))
        found.append(Run(kept, Everything(0, len(kept), NO_ROWS)))
    return Listed([run for run in found if len(run)], base)


def _beside(snapshot: Snapshot, voided: bool | None, seq: int) -> Sequence[Frame]:
    """The frames beside the base that may have rows of the list; those that arrived later are still among them."""
    if voided is None:
        return (snapshot.tail, snapshot.graves.rows)
    if not voided:
        return snapshot.added(seq)
    graves = snapshot.graves
    return (graves.rows.take(np.flatnonzero(graves.died <= seq)),)


def _of_base(snapshot: Snapshot, scope: Scope, seq: int) -> Picked:
    index, window, lanes = snapshot.index, scope.query.window, filters.lanes(scope)
    frame = index.frame
    first, last = frame.between(window.start, window.end)
    dead = snapshot.dead_at(seq)
    dead = dead[slice(*np.searchsorted(dead, (first, last)))]
    if scope.query.voided:
        rows = frame.at(dead)
        masks = [mask for mask in (filters.in_lanes(rows, lanes), filters.mask(rows, scope)) if mask is not None]
        return At(dead[np.logical_and.reduce(masks)] if masks else dead)
    left_out, later = NO_ROWS if scope.query.voided is None else dead, index.later_than(seq)
    if later is not None:
        return _without(index, scope, lanes, (first, last), kernels.merged(left_out, later))
    # Most blocks have a row that came later: each row is looked at.
    arrived = frame.seq[first:last] <= seq
    found = filters.in_lanes(frame.slice(first, last), lanes), filters.mask(frame.slice(first, last), scope)
    mask = np.logical_and.reduce([arrived, *(one for one in found if one is not None)])
    mask[left_out - first] = False
    return Kept(first, mask)


def _without(index: Index, scope: Scope, lanes: Sequence[Lane], window: tuple[int, int], left_out: Ints) -> Picked:
    """The rows between two positions that pass the filters, without some, which rise."""
    first, last = window
    looks = filters.looks_at_rows(scope.query)
    if not lanes:
        bounds = filters.bounds(scope)
        return Within(index.frame, index.sizes, window, bounds, left_out) if looks else Everything(*window, left_out)
    if looks or len(lanes) > 1:
        found, quantity = found_by(index, scope, lanes, first, last)
        positions = kernels.without(found, left_out)
        return At(positions, quantity if len(positions) == len(found) else None)
    left_out = left_out[slice(*np.searchsorted(left_out, window))]
    if len(left_out):
        left_out = left_out[filters.in_lanes(index.frame.at(left_out), lanes)]
    return Several(lanes_in_window(index, lanes[0], first, last), left_out)


def page_of(found: Sequence[Run], number: int, size: int, order: str) -> tuple[int, Ints]:
    """How many events there are, and the sequences of a page of them."""
    total = sum(map(len, found))
    offset = (number - 1) * size
    if order == "asc":
        backwards = page(found, max(0, total - offset - size), min(size, max(0, total - offset)))
        return total, backwards[::-1]
    return total, page(found, offset, size)


def page_at(found: Sequence[Run], instant: int, size: int) -> int:
    """The number of the page, newest first, that has the newest event of this instant or before it."""
    newer = sum(run.since(instant, "right") for run in found)
    return min(newer, max(sum(map(len, found)) - 1, 0)) // size + 1


def next_step(state: State, meters: Sequence[Meter], left: Window, order: str) -> Window:
    """The part of what is left of a window to look at next: about as much as one frame has `STEP` rows in.

    Events of one instant are never parted, so a step is longer where many have the same time.
    """
    start, end = left.start, left.end
    for meter in meters:
        for frame in state.snapshot(meter.pk).frames:
            first, last = frame.between(left.start, left.end)
            if last - first <= STEP:
                continue
            if order == "asc":
                end = min(end, max(left.start + 1, int(frame.ts[first + STEP])))
            else:
                start = max(start, int(frame.ts[last - STEP]))
    return Window(start, end, left.zone)


def pieces_of(found: Sequence[Run], order: str) -> Iterator[Ints]:
    """The sequences of all events of the runs in their order, as many at a time as are read at once."""
    total = sum(map(len, found))
    _, seqs = page_of(found, 1, max(total, 1), order)
    for start in range(0, total, PIECE):
        yield seqs[start : start + PIECE]


def rows_of(store: Store, seqs: Ints, meters: Sequence[Meter], as_of: int) -> tuple[LogRow, ...]:
    """The events of the sequences, in their order."""
    by_pk = {meter.pk: meter for meter in meters}
    wanted = seqs.tolist()
    events = store.events.by_seqs(wanted)
    voids = store.voids.by_events(wanted)
    customers = store.customers.by_pks(list({event.customer_pk for event in events.values()}))
    rows = []
    for seq in wanted:
        event, void = events[seq], voids.get(seq)
        seen = void if void is not None and void.seq <= as_of else None
        rows.append(LogRow(event, by_pk[event.meter_pk], customers[event.customer_pk], seen))
    return tuple(rows)
