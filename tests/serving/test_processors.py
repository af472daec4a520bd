"""The threads that answer stay on one processor, and nothing else does."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fluxrate.serving import processors
from tests.served import serving

ALL = frozenset(os.sched_getaffinity(0))


def test_each_number_has_a_processor_that_may_be_used():
    """As many as there are get different ones; then they begin again."""
    found = [processors.one_of(number) for number in range(1, 2 * len(ALL) + 1)]
    assert frozenset().union(*found[: len(ALL)]) == ALL
    assert found[len(ALL) :] == found[: len(ALL)]
    assert all(len(own) == 1 for own in found)


def test_a_thread_and_those_it_starts_are_kept():
    """Threads that were there before are not, and the thread itself only for the block."""
    go_on, seen = threading.Event(), []

    def look():
        go_on.wait(20)
        seen.append(frozenset(os.sched_getaffinity(0)))

    before = threading.Thread(target=look)
    before.start()
    own = processors.one_of(1)
    with processors.only(own):
        within = threading.Thread(target=look)
        within.start()
        assert frozenset(os.sched_getaffinity(0)) == own
    assert frozenset(os.sched_getaffinity(0)) == ALL
    go_on.set()
    before.join(20)
    within.join(20)
    assert sorted(seen, key=len) == sorted([own, ALL], key=len)


def test_an_error_lets_the_thread_go():
    with pytest.raises(ZeroDivisionError), processors.only(processors.one_of(1)):
        _ = 1 / 0
    assert frozenset(os.sched_getaffinity(0)) == ALL


def test_where_nobody_can_choose_nothing_is_done(monkeypatch):
    """As on systems without the call."""
    monkeypatch.delattr(os, "sched_getaffinity")
    with processors.only(processors.one_of(1)):
        pass


@pytest.mark.parametrize("one", [True, False])
def test_a_server_keeps_what_answers_on_one_processor(tmp_path, one):
    """Its main thread and as many as THREADS says; the jobs' threads may use every one. Unless it is told not to."""
    with serving(tmp_path, "--threads", "5", "--one-processor", str(one).lower()) as server:
        tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
        allowed = [os.sched_getaffinity(int(task.name)) for task in tasks]
    kept = sum(len(found) == 1 for found in allowed)
    if len(ALL) > 1:
        assert kept == (6 if one else 0)
        assert len(allowed) > kept
