"""Who takes part: one module for each, all with the same few methods.

A contender holds one copy of the events in order of time, in the form it likes best, with all cores it wants. What is
timed is a plan: everything between a question and its figures in the contender's own tables. Turning those into an
`Answer` is not timed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from bench import sql
from bench.answers import Answer, Row, from_tables
from bench.events import Events
from bench.questions import Question

Plan = Callable[[], Any]


class Contender(ABC):
    """Holds the events and answers questions; made with the events, closed at the end."""

    name: ClassVar[str]
    version: str

    @abstractmethod
    def plan(self, question: Question) -> Plan:
        """What answers the question when called."""

    @abstractmethod
    def answer(self, question: Question, found: Any) -> Answer:
        """The answer that a plan's result means."""

    @abstractmethod
    def add(self, events: Events) -> None:
        """Take in events that have just arrived; on return every question sees them."""

    def close(self) -> None:  # noqa: B027 (most have nothing to do)
        """Let go of what the garbage collector does not."""


class Tables(Contender):
    """A contender whose plans give tables in the shapes of `bench.sql`."""

    def answer(self, question: Question, found: Any) -> Answer:
        """The answer from the tables' rows."""
        return from_tables(question, [self.rows(table) for table in found])

    def rows(self, table: Any) -> Iterable[Row]:
        """A result's rows as integers."""
        rows: Iterable[Row] = table
        return rows


class Sql(Tables):
    """A contender that is asked in SQL."""

    dialect: ClassVar[sql.Dialect] = sql.Dialect()

    @abstractmethod
    def run(self, statement: str) -> Any:
        """A statement's result."""

    def plan(self, question: Question) -> Plan:
        """Run the question's statements."""
        wanted: Sequence[str] = sql.statements(question, self.dialect)
        return lambda: [self.run(statement) for statement in wanted]
