"""`copy`: an instance moved to another database."""

from __future__ import annotations

import time

import click

from fluxrate.app import open_store
from fluxrate.cli.options import configured
from fluxrate.config import Config
from fluxrate.core.store import Store
from fluxrate.core.store.copying import Copy
from fluxrate.core.verify import counted
from fluxrate.progress import Steps


@click.command("copy")
@click.option(
    "--to", "url", required=True, metavar="URL", help="The empty database: postgresql://... or sqlite:///FILE."
)
@configured
def copy_command(config: Config, url: str) -> None:
    """Copy the instance's store into another database, from SQLite to PostgreSQL or the other way.

    Run it again after an interruption, or to catch up: it goes on where it was. The server may run meanwhile; what
    comes in after the start is copied by the next run.
    """
    started = time.monotonic()
    source, target = open_store(config), Store(url)
    source.migrate()
    target.migrate()
    copy = Copy(source, target)
    with Steps("sequences", copy.upto - copy.after) as steps:
        done = copy.run(steps.step)
    source.close()
    target.close()
    seconds = f"{time.monotonic() - started:.1f} seconds"
    click.echo(f"{counted(done.events, 'event')} copied in {seconds}, up to sequence {done.upto}.")
    click.echo(f"The events of {counted(done.meters, 'meter')} were compared by counts and sums: no difference.")
    if done.later:
        click.echo(f"{counted(done.later, 'sequence')} came meanwhile: stop what writes, and run it again.")
