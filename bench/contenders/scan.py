"""A scan in numpy, as one would write it by hand: windows by binary search, figures by a pass over their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.answers import OTHERS, Row
from bench.contenders import Plan, Tables
from bench.events import Events, joined
from bench.questions import PAGE_SIZE, TOP, Kind, Question

Columns = tuple[NDArray[Any], ...]


class Scan(Tables):
    """The arrays themselves."""

    name = "numpy"
    version = np.__version__

    def __init__(self, events: Events) -> None:
        self._events = events

    def plan(self, question: Question) -> Plan:
        """Cut the window, then a pass."""
        make = {
            Kind.USAGE: _usage,
            Kind.RANKING: _ranking,
            Kind.BREAKDOWN: _breakdown,
            Kind.OTHERS: _others,
            Kind.LOG: _log,
        }[question.kind]
        return lambda: make(question, self._cut(question))

    def rows(self, table: Any) -> Iterable[Row]:
        """The columns' rows."""
        return list(zip(*(column.tolist() for column in table), strict=True))

    def add(self, events: Events) -> None:
        """New arrays of both, in order."""
        self._events = joined(self._events, events)

    def _cut(self, question: Question) -> Events:
        first, last = np.searchsorted(self._events.ts, (question.start, question.end))
        cut = self._events.take(slice(first, last))
        masks = []
        if question.customer is not None:
            masks.append(cut.customer == question.customer)
        if question.where:
            masks.append(getattr(cut, question.where[0]) == question.where[1])
        if question.as_of is not None:
            masks.append(cut.seq <= question.as_of)
        if question.min_quantity is not None:
            masks.append(cut.quantity >= question.min_quantity)
        return cut.take(np.logical_and.reduce(masks)) if masks else cut


def _usage(question: Question, cut: Events) -> list[Columns]:
    step = question.step or question.end
    numbers = np.arange(question.start // step, -(-question.end // step))
    bounds = np.searchsorted(cut.ts, numbers * step)
    if not question.step:
        bounds[0] = 0
    counts = np.diff(np.append(bounds, len(cut)))
    filled = counts > 0
    numbers, counts, starts = numbers[filled], counts[filled], bounds[filled]
    asked: list[Columns] = [(numbers, _values(question, cut, starts, counts), counts)]
    if question.distinct == "bucket":
        asked[0] = (*asked[0], _distinct(cut.customer, counts))
    if question.metric == "UNIQUE_COUNT":
        asked.append((_distinct(cut.user, [len(cut)]),))
    elif question.distinct == "window":
        asked.append((_distinct(cut.customer, [len(cut)]),))
    return asked


def _values(question: Question, cut: Events, starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[Any]:
    if question.metric == "UNIQUE_COUNT":
        return _distinct(cut.user, counts)
    merge = np.maximum if question.metric == "MAX" else np.add
    return merge.reduceat(cut.quantity, starts)


def _distinct(codes: NDArray[np.int32], counts: Any) -> NDArray[Any]:
    """How many codes each run of rows has."""
    ends = np.cumsum(counts)
    runs = zip(ends - counts, ends, strict=True)
    return np.array([np.count_nonzero(np.bincount(codes[start:end])) for start, end in runs])


def _sums(groups: NDArray[Any], quantity: NDArray[np.int64]) -> Columns:
    counts = np.bincount(groups)
    sums = np.zeros(len(counts), np.int64)
    # bincount has weights, but adds them up as floats.
    np.add.at(sums, groups, quantity)
    return sums, counts


def _ranking(question: Question, cut: Events) -> list[Columns]:
    sums, counts = _sums(cut.customer, cut.quantity)
    best = np.argsort(-sums, kind="stable")[:TOP]
    return [(best, sums[best], counts[best])]


def _breakdown(question: Question, cut: Events) -> list[Columns]:
    codes, first = getattr(cut, str(question.key)), question.start // question.step
    width = int(codes.max()) + 1
    sums, counts = _sums((cut.ts // question.step - first) * width + codes, cut.quantity)
    places = np.flatnonzero(counts)
    return [(places % width, places // width + first, sums[places], counts[places])]


def _others(question: Question, cut: Events) -> list[Columns]:
    sums, counts = _sums(getattr(cut, str(question.key)), cut.quantity)
    order = np.argsort(-sums, kind="stable")
    best, rest = order[:TOP], order[TOP:]
    figures = (np.append(column[best], column[rest].sum()) for column in (sums, counts))
    return [(np.append(best, OTHERS), *figures)]


def _log(question: Question, cut: Events) -> list[Columns]:
    last = len(cut) - question.offset
    page = cut.take(slice(max(0, last - PAGE_SIZE), last)).take(slice(None, None, -1))
    return [(np.array([len(cut)]),), (page.seq, page.ts, page.customer, page.quantity)]
