"""Rows out of files: CSV with a header line, NDJSON or Parquet, plain or gzip, each row with the line it stands on (in
Parquet its number).

Reads as a stream, so a file may be larger than memory. A row that cannot be read is given as the reason why.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec

from fluxrate.core import parquet, text
from fluxrate.core.errors import FluxrateError, Malformed

FORMATS = ("csv", "ndjson", "parquet")

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_NAMES = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
_LONGEST_LINE = 1 << 20
_DAMAGED = (gzip.BadGzipFile, zlib.error, EOFError)

Row = Mapping[str, object]
"""Column to value: a text in CSV; a text or raw JSON of anything else in NDJSON and Parquet."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Line(msgspec.Struct, frozen=True, gc=False):
    """One row, or why there is none, and the line of the file it begins on (the first is 1)."""

    number: int
    row: Row | FluxrateError


def format_of(name: str) -> str | None:
    """What a file's name says it is."""
    return _NAMES.get(Path(name.removesuffix(".gz")).suffix.lower())


def read(source: BinaryIO, kind: str | None) -> tuple[list[str] | None, Iterator[Line]]:
    """The header (None where rows name their own columns) and the rows. Raises Malformed for a file without a header.

    So do the rows where a gzip file is cut short or damaged; those before have been given by then. Without a `kind` the
    file's first bytes say what it is: Parquet's mark, the brace of an object, else CSV.
    """
    buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, source))
    if buffered.peek(2)[:2] == _GZIP:
        buffered = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=buffered)))
    kind = kind or _kind_in(buffered)
    if kind == "ndjson":
        return None, _objects(buffered)
    if kind == "parquet":
        header, found = parquet.read(_seekable(buffered))
        return header, (Line(number, row) for number, row in enumerate(found, 1))
    # Bytes that are no UTF-8 become lone surrogates, which the checks of the row then refuse with its line.
    return _csv(io.TextIOWrapper(buffered, "utf-8-sig", errors="surrogateescape", newline=""))


def _kind_in(file: io.BufferedReader) -> str:
    try:
        start = file.peek(len(_PARQUET))
    except _DAMAGED as why:
        raise _damaged(1) from why
    if start.startswith(_PARQUET):
        return "parquet"
    return "ndjson" if start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{") else "csv"


def _seekable(file: io.BufferedReader) -> BinaryIO:
    """The file, or a copy on disk of one that can only be read forwards: what Parquet files hold, their end says."""
    if file.seekable() and not isinstance(file.raw, gzip.GzipFile):
        return cast(BinaryIO, file)
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (it is gone with the last who reads it)
    try:
        shutil.copyfileobj(file, copy)
    except _DAMAGED as why:
        raise Malformed("The gzip file is cut short or damaged.") from why
    copy.seek(0)
    return cast(BinaryIO, copy)


def _csv(file: io.TextIOWrapper) -> tuple[list[str], Iterator[Line]]:
    reader = csv.reader(file, strict=True)
    try:
        header = next(reader)
    except (StopIteration, csv.Error) as why:
        raise Malformed("A CSV file begins with a header line, but there is none.") from why
    except _DAMAGED as why:
        raise _damaged(1) from why
    if len(set(header)) != len(header):
        raise Malformed("The header of a CSV file names each column once, but one comes twice.")
    return header, _csv_rows(reader, header)


def _csv_rows(reader: Any, header: list[str]) -> Iterator[Line]:
    width = len(header)
    while True:
        # A quoted cell may run over several lines: the reader's own number is that of the last one.
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as why:
            yield Line(number, Malformed(f"The row is no CSV: {why}."))
            continue
        except _DAMAGED as why:
            raise _damaged(number) from why
        if len(cells) == width:
            yield Line(number, dict(zip(header, cells)))  # noqa: B905 (as wide as the header)
        elif cells:
            yield Line(number, Malformed(f"The row has {width} cells, as the header, but {len(cells)} came."))


def _objects(file: io.BufferedReader) -> Iterator[Line]:
    number = 0
    while line := _next_line(file, number):
        number += 1
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if len(line) > _LONGEST_LINE:
            yield Line(number, Malformed(f"A line has at most {_LONGEST_LINE} bytes, but more came."))
        elif line.strip():
            yield Line(number, _object(line))


def _next_line(file: io.BufferedReader, number: int) -> bytes:
    """The next line; of one that is too long its start, which is still too long."""
    try:
        line = rest = file.readline(_LONGEST_LINE + 1)
        while len(rest) > _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE + 1)
    except _DAMAGED as why:
        raise _damaged(number + 1) from why
    return line


def _damaged(number: int) -> Malformed:
    return Malformed(f"The gzip file is cut short or damaged from line {number} on.")


def _object(line: bytes) -> Row | FluxrateError:
    try:
        # Decoded whole: msgspec passes over the bytes of a raw value without looking whether they are UTF-8.
        found = _OBJECT.decode(line.decode())
        return {key: _plain(bytes(value)) for key, value in found.items()}
    except UnicodeDecodeError:
        return Malformed("The line is one JSON object, but it is not UTF-8.")
    except (msgspec.MsgspecError, RecursionError) as why:
        return Malformed(f"The line is one JSON object, but {text.show(str(why))}.")


def _plain(raw: bytes) -> object:
    if raw[:1] == b'"':
        return msgspec.json.decode(raw)
    return None if raw == b"null" else msgspec.Raw(raw)
