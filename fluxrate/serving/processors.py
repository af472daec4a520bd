"""Which processor the threads that answer run on.

They share one interpreter, which runs one of them at a time. Spread over several processors it moves with every
hand-over from one thread to the next, and that costs more than the other processors give: on two, half as many posts a
second took twice the time of both. Kept on one they lose nothing but what numpy and the database do without the
interpreter; background jobs have the others, and so have further workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def one_of(number: int) -> frozenset[int]:
    """A processor that this process may use, another one for every number from 1 on; none where nobody can choose."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    allowed = sorted(os.sched_getaffinity(0))
    return frozenset((allowed[-number % len(allowed)],))


@contextmanager
def only(processors: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and those that it starts meanwhile, on some processors; on any where there are none."""
    if not processors:
        yield
        return
    # Of the thread alone, although it is called the process's.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
