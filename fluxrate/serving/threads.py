"""The threads that answer requests, behind one queue of the standard library's C code: waitress' own takes a condition
and three locks for each task.
"""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol

_LOG = logging.getLogger(__name__)


class Task(Protocol):
    """What waitress hands over: a connection with a request to answer."""

    def service(self) -> None:
        """Answer it."""

    def cancel(self) -> None:
        """Give it up."""


class Threads:
    """So many threads, started at once."""

    def __init__(self, count: int) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"waitress-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def add_task(self, task: Task) -> None:
        """Have one of the threads answer it, in the order of arrival."""
        self._tasks.put(task)

    def shutdown(self, timeout: float) -> None:
        """Give up what waits, and let the threads end when they are through, for so many seconds at most."""
        try:
            while (task := self._tasks.get_nowait()) is not None:
                task.cancel()
        except Empty:
            pass
        for _ in self._threads:
            self._tasks.put(None)
        end = monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task.service()
            except Exception:  # noqa: BLE001 (an edge: one connection must not take a thread along)
                # Waitress answers what an application raises; this is about the connection itself.
                _LOG.exception("a connection failed")
