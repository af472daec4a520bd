"""What the columns said beside what SQL said: every place where the two are not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from fluxrate.core import amounts
from fluxrate.core.answers import Bucket, Group, LogPage, Rank, Ranking, Usage
from fluxrate.core.model import Number
from fluxrate.core.verify import clock
from fluxrate.core.verify.questions import Question
from fluxrate.core.verify.replay import Facts, Listed
from fluxrate.core.verify.tally import METRICS, Tally

Key = tuple[tuple[str, str | None], ...]
"""The key of a row of a breakdown, as answers have it."""

_PLACES = 24
"""No figure has more: an average of a meter of 18 decimals."""
_SHARE_PLACES = 6


class Difference(NamedTuple):
    """One place of an answer, named as the API names it, with what either side has there."""

    place: str
    columns: str
    sql: str


def usage(question: Question, answer: Usage, facts: Facts) -> Iterator[Difference]:
    """Where an answer about usage differs from the facts, its breakdown left aside."""
    yield from _number("total_usage", answer.total, facts.total.figure(question.metric, question.meter.decimals))
    yield from _number("event_count", answer.event_count, facts.total.events)
    yield from _number("unique_customers", answer.unique_customers, len(facts.total.customers))
    if question.query.group_by is not None:
        yield from _edges(question, answer)
        yield from _buckets("grouped_data", question, answer.buckets, facts)


def breakdown(question: Question, answer: Usage, known: Sequence[tuple[Key | None, Facts]]) -> Iterator[Difference]:
    """Where the breakdown of an answer differs: its rows in their order, and the figures of each."""
    rows = answer.breakdown or ()
    yield from _text(
        "breakdown", ", ".join(_named(row.key) for row in rows), ", ".join(_named(key) for key, _ in known)
    )
    by_key = dict(known)
    for row in rows:
        if row.key in by_key:
            yield from _group(f"breakdown[{_named(row.key)}]", question, row, by_key[row.key])


def _group(place: str, question: Question, row: Group, facts: Facts) -> Iterator[Difference]:
    figure = facts.total.figure(question.metric, question.meter.decimals)
    yield from _number(f"{place}.usage", row.usage, figure)
    yield from _number(f"{place}.event_count", row.event_count, facts.total.events)
    yield from _number(f"{place}.unique_customers", row.unique_customers, len(facts.total.customers))
    if question.query.group_by is not None:
        yield from _buckets(f"{place}.grouped_data", question, row.buckets, facts)


def _edges(question: Question, answer: Usage) -> Iterator[Difference]:
    """Buckets follow each other, and each holds what is named by its label, from its first instant to its last."""
    query, buckets = question.query, answer.buckets
    group, zone = query.group_by or "", query.window.zone
    if query.fill == "zero":
        ends = [(0, query.window.start), *((bucket.start, bucket.end) for bucket in buckets), (query.window.end, 0)]
        for (_, end), (start, _) in pairwise(ends):
            yield from _text("a bucket's start", clock.shown(start), clock.shown(end))
    for bucket in buckets:
        for instant in (bucket.start, bucket.end - 1):
            yield from _text(
                f"the bucket of {clock.shown(instant)}",
                _offset(bucket.label),
                _offset(clock.label(instant, group, zone)),
            )


def _buckets(place: str, question: Question, buckets: Sequence[Bucket], facts: Facts) -> Iterator[Difference]:
    """Every bucket of either side; a bucket that one side lacks has no events there."""
    told = {_offset(bucket.label): bucket for bucket in buckets}
    known = {_offset(label): tally for label, tally in facts.buckets.items()}
    if len(told) < len(buckets):
        yield Difference(f"{place}, labels", str(len(told)), str(len(buckets)))
    for label in sorted(known.keys() - told.keys()):
        yield Difference(f"{place}[{label}]", "no such bucket", f"{known[label].events} events")
    checked = told if facts.checked is None else map(_offset, facts.checked)
    so_far = Tally()
    for label in checked:
        tally = known.get(label, Tally())
        if question.query.cumulative:
            so_far.absorb(tally)
        if label in told:
            yield from _bucket(f"{place}[{label}]", question, told[label], tally, so_far)


def _bucket(place: str, question: Question, bucket: Bucket, tally: Tally, so_far: Tally) -> Iterator[Difference]:
    decimals = question.meter.decimals
    yield from _number(f"{place}.usage", bucket.usage, tally.figure(question.metric, decimals))
    yield from _number(f"{place}.event_count", bucket.event_count, tally.events)
    if question.query.unique:
        yield from _number(f"{place}.unique_customers", bucket.unique_customers, len(tally.customers))
    if question.query.cumulative:
        yield from _number(f"{place}.cumulative", bucket.cumulative, so_far.figure(question.metric, decimals))


def ranking(question: Question, answer: Ranking, facts: Mapping[int, Tally]) -> Iterator[Difference]:
    """Where a ranking differs: the customers in their order, their figures, and what all come to."""
    decimals, whole = question.meter.decimals, Tally()
    for tally in facts.values():
        whole.absorb(tally)
    total = whole.figure(question.metric, decimals)
    figures = {pk: tally.figure(question.metric, decimals) for pk, tally in facts.items()}
    # Equal ones stand in the order in which they were created, nothing at all comes last.
    order = sorted(figures, key=lambda pk: (figures[pk] is None, -(figures[pk] or 0), pk))[: question.query.limit]
    yield from _number("customers", answer.customers, len(facts))
    yield from _number("total", answer.total, total)
    told = [str(row.customer.pk) for row in answer.rows]
    yield from _text("the customers by key", ", ".join(told), ", ".join(map(str, order)))
    for row in answer.rows:
        if row.customer.pk in facts:
            yield from _rank(row, facts[row.customer.pk].events, figures[row.customer.pk], total)


def _rank(row: Rank, events: int, figure: Fraction | None, total: Fraction | None) -> Iterator[Difference]:
    place = f"data[{row.customer.external_id}]"
    yield from _number(f"{place}.usage", row.usage, figure)
    yield from _number(f"{place}.event_count", row.event_count, events)
    if row.share is not None and figure is not None and total:
        precision = 10**_SHARE_PLACES
        yield from _number(f"{place}.share", row.share, Fraction(round(figure / total * precision), precision))


def log(question: Question, answer: LogPage, listed: Listed) -> Iterator[Difference]:
    """Where a page of events differs."""
    yield from _number("total", answer.total, listed.total)
    told = [_marked(row.event.seq, row.void is not None) for row in answer.rows]
    known = [_marked(seq, seq in listed.voided) for seq in listed.seqs]
    yield from _text("the events by sequence", ", ".join(told), ", ".join(known))
    if len(question.meters) == 1 and question.meter.aggregation_type in METRICS:
        figure = listed.counted.figure(question.metric, question.meter.decimals)
        yield from _number("usage", answer.usage, figure)


def _marked(seq: int, voided: bool) -> str:
    return f"{seq} (voided)" if voided else str(seq)


def _number(place: str, told: Number | None, known: Fraction | int | None) -> Iterator[Difference]:
    if (None if told is None else Fraction(told)) != known:
        yield Difference(place, "null" if told is None else amounts.number_text(told), _written(known))


def _text(place: str, told: str, known: str) -> Iterator[Difference]:
    if told != known:
        yield Difference(place, told or "nothing", known or "nothing")


def _written(figure: Fraction | int | None) -> str:
    return "null" if figure is None else amounts.to_text(int(figure * 10**_PLACES), _PLACES)


def _named(key: Key | None) -> str:
    """A row of a breakdown by its values; "null" is an event's missing value, not a text."""
    return "other" if key is None else " / ".join("null" if value is None else repr(value) for _, value in key)


def _offset(label: str) -> str:
    """A label with its offset in figures: answers write Z where a zone is UTC by any of its names."""
    return f"{label[:-1]}+00:00" if label.endswith("Z") else label
