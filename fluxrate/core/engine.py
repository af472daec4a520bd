"""Answers about usage from the columns: windows, totals, buckets, breakdowns, rankings and the event log.

Every answer is taken from one immutable state, so its figures agree with each other, and says which sequence it covers.
Nothing here loops over events; Python loops run over buckets, groups of an answer, or rows of one page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np

from fluxrate.core import beside, calendar, each, filters, groups, log
from fluxrate.core.answers import LogPage, LogRow, Rank, Ranking, Stats, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.catalog import Catalog
from fluxrate.core.columns import keys
from fluxrate.core.columns.selection import span
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.types import Ints
from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.filters import Scope
from fluxrate.core.groups import Cut
from fluxrate.core.live import LiveColumns
from fluxrate.core.metric import Metric
from fluxrate.core.model import Customer, Meter, Number
from fluxrate.core.query import Query
from fluxrate.core.registry import Metrics
from fluxrate.core.selecting import choose
from fluxrate.core.store import Store
from fluxrate.core.text import show

_SHARE_PLACES = 6
_EVER = 1 << 62
_BEYOND_A_MONTH = 32 * 24 * 3_600_000_000


class Engine:
    """The one door to figures; made once per application."""

    def __init__(self, store: Store, catalog: Catalog, live: LiveColumns, metrics: Metrics) -> None:
        self._store = store
        self._catalog = catalog
        self._live = live
        self._metrics = metrics

    def as_of(self) -> int:
        """The ingest sequence that an answer given now would cover."""
        return self._live.current().seq

    def covers(self, query: Query) -> int:
        """The ingest sequence that an answer to the query covers; raises Malformed when its `as_of` lies ahead."""
        return _covered(query, self._state(query))

    def metadata_keys(self, meter: Meter) -> tuple[str, ...]:
        """The metadata keys of the meter's events that questions may ask by, in order of name."""
        state = self._live.current()
        snapshot = state.snapshot(meter.pk)
        found = {key for frame in (snapshot.base, snapshot.tail) for key in frame.meta}
        return tuple(sorted(found - state.coder.closed))

    def usage(self, meter: Meter, query: Query, metric: Metric | None = None) -> Usage:
        """The metric (the meter's own unless named) over the window, per bucket, and by what the query breaks it down.

        Raises NotFound for an unknown customer, RuleBroken for metadata that is not indexed, Malformed for an as_of
        that lies ahead.
        """
        metric = metric or self.metric_of(meter)
        state = self._state(query)
        scope = self._scope(state, meter, query)
        cut = _cut(query)
        broken = groups.key_of(query.breakdown, state.coder) if query.breakdown else None
        chosen = choose(state, scope, metric, [] if broken is None else [broken])
        found = groups.over_time(chosen.selection, cut, metric, meter.decimals, query)
        parts = None
        if broken is not None:
            parts = groups.breakdown(chosen, query, cut, metric, meter.decimals, state.coder, self._store)
        return Usage(
            meter=meter,
            metric=metric.name,
            window=query.window,
            total=found.total,
            event_count=found.events,
            unique_customers=found.customers,
            buckets=found.buckets,
            as_of=_covered(query, state),
            breakdown=parts,
        )

    def stats(self, meter: Meter, zone: str, now: int, as_of: int | None = None) -> Stats:
        """A meter's whole life, and its figures for the calendar day, week and month of `now` in the zone."""
        query = Query(Window(-_EVER, _EVER, zone), as_of=as_of)
        state = self._state(query)
        metric = self.metric_of(meter)
        selection = choose(state, self._scope(state, meter, query), metric).selection
        ever = selection.by_time(_edges(query.window))
        since = {
            group: groups.total_of(selection, _around(now, group, zone), metric, meter.decimals)
            for group in ("day", "week", "month")
        }
        first, last = span(selection) or (None, None)
        return Stats(
            meter=meter,
            total_events=int(ever.counts()[0]),
            unique_customers=int(ever.customers()[0]),
            first_event=first,
            last_event=last,
            today=since["day"],
            week=since["week"],
            month=since["month"],
            as_of=_covered(query, state),
        )

    def ranking(self, meter: Meter, query: Query, limit: int) -> Ranking:
        """Customers of the window by usage, largest first; equal ones in the order they were created."""
        metric = self.metric_of(meter)
        state = self._state(query)
        chosen = choose(state, self._scope(state, meter, query), metric)
        window = _edges(query.window)
        found = groups.rank(chosen, keys.CUSTOMER, window, limit, metric, meter.decimals, state.coder)
        total = groups.total_of(chosen.selection, window, metric, meter.decimals)
        customers = self._store.customers.by_pks(found.codes)
        rows = zip(found.codes, found.values, found.counts, strict=True)
        return Ranking(
            meter=meter,
            window=query.window,
            rows=tuple(
                Rank(place, customers[code], value, count, _share(value, total) if metric.additive else None)
                for place, (code, value, count) in enumerate(rows, 1)
            ),
            customers=found.groups,
            total=total,
            as_of=_covered(query, state),
        )

    def by_customer(
        self, meter: Meter, query: Query, edges: Sequence[int]
    ) -> list[tuple[int, list[Number | None], list[int]]]:
        """Of every customer with an event in the query's window: their key, and usage and number of events between each
        two of the edges, of which the first and the last are the window's.
        """
        state = self._state(query)
        metric = self.metric_of(meter)
        chosen = choose(state, self._scope(state, meter, query), metric)
        return groups.by_customer(chosen, np.array(edges, np.int64), metric, meter.decimals)

    def is_additive(self, meter: Meter) -> bool:
        """Whether the meter's figures of parts of a window add up to that of the whole."""
        return self.metric_of(meter).additive

    def each(self, meter: Meter, windows: each.Windows, as_of: int | None = None) -> list[Number | None]:
        """The meter's figure of many customers, each over a window of its own."""
        metric = self.metric_of(meter)
        query = Query(Window(*windows.hull, "UTC"), as_of=as_of)
        state = self._state(query)
        chosen = choose(state, self._scope(state, meter, query), metric)
        return each.figures_of(chosen, metric, meter.decimals, windows)

    def log(
        self,
        meters: Sequence[Meter],
        query: Query,
        *,
        page: int = 1,
        page_size: int = 50,
        order: str = "desc",
        figure: bool = False,
        at: int | None = None,
    ) -> LogPage:
        """One page of raw events of the meters; `figure` asks for the metric over all that match, of one meter only.

        With `at` it is the page, newest first, that has the newest event of that instant or before it.
        """
        state = self._state(query)
        as_of = _covered(query, state)
        scopes = [self._scope(state, meter, query) for meter in meters]
        found = [log.listed(state, scope) for scope in scopes]
        runs = [run for one in found for run in one.runs]
        if at is not None:
            page = log.page_at(runs, at, page_size)
        total, seqs = log.page_of(runs, page, page_size, order)
        usage = None
        if figure and len(meters) == 1 and not query.voided:
            usage = beside.figure(state, scopes[0], self.metric_of(meters[0]), found[0].base)
        return LogPage(
            rows=log.rows_of(self._store, seqs, meters, as_of),
            total=total,
            page=page,
            page_size=page_size,
            usage=usage,
            as_of=as_of,
        )

    def count(self, meters: Sequence[Meter], query: Query) -> int:
        """How many raw events of the meters match: the `total` of `log`, without a page."""
        state = self._state(query)
        scopes = [self._scope(state, meter, query) for meter in meters]
        return sum(len(run) for scope in scopes for run in log.listed(state, scope).runs)

    def every(
        self, meters: Sequence[Meter], query: Query, order: str = "desc"
    ) -> tuple[int, Iterator[tuple[LogRow, ...]]]:
        """The sequence that is covered, and all raw events that match, in order, some at a time.

        Whatever arrives meanwhile is left out. Nothing but the step being read is held, however long the reader
        takes. What cannot be asked is refused here, before the first event.
        """
        state = self._state(query)
        query = replace(query, as_of=_covered(query, state))
        scopes = [self._scope(state, meter, query) for meter in meters]
        for scope in scopes:
            filters.lanes(scope)
        return _covered(query, state), self._steps(scopes, query, order)

    def _steps(self, scopes: Sequence[Scope], query: Query, order: str) -> Iterator[tuple[LogRow, ...]]:
        left, meters = query.window, [scope.meter for scope in scopes]
        while left.start < left.end:
            state = self._state(query)
            step = log.next_step(state, meters, left, order)
            asked = replace(query, window=step)
            # A new state may have new dictionaries, and other positions for the same rows.
            now = [replace(scope, query=asked, coder=state.coder) for scope in scopes]
            for seqs in log.pieces_of([run for scope in now for run in log.listed(state, scope).runs], order):
                yield log.rows_of(self._store, seqs, meters, _covered(query, state))
            left = (
                Window(step.end, left.end, left.zone) if order == "asc" else Window(left.start, step.start, left.zone)
            )

    def customer(self, reference: str) -> Customer:
        """The customer of an id or external id; raises NotFound."""
        found = self._catalog.customer(reference)
        if found is None:
            raise NotFound(f"No customer has the id or external id {show(reference)}.", field="customer_id")
        return found

    def metric_of(self, meter: Meter) -> Metric:
        """The metric that the meter is aggregated by."""
        return self._metrics.get(meter.aggregation_type, field="aggregation_type")

    def _scope(self, state: State, meter: Meter, query: Query) -> Scope:
        customers = tuple(dict.fromkeys(self.customer(reference).pk for reference in query.customers))
        return Scope(query, customers, meter, state.coder)

    def _state(self, query: Query) -> State:
        state = self._live.current()
        if query.as_of is not None and query.as_of > state.seq:
            # Another process may have written it a moment ago.
            state = self._live.refresh()
        if query.as_of is not None and query.as_of > state.seq:
            raise Malformed(
                f"as_of is at most {state.seq}, the newest sequence, but {query.as_of} came.", field="as_of"
            )
        return state


def _edges(window: Window) -> Ints:
    return np.array([window.start, window.end], np.int64)


def _cut(query: Query) -> Cut:
    if query.group_by is None:
        return Cut(_edges(query.window), ())
    found = calendar.buckets(query.window, query.group_by)
    return Cut(found.edges, tuple(found.labels))


def _around(now: int, group: str, zone: str) -> Ints:
    """The edges of the calendar day, week or month that holds `now`: what lies ahead of it is not part of today."""
    start = calendar.bucket_start(now, group, zone)
    return calendar.buckets(Window(start, start + _BEYOND_A_MONTH, zone), group).edges[:2]


def _covered(query: Query, state: State) -> int:
    return state.seq if query.as_of is None else query.as_of


def _share(part: Number | None, whole: Number | None) -> Decimal | None:
    if part is None or not whole:
        return None
    return Decimal(round(Fraction(part) / Fraction(whole) * 10**_SHARE_PLACES)).scaleb(-_SHARE_PLACES)
