"""`backup` and `restore`: the store in one file."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import click

from fluxrate.cli.options import configured
from fluxrate.config import Config
from fluxrate.core.store import Store
from fluxrate.core.store.backup import backup, restore

_FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command("backup")
@_FILE
@configured
def backup_command(config: Config, file: Path) -> None:
    """Save the store, SQLite's, in a new FILE while the server runs."""
    started = time.monotonic()
    last = backup(config.database_url, file)
    size = f"{file.stat().st_size / 1_000_000:.1f} MB"
    click.echo(f"{size} written in {time.monotonic() - started:.1f} seconds, up to sequence {last}.")


@click.command("restore")
@_FILE
@configured
def restore_command(config: Config, file: Path) -> None:
    """Make the store, which must not exist yet, from a backup."""
    config.instance.mkdir(parents=True, exist_ok=True)
    last = restore(config.database_url, file, _migrated)
    # Columns of what was there before may be of sequences that are given out anew.
    shutil.rmtree(config.instance / "columns", ignore_errors=True)
    click.echo(f"Restored up to sequence {last}.")


def _migrated(url: str) -> None:
    with closing(Store(url)) as store:
        store.migrate()
