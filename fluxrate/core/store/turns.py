"""Writers of several processes on one SQLite file take turns.

SQLite lets a writer that finds the file locked sleep longer and longer and try again: beside a process that writes
without a pause it starves until its time is over. Here a writer waits in front of two locks on files beside the
database. Who has the first is next for the second, and gives the first back once it writes; who has just written queues
behind it. A process that dies lets go of both.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fluxrate.core.alone import locked, unlock
from fluxrate.core.errors import Unavailable

_LOOK_SECONDS = 0.0005


class Turns:
    """The turns of one process at one file; its own threads must take theirs one after another before."""

    def __init__(self, file: str, seconds: float) -> None:
        """`seconds` is the longest wait."""
        self._names = (f"{file}-next.lock", f"{file}-writer.lock")
        self._seconds = seconds
        self._handles: tuple[int, int] | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The right to write. Raises Unavailable when the others do not end in time."""
        handles = self._opened()
        if handles is None:
            yield
            return
        following, writer = handles
        deadline = time.monotonic() + self._seconds
        self._wait(following, deadline)
        try:
            self._wait(writer, deadline)
        finally:
            unlock(following)
        try:
            yield
        finally:
            unlock(writer)

    def close(self) -> None:
        """Close the files; the next turn opens them again."""
        for handle in self._handles or ():
            os.close(handle)
        self._handles = None

    def _opened(self) -> tuple[int, int] | None:
        """The files, or None where they cannot be: then SQLite itself says what is wrong with the folder."""
        if self._handles is None:
            opened: list[int] = []
            try:
                opened.extend(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in self._names)
            except OSError:
                for handle in opened:
                    os.close(handle)
                return None
            self._handles = (opened[0], opened[1])
        return self._handles

    def _wait(self, handle: int, deadline: float) -> None:
        # Looked at again and again, not waited for in the system: that wait has no end when the other process hangs.
        while not locked(handle):
            if time.monotonic() > deadline:
                raise Unavailable(f"Other processes kept the database busy for more than {self._seconds:.0f} seconds.")
            time.sleep(_LOOK_SECONDS)
