"""Events from rows of files, in batches, each durable before the next.

A row that cannot be an event is reported with its line and reason, and the rest goes in. Every event has an idempotency
key, so an interrupted import is run again and nothing is counted twice: the named key columns joined, else the column
`idempotency_key`, else one made of the file's name, the line and the row's content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from fluxrate.core import amounts, text
from fluxrate.core.drafts import metadata_text
from fluxrate.core.errors import FluxrateError, Malformed, RuleBroken
from fluxrate.core.ingest import Ingest, check_property, check_quantity, idempotency_key
from fluxrate.core.model import Meter, NewEvent
from fluxrate.core.rows import Line, Row

BATCH = 5_000
KEY_SEPARATOR = "|"


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
        self._fixed = self._fixed_quantity()

    def run(self, lines: Iterable[Line], source: str, rejected: Rejected) -> Iterator[Report]:
        """Store row by row in batches; gives the running report after each batch. `source` names the file."""
        report = Report()
        lines = iter(lines)
        while batch := list(islice(lines, BATCH)):
            events = [event for event in (self._event(line, source, report, rejected) for line in batch) if event]
            stored = self._ingest.store(events, self._now)
            repeats = sum(item.duplicate for item in stored)
            report.duplicates += repeats
            report.accepted += len(stored) - repeats
            yield report

    def _event(self, line: Line, source: str, report: Report, rejected: Rejected) -> NewEvent | None:
        try:
            if isinstance(line.row, FluxrateError):
                raise line.row
            return self._new_event(line.row, line.number, source)
        except FluxrateError as refused:
            report.rejected += 1
            rejected(line.number, refused.detail)
            return None

    def _new_event(self, row: Row, number: int, source: str) -> NewEvent:
        columns, ingest = self.columns, self._ingest
        customer = _text(row, columns.customer)
        if not customer:
            raise RuleBroken(f"{columns.customer} names the customer, but it is empty.")
        quantity = self._quantity(row) if self._fixed is None else self._fixed
        check_quantity(quantity, self._metric)
        meta = self._metadata(row)
        check_property(meta, self._meter, self._metric)
        return NewEvent(
            meter_pk=self._meter.pk,
            customer_pk=ingest.customer_pk(customer),
            customer_external_id=customer,
            timestamp=ingest.timestamp(_text(row, columns.timestamp) or None, self._now),
            quantity=quantity,
            idempotency_key=self._key(row, number, source),
            metadata=metadata_text(meta),
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

    def _metadata(self, row: Row) -> Mapping[str, Any] | None:
        if self.columns.meta:
            return {name: _value(row[name]) for name in self.columns.meta if row.get(name) not in (None, "")}
        whole = row.get("metadata")
        if whole is None or whole == "":
            return None
        found = _value(whole) if not isinstance(whole, str) else _json(whole)
        if not isinstance(found, dict):
            raise RuleBroken(f"metadata is a JSON object, but {text.show(found)} came.")
        return found

    def _key(self, row: Row, number: int, source: str) -> str | None:
        if self.columns.keys:
            return idempotency_key(KEY_SEPARATOR.join(_escaped(_text(row, name)) for name in self.columns.keys))
        own = _text(row, "idempotency_key")
        if own:
            return idempotency_key(own)
        content = repr([(name, _text(row, name)) for name in row])
        return "row:" + hashlib.sha256(f"{source}\n{number}\n{content}".encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else "" if value is None else _raw(value)


def _raw(value: object) -> str:
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else str(value)


def _value(value: object) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _json(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as why:
        raise RuleBroken(f"metadata is a JSON object, but {text.show(cell)} came.") from why


def _escaped(part: str) -> str:
    # Without the escape, "a|" and "b" would make the same key as "a" and "|b".
    return part.replace("\\", "\\\\").replace(KEY_SEPARATOR, "\\" + KEY_SEPARATOR) if "\\" in part or "|" in part else part
