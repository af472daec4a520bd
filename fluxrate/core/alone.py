"""A right that one process at a time has, kept by a lock on a file: a process that dies lets go of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else, in this process or another on this machine, is inside with the same file; never waits."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield locked(handle)
    finally:
        os.close(handle)


def locked(handle: int) -> bool:
    """Whether the file could be locked; it stays so until the handle is closed."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(handle: int) -> None:
    """Let go of a file that `locked` gave."""
    fcntl.flock(handle, fcntl.LOCK_UN)
