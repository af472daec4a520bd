"""The `fluxrate` command: a thin layer, each command reads its options and asks core.

Exit status 0; 1 when something failed, with one sentence on standard error; 2 for wrong usage. What a program may
want to read (a new key, say) goes to standard output alone. A module has the commands of one subject; plugins bring
more.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import click

from fluxrate.cli import accounts, backups, checking, copying, exporting, importing, meters, plugged, serving, upkeep
from fluxrate.core.errors import FluxrateError

_COMMANDS: tuple[click.Command, ...] = (
    serving.serve,
    serving.demo_command,
    serving.worker,
    upkeep.migrate,
    upkeep.plugins,
    upkeep.version,
    upkeep.config_command,
    importing.import_command,
    exporting.export_command,
    checking.verify_command,
    copying.copy_command,
    backups.backup_command,
    backups.restore_command,
    accounts.keys,
    accounts.users,
    meters.meters_group,
)


@click.group(cls=plugged.Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--instance", metavar="DIR", help="The instance folder [FLUXRATE_INSTANCE, else ./instance].")
def cli(instance: str | None) -> None:
    """Fluxrate: exact, instant usage analytics."""


for _command in (*_COMMANDS, *plugged.built_in()):
    cli.add_command(_command)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command; a refusal is one sentence on standard error and status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        cli.main(args=args, prog_name="fluxrate")
    except FluxrateError as refused:
        click.echo(f"fluxrate: {refused.detail}", err=True)
        sys.exit(1)
