"""How a time is taken: the same question several times over, each answer checked, the median kept."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.answers import Answer, check
from bench.contenders import Contender
from bench.questions import Question
from bench.results import Timed

Expected = dict[Question, Answer]
"""Fluxrate's answers, which are asked first."""

VARIANTS = 8
"""A contender is asked each question at most this often, of windows that begin a minute apart."""
PATIENCE = 0.7
"""Seconds after which a question is not asked again."""
OUR_VARIANTS = 40


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that the work took, and what it gave."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def learn(ours: Contender, question: Question, expected: Expected) -> Timed:
    """Ask Fluxrate; its answers to the first variants are what the others are checked against."""
    seconds: list[float] = []
    gc.collect()
    for minutes in range(OUR_VARIANTS):
        if minutes >= VARIANTS and sum(seconds) > PATIENCE:
            break
        variant = question.shifted(minutes)
        spent, found = timed(ours.plan(variant))
        seconds.append(spent)
        if minutes < VARIANTS:
            expected[variant] = ours.answer(variant, found)
    return _median(seconds)


def ask(contender: Contender, question: Question, expected: Expected) -> Timed:
    """Ask a contender; raises Different where an answer is not Fluxrate's."""
    seconds: list[float] = []
    gc.collect()
    for minutes in range(VARIANTS):
        variant = question.shifted(minutes)
        spent, found = timed(contender.plan(variant))
        seconds.append(spent)
        check(contender.name, variant, expected[variant], contender.answer(variant, found))
        if sum(seconds) > PATIENCE:
            break
    return _median(seconds)


def _median(seconds: list[float]) -> Timed:
    return Timed(statistics.median(seconds[1:] or seconds), seconds[0], len(seconds))
