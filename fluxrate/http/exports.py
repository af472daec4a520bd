"""Whole lists of events out, as CSV or NDJSON: written while they are read, so that memory does not grow with the list.

A line of NDJSON is the item of the API's lists. If the store fails on the way the connection is cut before the end, so
that half a list is never taken for the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
from flask import Response

from fluxrate.core import amounts
from fluxrate.core.answers import LOG_COLUMNS, LogRow
from fluxrate.core.calendar import rfc3339
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from fluxrate.http.answers import AS_OF_HEADER
from fluxrate.http.shapes import log_row_shape
from fluxrate.http.sheets import CSV, Cell, lines

NDJSON = "application/x-ndjson"
TYPES = {"csv": CSV, "ndjson": NDJSON}
Pieces = Iterable[Sequence[LogRow]]


def download(parts: Services, meters: Sequence[Meter], query: Query, kind: str, order: str = "desc") -> Response:
    """All events that match as a file named by the sequence it covers; `kind` is a key of `TYPES`."""
    as_of, pieces = parts.engine.every(meters, query, order)
    response = Response(written(pieces, kind), content_type=f"{TYPES[kind]}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="usage-logs-{as_of}.{kind}"'
    response.headers[AS_OF_HEADER] = str(as_of)
    return response


def written(pieces: Pieces, kind: str) -> Iterator[bytes]:
    """The events as bytes, some at a time."""
    return _WRITERS[kind](pieces)


def _csv(pieces: Pieces) -> Iterator[bytes]:
    yield lines([LOG_COLUMNS]).encode()
    for rows in pieces:
        yield lines(map(_cells, rows)).encode()


def _ndjson(pieces: Pieces) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    for rows in pieces:
        yield encoder.encode_lines([log_row_shape(row) for row in rows])


_WRITERS: Mapping[str, Callable[[Pieces], Iterator[bytes]]] = {"csv": _csv, "ndjson": _ndjson}


def _cells(row: LogRow) -> Sequence[Cell]:
    event, meter, customer, void = row.event, row.meter, row.customer, row.void
    return (
        event.id,
        rfc3339(event.timestamp),
        rfc3339(event.ingested_at),
        meter.meter_name,
        customer.external_id,
        customer.name,
        amounts.to_text(event.quantity, meter.decimals),
        meter.unit,
        event.idempotency_key,
        "false" if void is None else "true",
        None if void is None else rfc3339(void.voided_at),
        None if void is None else void.actor,
        None if void is None else void.reason,
        event.metadata or "{}",
    )
