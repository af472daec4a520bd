"""`import`: events from files, with what was refused named by line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fluxrate import files
from fluxrate.app import command_services, now
from fluxrate.cli.options import configured, meter_of
from fluxrate.config import Config
from fluxrate.core import rows, trail
from fluxrate.core.importer import Columns, Importer, Report
from fluxrate.core.model import COMMAND_LINE
from fluxrate.progress import Progress


@click.command("import")
@click.argument("names", nargs=-1, required=True, metavar="FILE...")
@click.option("--meter", "meter_ref", required=True, help="The meter: id, meter_name or meter_token.")
@click.option("--customer", default=Columns.customer, show_default=True, help="Column of the customer's external id.")
@click.option("--timestamp", default=Columns.timestamp, show_default=True, help="Column of the time.")
@click.option("--quantity", default=Columns.quantity, show_default=True, help="Column of the quantity.")
@click.option("--quantity-value", help="The same quantity for every row, instead of a column.")
@click.option("--key", "keys_", multiple=True, help="Column of the idempotency key; several are joined.")
@click.option("--meta", multiple=True, help="Column kept as metadata; may be given several times.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(rows.FORMATS),
    help="What the files are, where neither name nor beginning says it.",
)
@click.option("--strict", is_flag=True, help="Exit with status 1 if any row was rejected.")
@configured
def import_command(
    config: Config, names: tuple[str, ...], meter_ref: str, kind: str | None, strict: bool, **columns: Any
) -> None:
    """Import events from CSV, NDJSON or Parquet files, gzip or not; - is standard input.

    Run it again after an interruption: what is in already counts once. Rows that cannot be events are reported with
    line and reason, the rest goes in.
    """
    columns["keys"] = columns.pop("keys_")
    by_option = click.get_current_context().get_parameter_source("quantity") is ParameterSource.COMMANDLINE
    if by_option and columns["quantity_value"] is not None:
        raise click.UsageError("The quantity is that of a column (--quantity) or given (--quantity-value), not both.")
    parts = command_services(config)
    meter = meter_of(parts, meter_ref)
    importer = Importer(parts.ingest, meter, Columns(**columns), now())
    rejected = 0
    for name in names:
        trail.import_started(parts.store, COMMAND_LINE, f"meter:{meter.meter_name}", name, now())
        report = _import_file(importer, name, kind)
        rejected += report.rejected
        counts = {"accepted": report.accepted, "duplicates": report.duplicates, "rejected": report.rejected}
        trail.import_finished(parts.store, COMMAND_LINE, f"meter:{meter.meter_name}", name, counts, now())
    parts.close()
    if rejected and strict:
        sys.exit(1)


def _import_file(importer: Importer, name: str, kind: str | None) -> Report:
    report, rejected = Report(), files.Refusals(name)
    with files.opened(name) as file, Progress(name, file) as progress:
        header, lines = rows.read(file, kind or rows.format_of(name))
        if header is not None:
            importer.columns.check(header)
        for report in importer.run(lines, Path(name).name, rejected):
            progress.show(report)
    rejected.end()
    click.echo(f"{name}: {report.accepted} accepted, {report.duplicates} duplicate, {report.rejected} rejected")
    return report
