"""What commands that read files share: opening them, and naming the lines that were refused."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import click

from fluxrate.core import rows

_LINES_SHOWN = 1_000


def parameters(formats: Sequence[str] = rows.FORMATS) -> tuple[click.Parameter, ...]:
    """What each of these commands takes: files, as `names`; their format, as `kind`; and `strict`."""
    return (
        click.Argument(["names"], nargs=-1, required=True, metavar="FILE..."),
        click.Option(
            ["--format", "kind"],
            type=click.Choice(formats),
            help="What the files are, where their names do not say.",
        ),
        click.Option(["--strict"], is_flag=True, help="Exit with status 1 if any row was rejected."),
    )


def opened(name: str) -> BinaryIO:
    """The file, or standard input for `-`; wrong usage if it cannot be read."""
    try:
        return sys.stdin.buffer if name == "-" else Path(name).open("rb")
    except OSError as why:
        raise click.UsageError(f"{name} cannot be read: {why.strerror}.") from why


def kind_of(name: str, kind: str | None, formats: Sequence[str]) -> str:
    """What the file is, by what was said or by its name: one of `formats`, else wrong usage."""
    found = kind or rows.format_of(name)
    if found is None or found not in formats:
        raise click.UsageError(f"{name}: say what it is with --format {', '.join(formats)}.")
    return found


class Refusals:
    """Says of each refused line of a file why, on standard error, up to a limit, and then how many more there were."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told = 0

    def __call__(self, line: int, reason: str) -> None:
        """One more."""
        self._told += 1
        if self._told <= _LINES_SHOWN:
            click.echo(f"{self._name}:{line}: {reason}", err=True)

    def end(self) -> None:
        """The file is over."""
        if self._told > _LINES_SHOWN:
            click.echo(f"{self._name}: {self._told - _LINES_SHOWN} more rows were rejected or remarked on.", err=True)
