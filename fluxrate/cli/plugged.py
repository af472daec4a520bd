"""The commands that plugins bring, beside those of the command line itself.

Those of built-in plugins are always there. A stranger's is looked for only when a name is typed that nobody else has,
or the list is asked for: to load every plugin takes time, and the other commands do it themselves.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from fluxrate.app import BUILT_IN, command_services, installed_plugins
from fluxrate.cli.options import configured
from fluxrate.config import Config, load_config
from fluxrate.core.errors import ConfigError
from fluxrate.plugin import Command


def built_in() -> list[click.Command]:
    """The commands of the built-in plugins."""
    return [_command(command) for plugin in BUILT_IN for command in plugin.commands]


class Commands(click.Group):
    """A group that knows the commands of strangers, too."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of our own, else a stranger's. Raises ConfigError when a plugin does not load."""
        return super().get_command(ctx, cmd_name) or _strangers(ctx).get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name; without those of strangers when one of them does not load, which any command then says."""
        try:
            return sorted({*super().list_commands(ctx), *_strangers(ctx)})
        except ConfigError:
            return super().list_commands(ctx)


def _strangers(ctx: click.Context) -> dict[str, click.Command]:
    config = load_config(ctx.find_root().params.get("instance"))
    return {command.name: _command(command) for plugin in installed_plugins(config) for command in plugin.commands}


def _command(command: Command) -> click.Command:
    def run(config: Config, **options: Any) -> None:
        parts = command_services(config)
        try:
            status = command.run(parts, **options)
        finally:
            parts.store.close()
        if status:
            sys.exit(status)

    made = click.command(command.name, help=command.help)(configured(run))
    made.params = [*command.params, *made.params]
    return made
