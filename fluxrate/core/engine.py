"""Answers about usage from the columns: windows, totals, buckets, rankings and the event log.

Every answer is taken from one immutable state, so its figures agree with each other, and says which sequence it covers.
Nothing here loops over events; Python loops run over buckets, customers of an answer, or rows of one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import reduce

import numpy as np

from fluxrate.core import calendar, filters
from fluxrate.core.answers import Bucket, LogPage, LogRow, Rank, Ranking, Stats, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.columns import paging
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import Frame, merge
from fluxrate.core.columns.grouped import by_customer
from fluxrate.core.columns.snapshot import State
from fluxrate.core.columns.stretch import Stretch
from fluxrate.core.columns.types import Ints
from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.live import LiveColumns, properties
from fluxrate.core.metric import Metric, Rows
from fluxrate.core.model import Customer, Meter, Number
from fluxrate.core.query import Query
from fluxrate.core.registry import Metrics
from fluxrate.core.store import Store
from fluxrate.core.text import show

Part = Frame | Stretch
"""Rows that a metric reads: scanned, or answered by an index."""

_SHARE_PLACES = 6
_EVER = 1 << 62
_BEYOND_A_MONTH = 32 * 24 * 3_600_000_000
_ALWAYS = np.array([-_EVER, _EVER], np.int64)


class Engine:
    """The one door to figures; made once per application."""

    def __init__(self, store: Store, live: LiveColumns, metrics: Metrics) -> None:
        self._store = store
        self._live = live
        self._metrics = metrics

    def as_of(self) -> int:
        """The ingest sequence that an answer given now would cover."""
        return self._live.current().seq

    def usage(self, meter: Meter, query: Query, metric: Metric | None = None) -> Usage:
        """The metric (the meter's own unless named) over the window and per bucket. Raises NotFound for a customer."""
        metric = metric or self._metric_of(meter)
        state = self._state(query)
        parts = self._parts(state, meter, query, self._customer_pks(query), metric)
        edges, labels = self._buckets(query)
        values, events = self._per_bucket(parts, edges, meter, metric)
        totals, all_events = self._per_bucket(parts, edges[[0, -1]], meter, metric)
        buckets = map(Bucket, edges[:-1].tolist(), edges[1:].tolist(), labels, values, events)
        return Usage(
            meter=meter,
            metric=metric.name,
            window=query.window,
            total=totals[0],
            event_count=all_events[0],
            unique_customers=_distinct_customers(parts),
            buckets=tuple(bucket for bucket in buckets if bucket.event_count or query.fill == "zero"),
            as_of=_covered(query, state),
        )

    def stats(self, meter: Meter, zone: str, now: int, as_of: int | None = None) -> Stats:
        """A meter's whole life, and its figures for the calendar day, week and month of `now` in the zone."""
        query = Query(Window(-_EVER, _EVER, zone), as_of=as_of)
        state = self._state(query)
        metric = self._metric_of(meter)
        parts = self._parts(state, meter, query, (), metric)
        since = {}
        for group in ("day", "week", "month"):
            since[group] = self._per_bucket(parts, _around(now, group, zone), meter, metric)[0][0]
        return Stats(
            meter=meter,
            total_events=sum(map(len, parts)),
            unique_customers=_distinct_customers(parts),
            first_event=min((int(_rows(part).ts[0]) for part in parts), default=None),
            last_event=max((int(_rows(part).ts[-1]) for part in parts), default=None),
            today=since["day"],
            week=since["week"],
            month=since["month"],
            as_of=_covered(query, state),
        )

    def ranking(self, meter: Meter, query: Query, limit: int) -> Ranking:
        """Customers of the window by usage, largest first; equal ones in the order they were created."""
        metric = self._metric_of(meter)
        state = self._state(query)
        parts = self._parts(state, meter, query, self._customer_pks(query), metric)
        if metric.needs_property:
            parts = [_rows(part) for part in parts]
        customers, grouped = by_customer(parts)
        values, events = self._figures(grouped, len(customers), meter, metric)
        total = self._per_bucket(parts, _ALWAYS, meter, metric)[0][0]
        best = sorted(range(len(values)), key=lambda place: _size(values[place]), reverse=True)[:limit]
        found = self._store.customers.by_pks([int(customers[place]) for place in best])
        return Ranking(
            meter=meter,
            window=query.window,
            rows=tuple(
                Rank(
                    position,
                    found[int(customers[place])],
                    values[place],
                    events[place],
                    _share(values[place], total) if metric.additive else None,
                )
                for position, place in enumerate(best, 1)
            ),
            customers=len(values),
            total=total,
            as_of=_covered(query, state),
        )

    def log(
        self, meters: Sequence[Meter], query: Query, *, page: int = 1, page_size: int = 50, order: str = "desc"
    ) -> LogPage:
        """One page of raw events of the meters; only the rows of the page are read from the store, by key."""
        state = self._state(query)
        pks = self._customer_pks(query)
        runs = [run for meter in meters for run in self._runs(state, meter, query, pks)]
        total = sum(map(len, runs))
        offset = (page - 1) * page_size
        if order == "asc":
            seqs = paging.page(runs, max(0, total - offset - page_size), min(page_size, max(0, total - offset)))[::-1]
        else:
            seqs = paging.page(runs, offset, page_size)
        return LogPage(
            rows=self._log_rows(seqs, meters),
            total=total,
            page=page,
            page_size=page_size,
            usage=self._whole(state.coder, meters[0], runs) if len(meters) == 1 else None,
            as_of=_covered(query, state),
        )

    def _metric_of(self, meter: Meter) -> Metric:
        return self._metrics.get(meter.aggregation_type, field="aggregation_type")

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

    def _customer_pks(self, query: Query) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.customer(reference).pk for reference in query.customers))

    def customer(self, reference: str) -> Customer:
        """The customer of an id or external id; raises NotFound."""
        # PostgreSQL takes no NUL, not even in a question.
        found = self._store.customers.find(reference) if "\0" not in reference else None
        if found is None:
            raise NotFound(f"No customer has the id or external id {show(reference)}.", field="customer_id")
        return found

    def _runs(self, state: State, meter: Meter, query: Query, pks: tuple[int, ...]) -> list[Frame]:
        """The rows that pass the query's filters, as sorted frames, oldest arrivals first."""
        snapshot, window = state.snapshot(meter.pk), query.window
        scope = filters.Scope(query, pks, meter, state.coder)
        runs = [filters.narrow(snapshot.tail.window(window.start, window.end), scope)]
        base = snapshot.stretch(window.start, window.end)
        if pks:
            # The index knows the customers' rows: the other filters look at those alone.
            rows = base.index.customers.rows_of(pks, base.first, base.last)
            runs.insert(0, filters.narrow(base.index.frame.take(rows), replace(scope, customer_pks=())))
        else:
            runs.insert(0, filters.narrow(base.frame(), scope))
        return [run for run in runs if len(run)]

    def _parts(self, state: State, meter: Meter, query: Query, pks: tuple[int, ...], metric: Metric) -> list[Part]:
        """The rows that count, from the index where no filter looks at rows one by one."""
        snapshot, window = state.snapshot(meter.pk), query.window
        tail = snapshot.tail.window(window.start, window.end)
        all_at_once = metric.combine is None and len(tail) > 0
        if all_at_once or meter.filters or filters.looks_at_rows(query, snapshot.index.newest):
            return self._counting(state.coder, self._runs(state, meter, query, pks), meter, metric)
        base = snapshot.stretch(window.start, window.end)
        if metric.needs_property:
            keys = properties(meter)
            base = base.counting(keys, state.coder.counted([snapshot.base], keys)[0])
        tail = filters.narrow(tail, filters.Scope(query, pks, meter, state.coder))
        return [part for part in (base, *self._counting(state.coder, [tail], meter, metric)) if len(part)]

    def _counting(self, coder: Coder, runs: list[Frame], meter: Meter, metric: Metric) -> list[Part]:
        """The rows that count: past the meter's own filters, and merged where the metric needs all at once."""
        masks = [filters.meter_mask(run, meter, coder) for run in runs]
        runs = [run if mask is None else run.take(mask) for run, mask in zip(runs, masks, strict=True)]
        if metric.needs_property:
            codes = coder.counted(runs, properties(meter))
            runs = [run.with_property(mine) for run, mine in zip(runs, codes, strict=True)]
        runs = [run for run in runs if len(run)]
        return [merge(runs)] if metric.combine is None and len(runs) > 1 else [*runs]

    def _buckets(self, query: Query) -> tuple[Ints, tuple[str, ...]]:
        if query.group_by is None:
            return np.array([query.window.start, query.window.end], np.int64), ()
        found = calendar.buckets(query.window, query.group_by)
        return found.edges, found.labels

    def _whole(self, coder: Coder, meter: Meter, runs: list[Frame]) -> Number | None:
        metric = self._metric_of(meter)
        return self._per_bucket(self._counting(coder, runs, meter, metric), _ALWAYS, meter, metric)[0][0]

    def _per_bucket(
        self, parts: Sequence[Part], edges: Ints, meter: Meter, metric: Metric
    ) -> tuple[list[Number | None], list[int]]:
        """Exact figure and number of events per bucket of time."""
        return self._figures([(part, part.bounds(edges)) for part in parts], len(edges) - 1, meter, metric)

    def _figures(
        self, parts: Sequence[tuple[Rows, Ints]], buckets: int, meter: Meter, metric: Metric
    ) -> tuple[list[Number | None], list[int]]:
        """The metric over rows cut by bounds, the parts' partials combined; and the number of events per bucket."""
        if not parts:
            return [metric.empty] * buckets, [0] * buckets
        events = sum(np.diff(bounds) for _, bounds in parts).tolist()  # type: ignore[union-attr]
        partials = [metric.partial(rows, bounds) for rows, bounds in parts]
        partial = partials[0] if metric.combine is None else reduce(metric.combine, partials)
        return metric.finish(partial, events, meter.decimals), events

    def _log_rows(self, seqs: Ints, meters: Sequence[Meter]) -> tuple[LogRow, ...]:
        by_pk = {meter.pk: meter for meter in meters}
        events = self._store.events.by_seqs(seqs.tolist())
        customers = self._store.customers.by_pks(list({event.customer_pk for event in events.values()}))
        ordered = (events[seq] for seq in seqs.tolist())
        return tuple(LogRow(event, by_pk[event.meter_pk], customers[event.customer_pk]) for event in ordered)


def _around(now: int, group: str, zone: str) -> Ints:
    """The edges of the calendar day, week or month that holds `now`: what lies ahead of it is not part of today."""
    start = calendar.bucket_start(now, group, zone)
    return calendar.buckets(Window(start, start + _BEYOND_A_MONTH, zone), group).edges[:2]


def _covered(query: Query, state: State) -> int:
    return state.seq if query.as_of is None else query.as_of


def _rows(part: Part) -> Frame:
    return part if isinstance(part, Frame) else part.frame()


def _distinct_customers(parts: Sequence[Part]) -> int:
    """How many customers have a row in any of the parts, of which at most the first is large."""
    if not parts:
        return 0
    first, *others = parts
    if not others:
        return first.distinct_customers()
    more = np.unique(np.concatenate([_rows(part).customer for part in others]))
    if isinstance(first, Frame):
        return int(np.count_nonzero(np.bincount(np.concatenate([first.customer, more]))))
    return first.distinct_customers() + first.lacking(more)


def _size(value: Number | None) -> tuple[bool, Number]:
    return (value is not None, 0 if value is None else value)


def _share(part: Number | None, whole: Number | None) -> Decimal | None:
    if part is None or not whole:
        return None
    return Decimal(round(Fraction(part) / Fraction(whole) * 10**_SHARE_PLACES)).scaleb(-_SHARE_PLACES)
