"""Records of billing from the rows of a file, one after another, each durable before the next.

A row that cannot be a record is reported with its line and reason, and the rest goes in. What is already as a row says
is left alone, so a file may be read again after an interruption, or because it has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from fluxrate.core.errors import FluxrateError
from fluxrate.core.rows import Line, Row

_OUR_FAULT = 500
"""From this status on a refusal is not about the row: the store is away."""

OUTCOMES = ("created", "changed", "unchanged", "skipped", "rejected")

Say = Callable[[str], None]
"""Told what is worth knowing about a row that goes in all the same."""
Put = Callable[[Row, Say], str]
"""Makes the record be as its row says, and gives what that came to, one of OUTCOMES."""
Rejected = Callable[[int, str], None]
"""Told the line and the reason of each row that is left out, or what is worth knowing about it."""


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


def run(lines: Iterable[Line], put: Put, rejected: Rejected) -> Iterator[Report]:
    """Put in row by row; gives the running report after each.

    Raises Malformed where the rows do, after what came before is in; Unavailable when the store is away.
    """
    report = Report()
    for line in lines:
        try:
            if isinstance(line.row, FluxrateError):
                raise line.row
            report.add(put(line.row, partial(rejected, line.number)))
        except FluxrateError as refused:
            if refused.status >= _OUR_FAULT:
                raise
            report.rejected += 1
            rejected(line.number, refused.detail)
        yield report


def plain(row: Row) -> dict[str, Any]:
    """The row as plain JSON values; an empty cell is none at all."""
    return {
        name: msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
        for name, value in row.items()
        if value != ""
    }
