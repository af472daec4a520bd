"""Progress of long work: a bar on a terminal, plain lines now and then elsewhere, so that a log stays readable."""

from __future__ import annotations

import os
import stat
import sys
import time
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import click

_SECONDS = 5.0
_CLEAR_LINE = "\r\x1b[2K"


class Counted(Protocol):
    """What knows how many rows there were so far."""

    @property
    def rows(self) -> int:
        """All rows seen."""
        ...


class Progress:
    """How far a file has been read, by bytes of the file itself, so that it is right for gzip too."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name = name
        self._file = file
        self._said = time.monotonic()
        self._bar: Any = None
        size = _size(file)
        if size is not None and sys.stderr.isatty():
            self._bar = click.progressbar(length=size, label=name, file=sys.stderr)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def show(self, report: Counted) -> None:
        """Say where the work is."""
        if self._bar is not None:
            self._bar.update(self._file.tell() - self._bar.pos)
        elif time.monotonic() - self._said > _SECONDS:
            self._said = time.monotonic()
            click.echo(f"{self._name}: {report.rows} rows so far", err=True)


class Steps:
    """How many of so many steps are done; `say` prints a line without spoiling the bar."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._said = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = click.progressbar(length=total, label=what.capitalize(), file=sys.stderr)

    def __enter__(self) -> Steps:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._said > _SECONDS:
            self._said = time.monotonic()
            click.echo(f"{self._done} of {self._total} {self._what} so far", err=True)

    def say(self, line: str) -> None:
        """A line on standard output."""
        if self._bar is not None:
            click.echo(_CLEAR_LINE, err=True, nl=False)
        click.echo(line)


def _size(file: BinaryIO) -> int | None:
    """Bytes of a regular file; None for a pipe."""
    found = os.fstat(file.fileno())
    return found.st_size if stat.S_ISREG(found.st_mode) else None
