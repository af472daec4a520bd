"""One page of raw events: exact totals and any page from the columns, only the rows of the page from the store, by key.

Voided events are listed and marked; the figure beside the list leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluxrate.core import filters
from fluxrate.core.answers import LogRow
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.paging import Everything, Kept, Listed, Picked, Run, page
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.types import Ints
from fluxrate.core.filters import Scope
from fluxrate.core.model import Meter
from fluxrate.core.selecting import found_by
from fluxrate.core.store import Store


def runs(state: State, scope: Scope) -> list[Run]:
    """The meter's events that pass the query's filters, as sorted runs."""
    snapshot, window = state.snapshot(scope.meter.pk), scope.query.window
    seq = state.seq if scope.query.as_of is None else scope.query.as_of
    found = [Run(snapshot.base, _of_base(snapshot.index, scope, seq))]
    for frame in (snapshot.tail, snapshot.graves.rows):
        rows = frame.window(window.start, window.end)
        masks = [rows.seq <= seq, filters.in_lanes(rows, filters.lanes(scope)), filters.mask(rows, scope)]
        kept = rows.take(np.logical_and.reduce([mask for mask in masks if mask is not None]))
        found.append(Run(kept, Everything(0, len(kept), np.empty(0, np.int64))))
    return [run for run in found if len(run)]


def _of_base(index: Index, scope: Scope, seq: int) -> Picked:
    frame, window, lanes = index.frame, scope.query.window, filters.lanes(scope)
    first, last = frame.between(window.start, window.end)
    if lanes:
        found = found_by(index, scope, lanes, first, last)
        return Listed(found if seq >= index.newest else found[frame.seq[found] <= seq])
    mask, later = filters.mask(frame.slice(first, last), scope), index.later_than(seq)
    if mask is None and later is not None:
        return Everything(first, last, later)
    if mask is not None and seq >= index.newest:
        return Kept(first, mask)
    arrived = frame.seq[first:last] <= seq
    return Kept(first, arrived if mask is None else mask & arrived)


def page_of(found: Sequence[Run], number: int, size: int, order: str) -> tuple[int, Ints]:
    """How many events there are, and the sequences of a page of them."""
    total = sum(map(len, found))
    offset = (number - 1) * size
    if order == "asc":
        backwards = page(found, max(0, total - offset - size), min(size, max(0, total - offset)))
        return total, backwards[::-1]
    return total, page(found, offset, size)


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
