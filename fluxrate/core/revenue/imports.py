"""Records of billing from the rows of a file, in their order, some hundred in one transaction.

A row that cannot be a record is reported with its line and reason, and the rest goes in. What is already as a row says
is left alone, so a file may be read again after an interruption, or because it has grown.

A commit to the disk takes longer than all else about a row, so rows share one; but never so many that other writers
would wait for long. Where one of them meets with a change of somebody else, or cannot be written, each of them is
written by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic
from typing import Any, Generic, TypeVar

import msgspec

from fluxrate.core.errors import FluxrateError, Unavailable
from fluxrate.core.rows import Line, Row
from fluxrate.core.store import Names, Store, Undone

ROWS = 250
"""The most rows of a transaction."""
LONGEST = 0.1
"""After so many seconds a transaction takes no further row."""

_OUR_FAULT = 500
"""From this status on a refusal is not about the row: the store is away."""

OUTCOMES = ("created", "changed", "unchanged", "skipped", "rejected")

Sent = TypeVar("Sent")
Say = Callable[[str], None]
"""Told what is worth knowing about a row that goes in all the same."""
Rejected = Callable[[int, str], None]
"""Told the line and the reason of each row that is left out, or what is worth knowing about it."""


@dataclass(frozen=True, slots=True)
class Mirror(Generic[Sent]):
    """How a row becomes a record.

    `read` judges a row by itself, `name` says what it will ask the store for, and `put` makes the record be as it says
    and gives what that came to, one of OUTCOMES. All but `name` raise FluxrateError for a row that cannot be a record.
    """

    read: Callable[[Row], Sent]
    name: Callable[[Sent, Names], None]
    put: Callable[[Store, Sent, Say], str]


@dataclass(slots=True)
class Report:
    """What became of the rows so far; skipped are those that are no record here on purpose."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All rows seen."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """By what became of them."""
        return {name: getattr(self, name) for name in OUTCOMES}

    def add(self, outcome: str) -> None:
        """One row more."""
        setattr(self, outcome, getattr(self, outcome) + 1)


def outcome(made: object, before: object | None) -> str:
    """What an upsert came to that made this of that (None: of nothing)."""
    return "created" if before is None else "unchanged" if made == before else "changed"


def run(store: Store, lines: Iterable[Line], mirror: Mirror[Sent], rejected: Rejected) -> Iterator[Report]:
    """Put in row by row; gives the running report after each transaction.

    Raises Malformed where the rows do, after what came before is in; Unavailable when the store is away.
    """
    report, lines, damage, more = Report(), iter(lines), None, True
    while more and damage is None:
        rows: list[_Read[Sent]] = []
        try:
            rows.extend(_read(line, mirror) for line in islice(lines, ROWS))
            more = len(rows) == ROWS
        except FluxrateError as why:
            damage = why
        while rows:
            done = 0
            for told in _put(store, rows, mirror):
                done += 1
                report.add(told.outcome)
                for remark in told.remarks:
                    rejected(told.line, remark)
            rows = rows[done:]
            yield report
    if damage is not None:
        raise damage


@dataclass(frozen=True, slots=True)
class _Read(Generic[Sent]):
    """What the row of a line says, or why it says nothing."""

    line: int
    sent: Sent | FluxrateError


@dataclass(slots=True)
class _Told:
    """What became of the row of a line, and what is to be said about it."""

    line: int
    outcome: str = "rejected"
    remarks: list[str] = field(default_factory=list)


def _read(line: Line, mirror: Mirror[Sent]) -> _Read[Sent]:
    try:
        return _Read(line.number, line.row if isinstance(line.row, FluxrateError) else mirror.read(line.row))
    except FluxrateError as refused:
        return _Read(line.number, refused)


def _put(store: Store, rows: Sequence[_Read[Sent]], mirror: Mirror[Sent]) -> Iterator[_Told]:
    """What became of the first rows, one at least, once it cannot be lost any more."""
    names = Names()
    for row in rows:
        if not isinstance(row.sent, FluxrateError):
            mirror.name(row.sent, names)
    told: list[_Told] = []
    try:
        with store.together() as (within, ahead):
            ahead(names)
            end = monotonic() + LONGEST
            for row in rows:
                told.append(_one(within, row, mirror))
                if monotonic() > end:
                    break
    except (Undone, Unavailable):
        # Unavailable as well: what was given up for somebody else's sake is written by itself, and else it says so.
        told = []
    yield from told or (_one(store, row, mirror) for row in rows)


def _one(store: Store, row: _Read[Sent], mirror: Mirror[Sent]) -> _Told:
    told = _Told(row.line)
    try:
        if isinstance(row.sent, FluxrateError):
            raise row.sent
        told.outcome = mirror.put(store, row.sent, told.remarks.append)
    except FluxrateError as refused:
        if refused.status >= _OUR_FAULT:
            raise
        told.remarks.append(refused.detail)
    return told


def plain(row: Row) -> dict[str, Any]:
    """The row as plain JSON values; an empty cell is none at all."""
    return {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in row.items()
        if value != ""
    }
