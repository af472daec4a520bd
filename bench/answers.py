"""What an answer is, whoever gave it: integers under names, so that two answers are equal or differ somewhere.

`("window",)` has value, events and, where asked for, distinct customers; `("bucket", number)` the same of one bucket;
`("group", code)` and `("group", code, number)` those of a value of a key; `("rank", place)` customer, value, events;
`("total",)` and `("row", place)` are a page of the log: sequence, time, customer, quantity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.questions import Kind, Question

Row = tuple[int, ...]
Answer = dict[tuple[str | int, ...], Row]

OTHERS = -1
"""The code under which all values beyond the largest are added up."""


class Different(Exception):
    """Two contenders do not agree; the text says on what."""


def check(name: str, question: Question, expected: Answer, found: Answer) -> None:
    """Raise Different with the first place at which an answer is not what Fluxrate's is."""
    for place in sorted(expected.keys() | found.keys(), key=str):
        if expected.get(place) != found.get(place):
            raise Different(
                f"{question.text} (from {question.start}), {' '.join(map(str, place))}: "
                f"Fluxrate has {expected.get(place)}, {name} has {found.get(place)}."
            )


def from_tables(question: Question, tables: Sequence[Iterable[Row]]) -> Answer:
    """The answer that rows of integers make, in the shapes that `bench.sql` selects."""
    rows = list(tables[0])
    if question.kind is Kind.RANKING:
        return {("rank", place): row for place, row in enumerate(rows, 1)}
    if question.kind is Kind.LOG:
        return {("total",): rows[0]} | {("row", place): row for place, row in enumerate(tables[1])}
    if question.kind is Kind.OTHERS:
        return {("group", row[0]): row[1:] for row in rows}
    if question.kind is Kind.BREAKDOWN:
        return _groups(rows)
    window = _whole(question, rows, next(iter(tables[1])) if len(tables) > 1 else ())
    return {("window",): window} | {("bucket", row[0]): row[1:] for row in rows if question.step}


def _groups(rows: Sequence[Row]) -> Answer:
    found: Answer = {}
    for group, bucket, value, events in rows:
        value_so_far, events_so_far = found.get(("group", group), (0, 0))
        found["group", group] = (value_so_far + value, events_so_far + events)
        found["group", group, bucket] = (value, events)
    return found


def _whole(question: Question, rows: Sequence[Row], distinct: Row) -> Row:
    events = sum(row[2] for row in rows)
    if question.metric == "UNIQUE_COUNT":
        return (*(distinct or rows[0][1:2]), events)
    value = (max if question.metric == "MAX" else sum)(row[1] for row in rows)
    return (value, events, *distinct)
