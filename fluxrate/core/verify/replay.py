"""Answers to questions from SQL alone: added up by SQL, or event by event in plain Python.

Event by event, an event's bucket comes from its own local time and a window of whole days from its local date, so that
the calendar of the columns is checked, too. Added up by SQL, the edges are those of the columns' answer.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from fluxrate.core.answers import Bucket
from fluxrate.core.model import Meter
from fluxrate.core.query import CUSTOMER, META
from fluxrate.core.store.audit import Audit, Row, Scope
from fluxrate.core.store.schema import LAST
from fluxrate.core.verify import clock
from fluxrate.core.verify.questions import Question
from fluxrate.core.verify.tally import Tally, first_of, summed, texts

DEFAULT_PROPERTY = "user_id"
"""The metadata key that a distinct count falls back to."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARGIN = timedelta(days=2)
_MICROSECOND = timedelta(microseconds=1)
_BUCKETS_SUMMED = 8
"""Buckets of an answer that SQL adds up: each is a pass over the events."""


Parts = tuple[int | str | None, ...]
"""What tells the rows of a breakdown apart: the customer's key, or the text under a metadata key."""


@dataclass(slots=True)
class Facts:
    """What SQL has to say about some events, and about those of each bucket.

    Of `buckets` those without events may be missing; `checked` has the labels that were looked at, None for all.
    """

    total: Tally = field(default_factory=Tally)
    buckets: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    checked: frozenset[str] | None = None

    def add(self, row: Row, value: str | None, label: str | None) -> None:
        """Take in one event, whose bucket has this label."""
        self.total.add(row, value)
        if label is not None:
            self.buckets[label].add(row, value)


@dataclass(frozen=True, slots=True)
class Listed:
    """What SQL has to say about a page of events, some of them voided; `counted` are those of all pages that the
    meter's figure is taken over.
    """

    seqs: list[int]
    voided: set[int]
    total: int
    counted: Tally


class Replay:
    """Answers questions as of a sequence that the store has reached."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def usage(self, question: Question, as_of: int, buckets: Sequence[Bucket]) -> Facts:
        """The events of the window and of its buckets; `buckets` are those of the columns' answer."""
        if question.summed:
            picked = buckets[:: max(1, -(-len(buckets) // _BUCKETS_SUMMED))]
            tallies = {bucket.label: self._summed(question, as_of, bucket.start, bucket.end) for bucket in picked}
            window = question.query.window
            return Facts(self._summed(question, as_of, window.start, window.end), tallies, frozenset(tallies))
        facts = Facts()
        for row, value, _ in self._counting(question, as_of):
            facts.add(row, value, _label(question, row))
        return facts

    def breakdown(self, question: Question, as_of: int) -> list[tuple[Parts | None, Facts]]:
        """The rows of a breakdown: the largest first, up to the limit, and under None what all others come to."""
        totals = self._totals(question, as_of)
        order = sorted(totals, key=lambda parts: _rank(question, parts, totals[parts]))
        told: dict[Parts | None, Facts] = {parts: Facts() for parts in order[: question.query.limit]}
        if len(order) > len(told):
            told[None] = Facts()
        for parts, tally in totals.items():
            told[parts if parts in told else None].total.absorb(tally)
        if question.query.group_by is None:
            return list(told.items())
        # A second pass: buckets are kept of the rows that are told, not of all.
        for row, value, found in self._counting(question, as_of):
            parts = _parts(question, row, found)
            told[parts if parts in told else None].buckets[str(_label(question, row))].add(row, value)
        return list(told.items())

    def _totals(self, question: Question, as_of: int) -> dict[Parts, Tally]:
        """What tells the rows of a breakdown apart, and what each comes to."""
        if question.summed:
            sums = self._audit.sums(_scope(question, question.meter, as_of))
            return {(customer,): summed({customer: found}, None) for customer, found in sums.items()}
        totals: dict[Parts, Tally] = defaultdict(Tally)
        for row, value, found in self._counting(question, as_of):
            totals[_parts(question, row, found)].add(row, value)
        return totals

    def ranking(self, question: Question, as_of: int) -> dict[int, Tally]:
        """The events of each customer who has any, by the customer's key."""
        found: dict[int, Tally] = defaultdict(Tally)
        if question.summed:
            scope = _scope(question, question.meter, as_of)
            for customer, sums in self._audit.sums(scope).items():
                found[customer] = summed({customer: sums}, None)
            return found
        for row, value, _ in self._counting(question, as_of):
            found[row.customer_pk].add(row, value)
        return found

    def log(self, question: Question, as_of: int) -> Listed:
        """The page, and how many events there are on all pages."""
        offset = (question.page - 1) * question.page_size
        if question.summed:
            scope = _scope(question, question.meter, as_of, voided=True)
            total = sum(sums.events for sums in self._audit.sums(scope).values())
            seqs = self._audit.page(scope, question.order, offset, question.page_size)
            counted = self._summed(question, as_of, scope.start, scope.end)
            return Listed(seqs, self._audit.voided(seqs, as_of), total, counted)
        total = 0

        def places() -> Iterator[tuple[int, int]]:
            nonlocal total
            for meter in question.meters:
                for row, _ in self._matching(question, meter, as_of, voided=True):
                    total += 1
                    yield row.timestamp, row.seq

        pick = heapq.nlargest if question.order == "desc" else heapq.nsmallest
        best = pick(offset + question.page_size, places())
        counted = Tally()
        for row, value, _ in self._counting(question, as_of) if len(question.meters) == 1 else ():
            counted.add(row, value)
        seqs = [seq for _, seq in best[offset:]]
        return Listed(seqs, self._audit.voided(seqs, as_of), total, counted)

    def _summed(self, question: Question, as_of: int, start: int, end: int) -> Tally:
        scope = _scope(question, question.meter, as_of, between=(start, end))
        return summed(self._audit.sums(scope), self._audit.latest(scope) if question.metric == "LAST" else None)

    def _counting(self, question: Question, as_of: int) -> Iterator[tuple[Row, str | None, Mapping[str, str]]]:
        """The events that count, each with what a distinct count counts of it, and the texts of its metadata."""
        meter = question.meter
        keys = (meter.property_name, DEFAULT_PROPERTY)
        for row, found in self._matching(question, meter, as_of, voided=False):
            if all(found.get(own.key) in own.values for own in meter.filters):
                yield row, first_of(found, keys), found

    def _matching(
        self, question: Question, meter: Meter, as_of: int, *, voided: bool
    ) -> Iterator[tuple[Row, Mapping[str, str]]]:
        """The events that pass the question's filters, each with the texts of its metadata."""
        query, days, wanted = question.query, question.days, question.reads_metadata
        for row in self._audit.rows(_scope(question, meter, as_of, voided=voided)):
            found = texts(row.metadata) if wanted else {}
            if days is not None and not days[0] <= clock.day(row.timestamp, query.window.zone) <= days[1]:
                continue
            if all(found.get(key) in values for key, values in query.meta):
                yield row, found


def _label(question: Question, row: Row) -> str | None:
    group = question.query.group_by
    return None if group is None else clock.label(row.timestamp, group, question.query.window.zone)


def _parts(question: Question, row: Row, found: Mapping[str, str]) -> Parts:
    return tuple(
        row.customer_pk if dimension == CUSTOMER else found.get(dimension.removeprefix(META))
        for dimension in question.query.breakdown
    )


def _rank(question: Question, parts: Parts, tally: Tally) -> tuple[object, ...]:
    """Largest first, nothing last; equal ones in the order in which customers were created, by text, missing last."""
    figure = tally.figure(question.metric, question.meter.decimals)
    ties = [part if isinstance(part, int) else (part is None, part or "") for part in parts]
    return (figure is None, -(figure or 0), *ties)


def _scope(
    question: Question, meter: Meter, as_of: int, *, between: tuple[int, int] | None = None, voided: bool = False
) -> Scope:
    """What SQL narrows down to; where the window is days, a little more than they can be in any zone."""
    window, days = question.query.window, question.days
    start, end = between or (window.start, window.end)
    if days is not None:
        start, end = _midnight(days[0] - _MARGIN), _midnight(days[1] + timedelta(days=1) + _MARGIN)
    low, high = question.bounds(meter)
    return Scope(
        meter_pk=meter.pk,
        start=start,
        end=end,
        as_of=as_of,
        low=min(low, LAST),
        # A bound beyond 64 bits is beyond every quantity, but no driver takes it.
        high=min(high, LAST) if low <= LAST else -1,
        customers=question.pks,
        voided=voided,
    )


def _midnight(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // _MICROSECOND
