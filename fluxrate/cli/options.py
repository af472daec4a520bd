"""What every command shares: the options of the instance and of every setting, and a way to the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from fluxrate.app import command_services
from fluxrate.config import SETTINGS, Config, Setting, load_config
from fluxrate.core.errors import NotFound
from fluxrate.core.model import Meter
from fluxrate.core.services import Services
from fluxrate.core.store import Store


def _option(setting: Setting) -> Callable[[Any], Any]:
    name = "--" + setting.name.lower().replace("_", "-")
    return click.option(name, setting.name, default=None, metavar="VALUE", help=f"{setting.help} [{setting.default}]")


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of the instance and of every setting, and hand it the `Config` they make."""

    @click.pass_context
    def run(context: click.Context, /, instance: str | None, **options: Any) -> Any:
        given = {row.name: options.pop(row.name) for row in SETTINGS}
        given = {name: value for name, value in given.items() if value is not None}
        config = load_config(instance or context.find_root().params.get("instance"), given)
        return command(config, **options)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    decorated: Callable[..., Any] = run
    for setting in reversed(SETTINGS):
        decorated = _option(setting)(decorated)
    return click.option("--instance", metavar="DIR", help="The instance folder [FLUXRATE_INSTANCE, else ./instance].")(
        decorated
    )


def store_of(config: Config) -> Store:
    """The instance's store, migrated."""
    return command_services(config).store


def meter_of(parts: Services, reference: str) -> Meter:
    """The meter of this id, meter_name or meter_token. Raises NotFound."""
    found = parts.store.meters.find(reference)
    if found is None:
        raise NotFound(f"No meter has the id, meter_name or meter_token {reference!r}.")
    return found
