"""Commands on an instance itself: its tables, plugins, settings and versions."""

from __future__ import annotations

import platform

import click
import numpy
import sqlalchemy
import tzdata

from fluxrate import __version__
from fluxrate.app import command_services, open_store
from fluxrate.cli.options import configured
from fluxrate.config import SETTINGS, Config, shown


@click.command()
@configured
def migrate(config: Config) -> None:
    """Bring the store's tables up to date."""
    applied = open_store(config).migrate()
    click.echo(f"Applied {', '.join(applied)}." if applied else "Nothing to migrate.")


@click.command()
@configured
def plugins(config: Config) -> None:
    """List the plugins and what they bring."""
    for name, plugin in command_services(config).registry.plugins.all.items():
        brings = {
            "metrics": [metric.name for metric in plugin.metrics],
            "panels": [panel.name for panel in plugin.panels],
            "jobs": [job.name for job in plugin.jobs],
            "commands": [command.name for command in plugin.commands],
            "blueprints": [blueprint.name for blueprint in plugin.blueprints],
        }
        click.echo(f"{name}: " + "; ".join(f"{kind} {', '.join(names)}" for kind, names in brings.items() if names))


@click.command()
def version() -> None:
    """Print the versions that figures depend on."""
    click.echo(f"fluxrate {__version__}")
    click.echo(f"python {platform.python_version()}, numpy {numpy.__version__}, sqlalchemy {sqlalchemy.__version__}")
    click.echo(f"tzdata {tzdata.IANA_VERSION}")


@click.command("config")
@configured
def config_command(config: Config) -> None:
    """Print every setting with its value in force."""
    click.echo(f"instance = {config.instance}")
    for setting in SETTINGS:
        value = shown(setting, repr(config.values[setting.name]))
        click.echo(f"{setting.name} = {value}  # {setting.help}")
