"""`meters`: what is counted."""

from __future__ import annotations

from typing import Any

import click

from fluxrate.app import command_services, now
from fluxrate.cli.options import configured, store_of
from fluxrate.config import Config
from fluxrate.core import meters


@click.group("meters")
def meters_group() -> None:
    """Meters."""


@meters_group.command("create")
@click.argument("meter_name")
@click.option(
    "--aggregation", "aggregation_type", required=True, help="SUM, COUNT, MAX, MIN, AVG, LAST, UNIQUE_COUNT, ..."
)
@click.option("--name", help="What people see; the METER_NAME unless said.")
@click.option("--unit")
@click.option("--decimals", default=meters.DEFAULT_DECIMALS, show_default=True, type=click.IntRange(0, 18))
@click.option("--property", "property_name", help="The property that carries the value, or is counted.")
@configured
def meters_create(config: Config, **fields: Any) -> None:
    """Make a meter and print its token."""
    parts = command_services(config)
    click.echo(meters.create(parts.store, parts.registry.metrics, fields, now()).meter_token)


@meters_group.command("list")
@configured
def meters_list(config: Config) -> None:
    """List the meters."""
    for meter in store_of(config).meters.all():
        click.echo(
            f"{meter.meter_name}  {meter.aggregation_type}  {meter.unit or '-'}  {meter.status}  {meter.meter_token}"
        )
