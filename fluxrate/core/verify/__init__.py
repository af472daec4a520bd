"""`fluxrate verify`: random questions to the columns and to the SQL store, and every difference between the answers.

The columns are those of this process: loaded from the saved files where they fit, the rest read from the store as it
grows. SQL is read by statements of its own (`store.audit`) and added up by code of its own (`tally`, `clock`). Both
answer as of the same sequence, so it holds while events keep arriving. A question by metadata that is not indexed is
said to be refused; one that the columns fail at is a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fluxrate.core.answers import LogPage, Ranking, Usage
from fluxrate.core.errors import Malformed, NotFound, RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.query import META
from fluxrate.core.services import Services
from fluxrate.core.store.audit import Audit
from fluxrate.core.verify import compare
from fluxrate.core.verify.asking import Asker
from fluxrate.core.verify.compare import Difference
from fluxrate.core.verify.questions import Question
from fluxrate.core.verify.replay import Parts, Replay

__all__ = ["Difference", "Outcome", "counted", "told", "verify"]

_FAULTS = (Malformed, NotFound, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError)
"""What a mistake in the engine may raise: every question is well formed and about something that there is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question; `address` is how the API is asked it, `refused` why the columns would not answer."""

    number: int
    address: str
    differences: tuple[Difference, ...] = ()
    refused: str | None = None


def verify(parts: Services, meters: Sequence[Meter], questions: int, seed: int) -> Iterator[Outcome]:
    """Ask so many questions about the meters, one after another; the columns take in what arrives meanwhile.

    Without meters there is nothing to ask.
    """
    audit = Audit(parts.store.read)
    asker = Asker(parts.store, audit, meters, audit.lives(parts.engine.as_of()), seed)
    checker = _Checker(parts, Replay(audit))
    for number in range(1, questions + 1) if meters else ():
        parts.live.refresh()
        parts.live.fold()
        yield checker.check(number, asker.ask(number, parts.engine.as_of()))


def told(outcome: Outcome) -> Iterator[str]:
    """The lines that tell of a question where something is to be told: its differences, or that it was refused."""
    if outcome.refused is not None:
        yield f"Question {outcome.number}, refused: {outcome.address}"
        yield f"  {outcome.refused}"
    if outcome.differences:
        yield f"Question {outcome.number}, {counted(len(outcome.differences), 'difference')}: {outcome.address}"
    for difference in outcome.differences:
        yield f"  {difference.place}: columns {difference.columns}, SQL {difference.sql}"


def counted(number: int, what: str) -> str:
    """So many of something, in words: "1 meter", "2 meters"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


class _Checker:
    def __init__(self, parts: Services, replay: Replay) -> None:
        self._parts = parts
        self._replay = replay

    def check(self, number: int, question: Question) -> Outcome:
        as_of = self._parts.engine.as_of() if question.query.as_of is None else question.query.as_of
        address = question.address(as_of)
        try:
            answer = self._answer(question)
        except RuleBroken as why:
            return Outcome(number, address, refused=why.detail)
        except _FAULTS as why:
            return Outcome(number, address, (Difference("the answer", f"failed with {why!r}", "there is one"),))
        stale = [] if answer.as_of == as_of else [Difference("as_of", str(answer.as_of), str(as_of))]
        return Outcome(number, address, (*stale, *self._differences(question, answer, as_of)))

    def _answer(self, question: Question) -> Usage | Ranking | LogPage:
        engine, query = self._parts.engine, question.query
        if question.kind == "log":
            return engine.log(
                question.meters,
                query,
                page=question.page,
                page_size=question.page_size,
                order=question.order,
                figure=True,
            )
        if question.kind == "ranking":
            return engine.ranking(question.meter, query, query.limit)
        own = question.metric == question.meter.aggregation_type
        return engine.usage(question.meter, query, None if own else self._parts.registry.metrics.get(question.metric))

    def _differences(self, question: Question, answer: Usage | Ranking | LogPage, as_of: int) -> Iterator[Difference]:
        if isinstance(answer, LogPage):
            return compare.log(question, answer, self._replay.log(question, as_of))
        if isinstance(answer, Ranking):
            return compare.ranking(question, answer, self._replay.ranking(question, as_of))
        return self._usage(question, answer, as_of)

    def _usage(self, question: Question, answer: Usage, as_of: int) -> Iterator[Difference]:
        yield from compare.usage(question, answer, self._replay.usage(question, as_of, answer.buckets))
        if question.query.breakdown:
            known = self._replay.breakdown(question, as_of)
            yield from compare.breakdown(
                question, answer, [(self._key(question, parts), facts) for parts, facts in known]
            )

    def _key(self, question: Question, parts: Parts | None) -> compare.Key | None:
        """The key of a breakdown's row as answers have it, where customers stand by their external ids."""
        if parts is None:
            return None
        pks = [part for part in parts if isinstance(part, int)]
        customers = self._parts.store.customers.by_pks(pks)
        return tuple(
            (dimension.removeprefix(META), customers[part].external_id if isinstance(part, int) else part)
            for dimension, part in zip(question.query.breakdown, parts, strict=True)
        )
