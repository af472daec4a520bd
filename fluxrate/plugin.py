"""The page a plugin author reads: what a plugin is and what it may ask for.

A plugin is one frozen value, `Plugin(name, ...)`. Those that ship with Fluxrate come through this same door. A
stranger's is found by the entry point group `fluxrate.plugins`, where each entry names a `Plugin` value. A name used
twice, or an entry that does not load, stops start-up and names its owner; nothing is skipped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click
from flask import Blueprint, current_app

from fluxrate.core.errors import ConfigError
from fluxrate.core.metric import Metric
from fluxrate.core.model import Meter
from fluxrate.core.query import Query

if TYPE_CHECKING:
    from fluxrate.core.services import Services

__all__ = ["Command", "Job", "Metric", "Panel", "PanelContext", "Plugin", "services"]

EXTENSION = "fluxrate"
PLACES = ("main", "half")

_COMMAND_NAME = re.compile(r"[a-z][a-z-]{0,39}")
_PANEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class PanelContext:
    """What a panel is asked about: the window and filters in force, and the meter the page is looking at, if there
    is one.
    """

    services: Services
    query: Query
    meter: Meter | None
    meters: tuple[Meter, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the dashboard that is asked for, made and refused by itself: `data` gives what `template` shows.

    `name` stands in addresses: lower-case letters, digits and `_`. `place` is "main" (full width) or "half" (one of two
    columns); panels stand in the order of `rank`, until somebody puts them in another. `template` is a Jinja template
    name; a plugin brings its own by giving its blueprint a template folder. `data` may return None when it has nothing
    to say in this context, and the panel is left out. It runs in a thread of its own and may take `seconds`, with its
    template; what is later than that is never shown. `height` is how many pixels below the title the page keeps free
    until then, or what gives them: quickly, since the page waits for it. None is for a panel that has nothing to say in
    this context, and keeps no place.

    Raises ConfigError for another name or place, and for a time limit that is none.
    """

    name: str
    title: str
    template: str
    data: Callable[[PanelContext], Mapping[str, Any] | None]
    place: str = "half"
    rank: int = 100
    seconds: float = 5.0
    height: int | Callable[[PanelContext], int | None] = 360

    def __post_init__(self) -> None:
        if not _PANEL_NAME.fullmatch(self.name):
            raise ConfigError(
                f"A panel's name is up to 40 lower-case letters, digits and _, a letter first, but {self.name!r} came."
            )
        if self.place not in PLACES:
            raise ConfigError(f"The place of the panel {self.name} is main or half, but {self.place!r} came.")
        if not 0 < self.seconds <= 60:
            raise ConfigError(f"The panel {self.name} may take 60 seconds at most, but {self.seconds!r} came.")


@dataclass(frozen=True, slots=True)
class Job:
    """Background work in each serving process, one run at a time; a failure is logged and the next run comes all the
    same.

    `seconds(settings)` is the time between two runs. With the scope "folder" one of the processes on an instance folder
    runs it at a time, with "store" one of all processes on a store, whatever their hosts; to the others the run is over
    at once.
    """

    name: str
    seconds: Callable[[Mapping[str, Any]], float]
    run: Callable[[Services], None]
    scope: Literal["process", "folder", "store"] = "process"


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `fluxrate`: `run(services, **options)` is given what `params`, options and arguments of click, have
    read, and gives the exit status (None: 0). What it raises of `fluxrate.core.errors` is told in one sentence, with
    status 1.

    `name` is what is typed: lower-case letters and `-`. `help` begins with one sentence for the list of commands. The
    options `--instance` and those of the settings are there anyway. Raises ConfigError for another name.
    """

    name: str
    help: str
    run: Callable[..., int | None]
    params: tuple[click.Parameter, ...] = ()

    def __post_init__(self) -> None:
        if not _COMMAND_NAME.fullmatch(self.name):
            raise ConfigError(
                f"A command's name is up to 40 lower-case letters and -, a letter first, but {self.name!r} came."
            )


@dataclass(frozen=True, slots=True)
class Plugin:
    """Everything one capability brings. All fields but the name are optional."""

    name: str
    metrics: tuple[Metric, ...] = ()
    blueprints: tuple[Blueprint, ...] = ()
    """flask-smorest blueprints appear in the API reference; plain Flask ones are only served."""
    panels: tuple[Panel, ...] = ()
    jobs: tuple[Job, ...] = ()
    commands: tuple[Command, ...] = ()


def services() -> Services:
    """The running application's store, engine, ingest and settings; only inside a request or an application context."""
    # The application itself: to look for a part of it through the proxy takes five times as long.
    found: Services = current_app._get_current_object().extensions[EXTENSION]  # type: ignore[attr-defined]
    return found
