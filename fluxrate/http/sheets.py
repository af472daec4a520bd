"""Tables out: CSV as RFC 4180 has it, exact decimals as plain text, and no cell that a spreadsheet would run.

A text that a spreadsheet takes for a formula is written behind an apostrophe (OWASP ASVS 1.2.10); numbers are ours and
stay as they are. A flag is true or false as in JSON, and what is missing an empty cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from flask import Response

from fluxrate.core.amounts import number_text
from fluxrate.core.model import Number
from fluxrate.http.answers import covers

CSV = "text/csv"
SHEET = {"type": "string"}
"""What the API reference says of a table."""

Cell = str | Number | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, as_of: int | None = None) -> Response:
    """A CSV response with a header row, to be saved under the name (plain ASCII, without its ending)."""
    response = Response(lines([columns, *rows]), content_type=f"{CSV}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return covers(response, as_of)


def long_sheet(name: str, columns: Sequence[str], pieces: Iterable[Iterable[Sequence[Cell]]]) -> Response:
    """As `sheet`, of rows that come some at a time and are written while they are read."""

    def written() -> Iterator[bytes]:
        yield lines([columns]).encode()
        for rows in pieces:
            yield lines(rows).encode()

    response = Response(written(), content_type=f"{CSV}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return covers(response, None)


def lines(rows: Iterable[Sequence[Cell]]) -> str:
    """The rows as lines of a table."""
    out = io.StringIO()
    csv.writer(out).writerows(map(_text, row) for row in rows)
    return out.getvalue()


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return number_text(cell)
