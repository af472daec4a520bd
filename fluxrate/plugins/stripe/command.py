"""`import-stripe`: subscriptions, invoices, prices and events from files, as Stripe's API and its tools write them.

A file is JSON (a list as the API answers it, an array, or one object) or NDJSON, a line each of these. Lines are named
by their number, objects of a list by their place in it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import click
import msgspec

from fluxrate import files
from fluxrate.core import rows, text, trail
from fluxrate.core.calendar import parse_instant
from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import imports
from fluxrate.core.rows import Line, Row
from fluxrate.core.services import Services
from fluxrate.core.store import Store
from fluxrate.plugin import Command
from fluxrate.plugins.stripe import mirror
from fluxrate.progress import Progress

FORMATS = ("json", "ndjson")

_HELP = (
    "Mirror subscriptions and invoices from files of Stripe, JSON or NDJSON, gzip or not; - is standard input.\n\n"
    "Lists and objects as Stripe's API answers them, or events. Subscriptions stand before their invoices. What is "
    "known already is left alone, so files may be read again. What is refused is reported with its place and reason."
)


def _run(parts: Services, names: tuple[str, ...], kind: str | None, strict: bool, exported_at: str | None) -> int:
    at = parts.clock() if exported_at is None else parse_instant(exported_at, field="--exported-at")
    taken, refused = _mirror(parts, at), 0
    for name in names:
        found = _kind(name, kind)
        trail.import_started(parts.store, COMMAND_LINE, "stripe", name, parts.clock())
        report, refusals = imports.Report(), files.Refusals(name)
        with files.opened(name) as file, Progress(name, file) as progress:
            things = _lines(file) if found == "ndjson" else _whole(file)
            for report in imports.run(parts.store, things, taken, refusals):
                progress.show(report)
        refusals.end()
        refused += report.rejected
        counts = report.counts()
        click.echo(f"{name}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
        trail.import_finished(parts.store, COMMAND_LINE, "stripe", name, counts, parts.clock())
    return int(strict and refused > 0)


def _mirror(parts: Services, at: int) -> imports.Mirror[Row]:
    def put(store: Store, row: Row, say: imports.Say) -> str:
        within = replace(parts, store=store)
        if row.get("object") == "event":
            told = mirror.event(within, row, COMMAND_LINE)
        else:
            told = mirror.mirror(within, mirror.Message(row, at, parts.clock(), COMMAND_LINE))
        for remark in told.remarks:
            say(remark)
        return {mirror.STALE: "unchanged", mirror.IGNORED: mirror.SKIPPED}.get(told.outcome, told.outcome)

    return imports.Mirror(lambda row: row, mirror.name, put)


def _kind(name: str, kind: str | None) -> str:
    found = kind or ("json" if name.removesuffix(".gz").endswith(".json") else rows.format_of(name))
    if found not in FORMATS:
        raise click.UsageError(f"{name}: say what it is with --format json or --format ndjson.")
    return found


def _lines(file: BinaryIO) -> Iterator[Line]:
    """The objects of each line."""
    _, found = rows.read(file, "ndjson")
    for line in found:
        if isinstance(line.row, FluxrateError):
            yield line
        else:
            for thing in _things(imports.plain(line.row)):
                yield Line(line.number, thing)


def _whole(file: BinaryIO) -> Iterator[Line]:
    """The objects of a file that is one JSON value. Raises Malformed for one that is not."""
    data = file.read()
    try:
        found = msgspec.json.decode(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Malformed(f"The file is one JSON value, but it cannot be read as JSON: {text.show(str(why))}") from why
    except (gzip.BadGzipFile, zlib.error, EOFError) as why:
        raise Malformed("The gzip file is cut short or damaged.") from why
    return (Line(place, thing) for place, thing in enumerate(_things(found), 1))


def _things(found: Any) -> list[Row | FluxrateError]:
    """The objects of a list, of an array, or the one that it is."""
    if isinstance(found, dict):
        data = found.get("data")
        things = data if found.get("object") == "list" and isinstance(data, list) else [found]
    else:
        things = found if isinstance(found, list) else [found]
    return [
        each if isinstance(each, dict) else Malformed(f"An object of Stripe is expected, but {text.show(each)} came.")
        for each in things
    ]


command = Command(
    "import-stripe",
    _HELP,
    _run,
    (
        *files.parameters(FORMATS),
        click.Option(["--exported-at"], metavar="TIME", help="When the files were made, where that was not just now."),
    ),
)
