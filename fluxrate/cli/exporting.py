"""`export`: raw events to standard output, filtered as the API filters them."""

from __future__ import annotations

import sys

import click

from fluxrate.app import command_services, now
from fluxrate.cli.options import configured, meter_of
from fluxrate.config import Config
from fluxrate.core import parquet
from fluxrate.core.query import FLAGS, ORDERS, Query
from fluxrate.http import exports

PARQUET = "parquet"


@click.command("export")
@click.option("--meter", "meter_refs", multiple=True, required=True, help="The meter; may be given several times.")
@click.option("--format", "kind", type=click.Choice((*exports.TYPES, PARQUET)), required=True)
@click.option("--customer-id", multiple=True, help="Id or external id; several: any of them.")
@click.option("--start-date", metavar="WHEN", help="A date or an instant; 30 days before the end unless said.")
@click.option("--end-date", metavar="WHEN", help="A date (the whole of it) or an instant; now unless said.")
@click.option("--timezone", metavar="ZONE", help="The zone that dates are in; UTC unless said.")
@click.option("--min-quantity", metavar="N", help="Only events of at least this quantity.")
@click.option("--max-quantity", metavar="N", help="Only events of at most this quantity.")
@click.option(
    "--meta", multiple=True, metavar="KEY=VALUE", help="Only events with this metadata; several as in the API."
)
@click.option("--voided", type=click.Choice(FLAGS), help="Only voided events, or only those that count.")
@click.option("--as-of", metavar="SEQ", help="As it was at this sequence or instant.")
@click.option(
    "--order", type=click.Choice(ORDERS), default=ORDERS[0], show_default=True, help="Newest or oldest first."
)
@configured
def export_command(
    config: Config,
    meter_refs: tuple[str, ...],
    kind: str,
    customer_id: tuple[str, ...],
    meta: tuple[str, ...],
    order: str,
    **filters: str | None,
) -> None:
    """Write raw events to standard output.

    As CSV, NDJSON or Parquet, in constant memory; works beside a running server.
    """
    parts = command_services(config)
    meters = list({meter.pk: meter for meter in (meter_of(parts, ref) for ref in meter_refs)}.values())
    query = Query.parse(
        filters, now=now(), seq_at=parts.store.events.seq_at, customers=customer_id, meta=map(_pair, meta)
    )
    parts.live.load()
    _, pieces = parts.engine.every(meters, query, order)
    for piece in parquet.written(pieces, meters) if kind == PARQUET else exports.written(pieces, kind):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    parts.store.close()


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--meta is KEY=VALUE, such as region=eu, but {text!r} came.")
    return key, value
