"""Events from rows of files, in batches, each durable before the next; one is written while the next is read.

A row that cannot be an event is reported with its line and reason, and the rest goes in. Every event has an idempotency
key, so an interrupted import is run again and nothing is counted twice: the named key columns joined, else the column
`idempotency_key`, else one made of the file's name, the line and the row's content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from fluxrate.core import amounts, text
from fluxrate.core.checks import check_property, check_quantity, idempotency_key
from fluxrate.core.drafts import join_key, metadata_text
from fluxrate.core.errors import FluxrateError, Malformed, RuleBroken
from fluxrate.core.ingest import Ingest
from fluxrate.core.model import Meter, NewEvent, Stored
from fluxrate.core.rows import Line, Row

BATCH = 5_000

_OUR_FAULT = 500
"""From this status on a refusal is not about the row: the store is away."""


@dataclass(frozen=True)
class Columns:
    """Which column carries what. `quantity_value` is the same quantity for every row, instead of a column."""

    customer: str = "customer_external_id"
    timestamp: str = "timestamp"
    quantity: str = "quantity"
    quantity_value: str | None = None
    keys: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()

    def check(self, header: Iterable[str]) -> None:
        """Raise Malformed, naming the column, when the file lacks one that was named or is needed."""
        there = set(header)
        needed = [self.customer, *self.keys, *self.meta]
        if self.quantity_value is None and self.quantity != Columns.quantity:
            needed.append(self.quantity)
        if self.timestamp != Columns.timestamp:
            needed.append(self.timestamp)
        for name in needed:
            if name not in there:
                raise Malformed(f"The file has no column {text.show(name)}; it has {', '.join(sorted(there))[:300]}.")


@dataclass(slots=True)
class Report:
    """What became of the rows so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All rows seen."""
        return self.accepted + self.duplicates + self.rejected


Rejected = Callable[[int, str], None]
"""Told the line and the reason of each row that is left out."""


class Importer:
    """Turns the rows of one file into events of one meter."""

    def __init__(self, ingest: Ingest, meter: Meter, columns: Columns, now: int) -> None:
        """Raises RuleBroken for an archived meter, Malformed for a `quantity_value` the meter cannot hold."""
        self._ingest = ingest
        self._meter = meter
        self.columns = columns
        self._now = now
        self._metric = ingest.check_meter(meter)
        self._rules = meter.rules
        self._fixed = self._fixed_quantity()

    def run(self, lines: Iterable[Line], source: str, rejected: Rejected) -> Iterator[Report]:
        """Store row by row in batches; gives the running report after each batch. `source` names the file.

        Raises Malformed where the rows do, after what came before is in; Unavailable when the store is away.
        """
        report, lines = Report(), iter(lines)
        damage: FluxrateError | None = None
        # What is written waits for the disk, or for PostgreSQL, half of its time. The block ends with the last write.
        with ThreadPoolExecutor(1, "import") as writer:
            writing: tuple[Future[list[Stored]], int] | None = None
            while damage is None:
                batch, damage = _next_batch(lines)
                events = [self._event(line, source, rejected) for line in batch]
                if writing is not None:
                    yield _added(report, *writing)
                    writing = None
                if not batch and damage is None:
                    return
                right = [event for event in events if event is not None]
                writing = writer.submit(self._ingest.store, right), len(batch) - len(right)
            if writing is not None:
                yield _added(report, *writing)
        raise damage

    def _event(self, line: Line, source: str, rejected: Rejected) -> NewEvent | None:
        try:
            if isinstance(line.row, FluxrateError):
                raise line.row
            return self._new_event(line.row, line.number, source)
        except FluxrateError as refused:
            if refused.status >= _OUR_FAULT:
                raise
            rejected(line.number, refused.detail)
            return None

    def _new_event(self, row: Row, number: int, source: str) -> NewEvent:
        columns, ingest = self.columns, self._ingest
        customer = _text(row, columns.customer)
        if not customer:
            raise RuleBroken(f"{columns.customer} names the customer, but it is empty.")
        quantity = self._quantity(row) if self._fixed is None else self._fixed
        if not quantity:
            check_quantity(quantity, self._metric)
        meta = self._metadata(row)
        if self._metric.needs_property:
            check_property(meta, self._meter, self._metric)
        # In the order of the record's fields; by name it takes twice as long.
        return NewEvent(
            self._meter.pk,
            ingest.customer_pk(customer),
            customer,
            ingest.timestamp(self._timestamp(row), self._now),
            quantity,
            self._key(row, number, source),
            metadata_text(meta),
            self._rules,
        )

    def _fixed_quantity(self) -> int | None:
        if self.columns.quantity_value is None:
            return None
        return amounts.scale_text(self.columns.quantity_value, self._meter.decimals, field="--quantity-value")

    def _quantity(self, row: Row) -> int:
        name = self.columns.quantity
        value = row.get(name)
        if value is None or value == "":
            if self._metric.counts_things and name not in row:
                return int(10**self._meter.decimals)
            raise RuleBroken(f"{name} carries the quantity, but it is empty.")
        if isinstance(value, str):
            return amounts.scale_text(value, self._meter.decimals, field=name)
        return amounts.scale_json_number(_raw(value), self._meter.decimals, field=name)

    def _timestamp(self, row: Row) -> str | None:
        """The time as sent; None only where the row need not have one. An empty cell is no time, and not now either."""
        name = self.columns.timestamp
        if row.get(name) is not None:
            return _text(row, name)
        if name != Columns.timestamp:
            raise RuleBroken(f"{name} carries the time, but it is empty.")
        return None

    def _metadata(self, row: Row) -> Mapping[str, Any] | None:
        if self.columns.meta:
            cells = [(name, row.get(name)) for name in self.columns.meta]
            return {name: _value(cell) for name, cell in cells if cell is not None and cell != ""}
        # Answers and exports call it meta_data, requests metadata.
        whole = row.get("metadata", row.get("meta_data"))
        if whole is None or whole == "":
            return None
        found = _value(whole) if not isinstance(whole, str) else _json(whole)
        if not isinstance(found, dict):
            raise RuleBroken(f"metadata is a JSON object, but {text.show(found)} came.")
        return found

    def _key(self, row: Row, number: int, source: str) -> str | None:
        if self.columns.keys:
            return idempotency_key(joined_key(row, self.columns.keys))
        own = _text(row, "idempotency_key")
        if own:
            return idempotency_key(own)
        content = repr([(name, "" if value is None else _raw(value)) for name, value in row.items()])
        whole = f"{source}\n{number}\n{content}".encode("utf-8", "surrogatepass")
        return "row:" + hashlib.sha256(whole).hexdigest()[:40]


def joined_key(row: Row, names: Sequence[str]) -> str:
    """One key of several columns, equal only where all of them are. Raises RuleBroken where a row has no key.

    Empty for every row, or missing, it would make all rows but the first duplicates without a word.
    """
    for name in names:
        if name not in row:
            raise RuleBroken(f"{name} is part of the key, but the row does not have it.")
    parts = [_text(row, name) for name in names]
    if not any(parts):
        raise RuleBroken(f"{', '.join(names)} make the key, but nothing is in them.")
    return join_key(parts)


def _added(report: Report, stored: Future[list[Stored]], refused: int) -> Report:
    """The report with one more batch, once it is stored."""
    outcomes = stored.result()
    repeats = sum(item.duplicate for item in outcomes)
    report.duplicates += repeats
    report.accepted += len(outcomes) - repeats
    report.rejected += refused
    return report


def _next_batch(lines: Iterator[Line]) -> tuple[list[Line], FluxrateError | None]:
    """The next rows, and what kept more from coming; the rows before it are not lost."""
    batch: list[Line] = []
    try:
        batch.extend(islice(lines, BATCH))
    except FluxrateError as damage:
        return batch, damage
    return batch, None


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, msgspec.Raw) and bytes(value)[:1] in (b"{", b"[", b"t", b"f"):
        raise RuleBroken(f"{name} is a text or a number, but {text.show(_raw(value))} came.")
    return "" if value is None else _raw(value)


def _raw(value: object) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value)


def _value(value: object) -> Any:
    return _json(_raw(value)) if isinstance(value, msgspec.Raw) else value


def _json(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as why:
        raise RuleBroken(f"metadata is a JSON object, but {text.show(cell)} came.") from why
