"""A command that mirrors records from files: each row is the body of the API's upsert, and is judged as that is.

Rows are CSV, where a list (charges, lines) is a cell of JSON and an empty cell is not sent, or NDJSON. They may also
have the fields that only answers have, as `format=csv` writes them; those are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import click
import msgspec
from marshmallow import Schema, fields

from fluxrate import files
from fluxrate.core import rows, text, trail
from fluxrate.core.errors import Malformed
from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import imports
from fluxrate.core.rows import Row
from fluxrate.core.services import Services
from fluxrate.core.store import Names, Store
from fluxrate.http.bodies import checked
from fluxrate.plugin import Command
from fluxrate.progress import Progress

FORMATS = ("csv", "ndjson")
KEY = "external_id"
Upsert = Callable[[Services, str, Mapping[str, Any]], tuple[object, object | None]]
"""Makes the record of an external id be as said; gives it, and what it was before."""
Named = Callable[[Names, str, Mapping[str, Any]], None]
"""Adds the external id of a record, and what its body names, to what is read ahead."""
_Body = tuple[str, dict[str, Any]]
"""An external id, and what the body says."""


def import_command(what: str, body: type[Schema], upsert: Upsert, named: Named, told: Collection[str]) -> Command:
    """`import-WHAT`; `body` is that of the API's upsert, `told` are the fields of answers."""
    schema, passed_over = body(), set(told) - set(body().fields) - {KEY}

    def read(row: Row) -> _Body:
        sent = {name: _value(schema, name, cell) for name, cell in imports.plain(row).items()}
        own = {name: value for name, value in sent.items() if name not in passed_over}
        key = own.pop(KEY, None)
        if not isinstance(key, str):
            raise Malformed(f"{KEY} is the biller's own id of the record, but {text.show(key)} came.", field=KEY)
        return key, checked(schema, own)

    def run(parts: Services, names: tuple[str, ...], kind: str | None, strict: bool) -> int:
        def put(store: Store, sent: _Body, _: imports.Say) -> str:
            return imports.outcome(*upsert(replace(parts, store=store), *sent))

        def check(header: list[str]) -> None:
            _check_header(header, schema, passed_over)

        mirror = imports.Mirror(read, lambda sent, wanted: named(wanted, *sent), put)
        return import_files(parts, what, names, kind, mirror, check, strict=strict)

    explained = (
        f"Mirror {what} from CSV or NDJSON files, gzip or not; - is standard input.\n\nA row has the fields of the "
        f"API's PUT, and {KEY}. What is as a row says already is left alone, so a file may be read again. Rows "
        "that are refused are reported with line and reason, the rest goes in."
    )
    return Command(f"import-{what}", explained, run, files.parameters(FORMATS))


def import_files(
    parts: Services,
    what: str,
    names: tuple[str, ...],
    kind: str | None,
    mirror: imports.Mirror[Any],
    check: Callable[[list[str]], None],
    *,
    strict: bool,
) -> int:
    """Put in the rows of the files; gives the exit status. The audit trail has the beginning and the end of each."""
    rejected = 0
    for name in names:
        found = files.kind_of(name, kind, FORMATS)
        trail.import_started(parts.store, COMMAND_LINE, what, name, parts.clock())
        report, refusals = imports.Report(), files.Refusals(name)
        with files.opened(name) as file, Progress(name, file) as progress:
            header, lines = rows.read(file, found)
            if header is not None:
                check(header)
            for report in imports.run(parts.store, lines, mirror, refusals):
                progress.show(report)
        refusals.end()
        rejected += report.rejected
        counts = report.counts()
        click.echo(f"{name}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
        trail.import_finished(parts.store, COMMAND_LINE, what, name, counts, parts.clock())
    return int(strict and rejected > 0)


def _check_header(header: list[str], schema: Schema, passed_over: Collection[str]) -> None:
    known = {KEY, *schema.fields}
    needed = [KEY, *(name for name, field in schema.fields.items() if field.required)]
    for name in needed:
        if name not in header:
            raise Malformed(f"The file has no column {name}; it has {', '.join(header)[:300]}.")
    for name in header:
        if name not in known | set(passed_over):
            raise Malformed(f"The file has a column {text.show(name)}; there are {', '.join(sorted(known))}.")


def _value(schema: Schema, name: str, cell: Any) -> Any:
    """A cell of CSV as the JSON value that the field is in a body; what is none is left for the schema to refuse."""
    field = schema.fields.get(name)
    if isinstance(cell, str) and isinstance(field, fields.Integer):
        return int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 19 else cell
    if isinstance(cell, str) and isinstance(field, fields.List):
        try:
            return msgspec.json.decode(cell)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as why:
            raise Malformed(f"{name} is a JSON list, but {text.show(cell)} came.", field=name) from why
    return cell
