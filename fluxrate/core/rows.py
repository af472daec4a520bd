"""Rows out of files: CSV with a header line, or NDJSON, plain or gzip, each row with the line it stands on.

Reads as a stream, so a file may be larger than memory. A row that cannot be read is given as the reason why.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from fluxrate.core import text
from fluxrate.core.errors import FluxrateError, Malformed

FORMATS = ("csv", "ndjson")

_GZIP = b"\x1f\x8b"
_NAMES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_LONGEST_LINE = 1 << 20

Row = Mapping[str, object]
"""Column to value: a text in CSV; a text or raw JSON of anything else in NDJSON."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Line:
    """One row, or why there is none, and its line in the file (the first is 1)."""

    number: int
    row: Row | FluxrateError


def format_of(name: str) -> str | None:
    """What a file's name says it is."""
    return _NAMES.get(Path(name.removesuffix(".gz")).suffix.lower())


def read(source: BinaryIO, kind: str) -> tuple[list[str] | None, Iterator[Line]]:
    """The header (None where rows name their own columns) and the rows. Raises Malformed for a file without a header."""
    buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, source))
    if buffered.peek(2)[:2] == _GZIP:
        buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)))
    if kind == "ndjson":
        return None, _objects(buffered)
    # Bytes that are no UTF-8 become lone surrogates, which the checks of the row then refuse with its line.
    return _csv(io.TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape", newline=""))


def _csv(file: io.TextIOWrapper) -> tuple[list[str], Iterator[Line]]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader)
    except (StopIteration, csv.Error, gzip.BadGzipFile, EOFError) as why:
        raise Malformed("A CSV file begins with a header line, but there is none.") from why
    if len(set(header)) != len(header):
        raise Malformed("The header of a CSV file names each column once, but one comes twice.")
    return header, _csv_rows(reader, header)


def _csv_rows(reader: Iterator[list[str]], header: list[str]) -> Iterator[Line]:
    width = len(header)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as why:
            yield Line(_line(reader), Malformed(f"The row is no CSV: {why}."))
            continue
        except (gzip.BadGzipFile, EOFError) as why:
            yield Line(_line(reader), Malformed("The gzip file is cut short or damaged from here on."))
            raise Malformed("The gzip file is cut short or damaged.") from why
        if len(cells) == width:
            yield Line(_line(reader), dict(zip(header, cells, strict=True)))
        elif cells:
            yield Line(_line(reader), Malformed(f"The row has {width} cells, as the header, but {len(cells)} came."))


def _line(reader: object) -> int:
    return cast(int, reader.line_num)  # type: ignore[attr-defined]


def _objects(file: io.BufferedReader) -> Iterator[Line]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if line.strip():
            yield Line(number, _object(line))


def _object(line: bytes) -> Row | FluxrateError:
    try:
        found = _OBJECT.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        return Malformed(f"The line is one JSON object, but {text.show(str(why))}.")
    return {key: _plain(bytes(value)) for key, value in found.items()}


def _plain(raw: bytes) -> object:
    if raw[:1] == b'"':
        return msgspec.json.decode(raw)
    return None if raw == b"null" else msgspec.Raw(raw)
