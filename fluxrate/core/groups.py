"""Usage by customer or by metadata: which groups are the largest, what each comes to, and what the others do together.

Groups are ranked over the whole window by their partials; only the largest are cut into buckets and finished. Equal
ones stand in the order their customers were created, or by the text of their values, those without a value last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

import numpy as np

from fluxrate.core import amounts
from fluxrate.core.answers import Bucket, Group
from fluxrate.core.columns import keys
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.keys import Key
from fluxrate.core.columns.selection import Layout, Selection
from fluxrate.core.columns.types import Codes, Ints
from fluxrate.core.errors import RuleBroken
from fluxrate.core.figures import cumulative, figures
from fluxrate.core.filters import metadata_key
from fluxrate.core.metric import Metric
from fluxrate.core.model import Customer, Number
from fluxrate.core.query import CUSTOMER, META, Query
from fluxrate.core.selecting import Chosen
from fluxrate.core.store import Store
from fluxrate.core.text import show

MOST_GROUPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Cut:
    """How an answer is cut: the edges and labels of its buckets (no labels where no grouping was asked for)."""

    edges: Ints
    labels: tuple[str, ...]

    @property
    def whole(self) -> Ints:
        """The window as one bucket."""
        return self.edges[[0, -1]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The largest groups in order, with what each comes to, out of `groups`; and the rows of every group that there is
    a code for, among them perhaps empty ones.
    """

    codes: list[int]
    values: list[Number | None]
    counts: list[int]
    groups: int
    every: tuple[Codes, Layout]


def key_of(dimensions: Sequence[str], coder: Coder) -> Key:
    """The key of "customer" and "meta.KEY". Raises RuleBroken for metadata that is not indexed."""
    names = [None if dimension == CUSTOMER else dimension.removeprefix(META) for dimension in dimensions]
    for name in names:
        if name is not None:
            metadata_key(name, coder)
    return Key(tuple(names))


def rank(chosen: Chosen, key: Key, window: Ints, limit: int, metric: Metric, decimals: int, coder: Coder) -> Ranked:
    """The largest groups of the window. Raises RuleBroken when there are too many to compare."""
    codes, layout = chosen.selection.by_every(key, chosen.index, window)
    if len(codes) > MOST_GROUPS:
        names = " and ".join(CUSTOMER if part is None else show(part) for part in key.parts)
        raise RuleBroken(
            f"A breakdown tells at most {MOST_GROUPS:,} groups apart, but there are {len(codes):,} by {names}.",
            field="breakdown",
        )
    found = figures(metric, layout, decimals)
    best = found.largest(limit)
    some = found.at(best)
    rows = zip(codes[best].tolist(), some.values(), some.counts.tolist(), strict=True)
    ordered = sorted(rows, key=lambda row: _place(row[0], key, coder))
    ordered.sort(key=lambda row: size(row[1]), reverse=True)
    top = ordered[:limit]
    return Ranked(
        [row[0] for row in top],
        [row[1] for row in top],
        [row[2] for row in top],
        int(np.count_nonzero(found.counts)),
        (codes, layout),
    )


def _place(code: int, key: Key, coder: Coder) -> tuple[tuple[bool, int | str], ...]:
    """Where a group stands among equal ones."""
    parts = zip(key.parts, key.split(code), strict=True)
    return tuple((False, own) if part is None else _text_place(part, own, coder) for part, own in parts)


def _text_place(part: str, code: int, coder: Coder) -> tuple[bool, str]:
    text = _text(part, code, coder)
    return text is None, text or ""


def _text(part: str, code: int, coder: Coder) -> str | None:
    try:
        return coder.text(part, code)
    except KeyError:
        # The key was closed while the question was being answered.
        metadata_key(part, coder)
        raise


def size(value: Number | None) -> tuple[bool, Number]:
    """By which figures are ordered: nothing is less than anything."""
    return value is not None, 0 if value is None else value


def breakdown(
    chosen: Chosen, query: Query, cut: Cut, metric: Metric, decimals: int, coder: Coder, store: Store
) -> tuple[Group, ...]:
    """The `limit` largest groups, and the rest as one without a key."""
    key = key_of(query.breakdown, coder)
    ranked = rank(chosen, key, cut.whole, query.limit, metric, decimals, coder)
    rising = _rising(ranked.codes, key)
    every, layout = ranked.every
    mine = layout.some(np.searchsorted(every, rising)) or chosen.selection.by(key, chosen.index, cut.whole, rising)
    customers = dict(zip(rising.tolist(), mine.customers().tolist(), strict=True))
    buckets = _buckets(chosen, key, cut, rising, metric, decimals, query)
    labels = _Labels(key, coder, store, ranked.codes, query.breakdown)
    groups = [
        Group(labels.key(code), labels.customer_id(code), value, count, customers[code], buckets[code])
        for code, value, count in zip(ranked.codes, ranked.values, ranked.counts, strict=True)
    ]
    if ranked.groups > len(groups):
        groups.append(_other(chosen, key, ranked, groups, cut, metric, decimals, query))
    return tuple(groups)


def _rising(codes: Sequence[int], key: Key) -> Codes:
    return np.array(sorted(codes), dtype=np.int64 if len(key.parts) > 1 else np.int32)


def _buckets(
    chosen: Chosen, key: Key, cut: Cut, codes: Codes, metric: Metric, decimals: int, query: Query
) -> dict[int, tuple[Bucket, ...]]:
    """The buckets of each group."""
    if not cut.labels or not len(codes):
        return dict.fromkeys(codes.tolist(), ())
    layout = chosen.selection.by(key, chosen.index, cut.edges, codes)
    found = figures(metric, layout, decimals)
    values = found.values()
    customers = layout.customers().tolist() if query.unique else None
    size_ = len(cut.labels)
    rows = {}
    for place, code in enumerate(codes.tolist()):
        mine = slice(place * size_, (place + 1) * size_)
        running = None
        if query.cumulative:
            own = chosen.selection.by(key, chosen.index, cut.edges, codes[place : place + 1])
            running = cumulative(found.at(np.arange(mine.start, mine.stop)), own)
        unique = None if customers is None else customers[mine]
        rows[code] = buckets_of(cut, values[mine], found.counts[mine].tolist(), unique, running, query)
    return rows


def buckets_of(
    cut: Cut,
    values: Sequence[Number | None],
    counts: Sequence[int],
    customers: Sequence[int] | None,
    running: Sequence[Number | None] | None,
    query: Query,
) -> tuple[Bucket, ...]:
    """The buckets of an answer, without the empty ones when the query leaves them out."""
    edges = cut.edges.tolist()
    columns: list[Iterable[Any]] = [edges[:-1], edges[1:], cut.labels, values, counts]
    if customers is not None or running is not None:
        columns += [repeat(None) if column is None else column for column in (customers, running)]
    # There may be 50,000 of them: `map` makes them without a step of Python's for each.
    buckets = map(Bucket, *columns)
    return tuple(buckets if query.fill == "zero" else compress(buckets, counts))


def by_customer(
    chosen: Chosen, edges: Ints, metric: Metric, decimals: int
) -> list[tuple[int, list[Number | None], list[int]]]:
    """Of every customer with an event between the first edge and the last: their key, and figure and events between
    each two edges.
    """
    codes = chosen.selection.codes(keys.CUSTOMER, chosen.index)
    found = figures(metric, chosen.selection.by(keys.CUSTOMER, chosen.index, edges, codes), decimals)
    values, counts, size_ = found.values(), found.counts.tolist(), len(edges) - 1
    cells = [slice(place * size_, (place + 1) * size_) for place in range(len(codes))]
    return [(code, values[mine], counts[mine]) for code, mine in zip(codes.tolist(), cells, strict=True)]


@dataclass(frozen=True, slots=True)
class OverTime:
    """What all rows of a selection come to: as a whole, and per bucket."""

    total: Number | None
    events: int
    customers: int
    buckets: tuple[Bucket, ...]


def over_time(selection: Selection, cut: Cut, metric: Metric, decimals: int, query: Query) -> OverTime:
    """All rows of a selection, as a whole and in the buckets of the answer."""
    customers = selection.customers()
    if not cut.labels:
        found = figures(metric, selection.together(), decimals)
        return OverTime(found.values()[0], int(found.counts[0]), customers, ())
    layout = selection.by_time(cut.edges)
    found = figures(metric, layout, decimals)
    if metric.combine is None:
        values, total = found.values(), figures(metric, selection.together(), decimals).values()[0]
    else:
        values, total = found.with_total()
    each = layout.customers().tolist() if query.unique else None
    running = cumulative(found, layout) if query.cumulative else None
    counts = found.counts.tolist()
    return OverTime(total, sum(counts), customers, buckets_of(cut, values, counts, each, running, query))


def total_of(selection: Selection, window: Ints, metric: Metric, decimals: int) -> Number | None:
    """The figure of the rows of a window."""
    return figures(metric, selection.by_time(window), decimals).values()[0]


def _other(
    chosen: Chosen,
    key: Key,
    ranked: Ranked,
    told: Sequence[Group],
    cut: Cut,
    metric: Metric,
    decimals: int,
    query: Query,
) -> Group:
    """The rows of all groups but those told apart, as one."""
    codes = _rising(ranked.codes, key)
    if not metric.additive or query.unique or query.cumulative:
        rest = over_time(chosen.selection.without(key, codes), cut, metric, decimals, query)
        return Group(None, None, rest.total, rest.events, rest.customers, rest.buckets)
    # What adds up is what the told groups leave of the whole: only the customers have to be looked for.
    every = figures(metric, chosen.selection.by_time(cut.whole), decimals)
    value, count = every.values()[0], int(every.counts[0])
    if key == keys.CUSTOMER:
        customers = ranked.groups - len(told)
    else:
        customers = chosen.selection.customers_without(key, chosen.index, codes)
    left = (_less(value, [group.usage for group in told]), count - sum(group.event_count for group in told))
    if not cut.labels:
        return Group(None, None, *left, customers, ())
    found = figures(metric, chosen.selection.by_time(cut.edges), decimals)
    lost: dict[str, list[Bucket]] = {label: [] for label in cut.labels}
    for group in told:
        for bucket in group.buckets:
            lost[bucket.label].append(bucket)
    values = [
        _less(value, [bucket.usage for bucket in lost[label]])
        for label, value in zip(cut.labels, found.values(), strict=True)
    ]
    counts = [
        count - sum(bucket.event_count for bucket in lost[label])
        for label, count in zip(cut.labels, found.counts.tolist(), strict=True)
    ]
    return Group(None, None, *left, customers, buckets_of(cut, values, counts, None, None, query))


def _less(whole_: Number | None, parts: Sequence[Number | None]) -> Number | None:
    """Figures that add up, taken from their sum."""
    return None if whole_ is None else amounts.minus(whole_, [part for part in parts if part is not None])


class _Labels:
    """What the codes of some groups stand for."""

    def __init__(self, key: Key, coder: Coder, store: Store, codes: Sequence[int], dimensions: Sequence[str]) -> None:
        self._key = key
        self._coder = coder
        self._names = [dimension.removeprefix(META) for dimension in dimensions]
        self._customers: dict[int, Customer] = {}
        if None in key.parts:
            place = key.parts.index(None)
            self._customers = store.customers.by_pks([key.split(code)[place] for code in codes])

    def key(self, code: int) -> tuple[tuple[str, str | None], ...]:
        """The group's value under each dimension."""
        own = self._key.split(code)
        parts = zip(self._names, self._key.parts, own, strict=True)
        return tuple((name, self._value(part, mine)) for name, part, mine in parts)

    def _value(self, part: str | None, code: int) -> str | None:
        return self._customers[code].external_id if part is None else _text(part, code, self._coder)

    def customer_id(self, code: int) -> str | None:
        """The public id of the group's customer, if groups have one."""
        if None not in self._key.parts:
            return None
        return self._customers[self._key.split(code)[self._key.parts.index(None)]].id
