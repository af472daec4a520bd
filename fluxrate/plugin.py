"""The page a plugin author reads: what a plugin is and what it may ask for.

A plugin is one frozen value, `Plugin(name, ...)`. Those that ship with Fluxrate come through this same door. A
stranger's is found by the entry point group `fluxrate.plugins`, where each entry names a `Plugin` value. A name used
twice, or an entry that does not load, stops start-up and names its owner; nothing is skipped in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from flask import Blueprint, current_app

from fluxrate.core.metric import Metric
from fluxrate.core.model import Meter
from fluxrate.core.query import Query

if TYPE_CHECKING:
    from fluxrate.core.services import Services

__all__ = ["Job", "Metric", "Panel", "PanelContext", "Plugin", "services"]

EXTENSION = "fluxrate"


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
    """A part of the dashboard with its own error box: `data` gives what `template` shows.

    `place` is "main" (full width) or "half" (one of two columns); panels stand in the order of `rank`. `template` is a
    Jinja template name; a plugin brings its own by giving its blueprint a template folder. `data` may return None
    when it has nothing to say in this context, and the panel is left out.
    """

    name: str
    title: str
    template: str
    data: Callable[[PanelContext], Mapping[str, Any] | None]
    place: str = "half"
    rank: int = 100


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
class Plugin:
    """Everything one capability brings. All fields but the name are optional."""

    name: str
    metrics: tuple[Metric, ...] = ()
    blueprints: tuple[Blueprint, ...] = ()
    """flask-smorest blueprints appear in the API reference; plain Flask ones are only served."""
    panels: tuple[Panel, ...] = ()
    jobs: tuple[Job, ...] = ()


def services() -> Services:
    """The running application's store, engine, ingest and settings; only inside a request or an application context."""
    found: Services = current_app.extensions[EXTENSION]
    return found
