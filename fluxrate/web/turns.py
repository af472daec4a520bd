"""Time limits that hold: what may take too long is made in a thread of its own, and waited for no longer than agreed.

No thread can be ended from outside. So each subject has few places: what is stuck keeps its place until it returns, is
never joined by more of the same than there are places, and takes nothing from other subjects. The threads are daemons:
what is stuck does not hold up the end of the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

AT_ONCE = 4
"""How much of one subject is made at the same time in one process; more waits, within its own time limit."""

Made = TypeVar("Made")


class TooSlow(Exception):
    """The time is over; the work may still be under way, and what comes of it is dropped."""


class Turns:
    """The places of every subject of one application."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._places: dict[str, threading.Semaphore] = {}
        self._lock = threading.Lock()

    def begin(self, subject: str, make: Callable[[], Made], seconds: float) -> Turn[Made]:
        """Start making it if there is a place, without waiting for either; the time runs from now."""
        with self._lock:
            places = self._places.setdefault(subject, threading.Semaphore(self._at_once))
        return Turn(places, make, seconds, subject)


class Turn(Generic[Made]):
    """Something that is being made, or waits for its place."""

    def __init__(self, places: threading.Semaphore, make: Callable[[], Made], seconds: float, subject: str) -> None:
        self._places = places
        self._make = make
        self._subject = subject
        self._until = time.monotonic() + seconds
        self._done = threading.Event()
        self._made: list[Made] = []
        self._error: Exception | None = None
        self._begun = places.acquire(blocking=False)
        if self._begun:
            self._start()

    def result(self) -> Made:
        """What was made, or the error that came instead; raises TooSlow when the time is over."""
        if not self._begun:
            self._begun = self._places.acquire(timeout=self._left())
            if not self._begun:
                raise TooSlow
            self._start()
        if not self._done.wait(self._left()):
            raise TooSlow
        if self._error is not None:
            raise self._error
        return self._made[0]

    def _left(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name=f"panel-{self._subject}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The system has no further thread.
            self._places.release()
            self._error = error
            self._done.set()

    def _run(self) -> None:
        try:
            self._made.append(self._make())
        except Exception as error:  # noqa: BLE001 (it is passed on)
            # Whoever waits gets it; if nobody does any more, it is dropped like what comes too late.
            self._error = error
        finally:
            self._places.release()
            self._done.set()
