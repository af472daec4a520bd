"""Parquet files, by pyarrow where it is installed (`fluxrate[parquet]`): rows in, raw events out, some at a time.

Exact on both ways: a quantity is a decimal and never a float, a time is UTC microseconds. Raises Malformed for a file
that cannot be read, and ConfigError where there is no pyarrow.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any, BinaryIO

import msgspec

from fluxrate.core import amounts
from fluxrate.core.answers import LOG_COLUMNS, LogRow
from fluxrate.core.errors import ConfigError, Malformed
from fluxrate.core.instants import rfc3339
from fluxrate.core.model import Meter

GROUP_ROWS = 65_536
GROUP_BYTES = 32 * 1024 * 1024
"""What is written is kept back until it is one or the other: a row group, which readers read as a whole."""

_READ_ROWS = 5_000
_DIGITS = 38
_REASON_LENGTH = 200
_Cells = Callable[[Any], Sequence[object]]


def read(file: BinaryIO) -> tuple[list[str], Iterator[Mapping[str, object]]]:
    """The columns that can be part of an event, and the rows: each value a text, or raw JSON of anything else.

    Columns of other types, such as times of a day, are left out.
    """
    arrow, parquet = _arrow()
    unreadable = (arrow.ArrowException, OSError)
    try:
        opened = parquet.ParquetFile(file)
        schema = opened.schema_arrow
    except unreadable as why:
        raise Malformed(f"The file is no Parquet file: {_said(why)}.") from why
    if len(set(schema.names)) != len(schema.names):
        raise Malformed("A Parquet file names each column once, but one comes twice.")
    found = {field.name: _cells(arrow, field.type) for field in schema}
    cells = {name: read_cells for name, read_cells in found.items() if read_cells is not None}

    def rows() -> Iterator[Mapping[str, object]]:
        try:
            for batch in opened.iter_batches(_READ_ROWS, columns=list(cells)):
                columns = [read_cells(batch.column(name)) for name, read_cells in cells.items()]
                for values in zip(*columns, strict=True):
                    yield dict(zip(cells, values, strict=True))
        except unreadable as why:
            raise Malformed(f"The Parquet file is damaged: {_said(why)}.") from why

    return list(cells), rows()


def written(pieces: Iterable[Sequence[LogRow]], meters: Sequence[Meter]) -> Iterator[bytes]:
    """The events as the bytes of one file, some at a time; the columns are those of the CSV file.

    `quantity` has as many places as the most exact of the meters.
    """
    arrow, parquet = _arrow()
    schema = _schema(arrow, max(meter.decimals for meter in meters))
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        waiting: list[Any] = []
        for rows in pieces:
            columns = zip(*map(_values, rows), strict=True)
            waiting.append(arrow.record_batch([list(column) for column in columns], schema=schema))
            if sum(map(len, waiting)) >= GROUP_ROWS or sum(one.nbytes for one in waiting) >= GROUP_BYTES:
                writer.write_table(arrow.Table.from_batches(waiting))
                waiting = []
                yield sink.taken()
        if waiting:
            writer.write_table(arrow.Table.from_batches(waiting))
    yield sink.taken()


def _arrow() -> tuple[Any, Any]:
    try:
        # Here and not above: it takes half a second, and only who works with such files has it at all.
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as why:
        raise ConfigError("Parquet files need pyarrow; install it with `pip install 'fluxrate[parquet]'`.") from why


def _said(why: BaseException) -> str:
    return str(why).partition("\n")[0].rstrip(".")[:_REASON_LENGTH]


def _cells(arrow: Any, kind: Any) -> _Cells | None:
    """How the values of a column of this type are read; None for a type that no part of an event has."""
    types = arrow.types
    if types.is_dictionary(kind):
        inner = _cells(arrow, kind.value_type)
        return None if inner is None else lambda column: inner(column.dictionary_decode())
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return lambda column: _texts(arrow, column)
    if types.is_timestamp(kind):
        return lambda column: _times(arrow, column)
    for name, one in _PLAIN.items():
        if getattr(types, name)(kind):
            return partial(_each, one)
    return None


def _each(one: Callable[[Any], object], column: Any) -> list[object]:
    return [None if value is None else one(value) for value in column.to_pylist()]


def _texts(arrow: Any, column: Any) -> list[object]:
    try:
        found: list[object] = column.to_pylist()
    except UnicodeDecodeError:
        # As in a CSV file: lone surrogates, which the checks of the row refuse.
        kept = column.cast(arrow.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in kept]
    return found


def _times(arrow: Any, column: Any) -> list[object]:
    """Without a zone they are UTC; what is finer than a microsecond is cut off, as it is in text."""
    safe = column.type.unit != "ns"
    instants = column.cast(arrow.timestamp("us", column.type.tz), safe=safe).cast(arrow.int64()).to_pylist()
    return [None if instant is None else _time(instant) for instant in instants]


def _time(instant: int) -> str:
    try:
        return rfc3339(instant)
    except OverflowError:
        return f"{instant} microseconds"


def _json(value: object) -> bytes:
    """A field of a struct that is null is one that is not there."""
    kept = {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value
    return msgspec.json.encode(kept)


_PLAIN: Mapping[str, Callable[[Any], object]] = {
    "is_boolean": lambda value: msgspec.Raw(b"true" if value else b"false"),
    "is_integer": lambda value: msgspec.Raw(str(value).encode()),
    "is_floating": lambda value: msgspec.Raw(repr(value).encode()),
    "is_decimal": lambda value: format(value, "f"),
    "is_date": lambda value: value.isoformat(),
    "is_nested": lambda value: msgspec.Raw(_json(value)),
    "is_null": lambda value: value,
}
"""How one value is written, by what pyarrow says of its type."""


def _schema(arrow: Any, decimals: int) -> Any:
    text, time = arrow.string(), arrow.timestamp("us", "UTC")
    quantity = arrow.decimal128(_DIGITS, decimals)
    types = {"timestamp": time, "ingested_at": time, "quantity": quantity, "voided": arrow.bool_(), "voided_at": time}
    return arrow.schema([(name, types.get(name, text)) for name in LOG_COLUMNS])


def _values(row: LogRow) -> tuple[object, ...]:
    event, meter, customer, void = row.event, row.meter, row.customer, row.void
    return (
        event.id,
        event.timestamp,
        event.ingested_at,
        meter.meter_name,
        customer.external_id,
        customer.name,
        Decimal(amounts.to_text(event.quantity, meter.decimals)),
        meter.unit,
        event.idempotency_key,
        void is not None,
        None if void is None else void.voided_at,
        None if void is None else void.actor,
        None if void is None else void.reason,
        event.metadata or "{}",
    )


class _Sink(io.RawIOBase):
    """A file that is written forwards and given away as it grows."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        kept = bytes(data)
        self._parts.append(kept)
        self._length += len(kept)
        return len(kept)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        """What was written since the last time."""
        whole = b"".join(self._parts)
        self._parts = []
        return whole
