"""Plugins: what each of them brings, read from the values that were registered when the server started."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, current_app, render_template

from fluxrate.http.auth import page_access
from fluxrate.plugin import Plugin, services
from fluxrate.web import fragments
from fluxrate.web.formats import duration

_QUIET = ("HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Brought:
    """One kind of thing that a plugin brings, each with its name and what it is about."""

    kind: str
    things: tuple[tuple[str, str], ...]


@page_access
def page() -> Response:
    """`GET /settings/plugins`."""
    rows = [(plugin.name, _brings(plugin)) for plugin in services().registry.plugins.all.values()]
    return fragments.answer(render_template("settings/plugins.html", rows=rows))


def _brings(plugin: Plugin) -> list[Brought]:
    settings = services().settings
    kinds = (
        Brought("Metrics", tuple((metric.name, metric.label) for metric in plugin.metrics)),
        Brought("Panels", tuple((panel.name, panel.title) for panel in plugin.panels)),
        Brought("Jobs", tuple((job.name, f"every {duration(job.seconds(settings))}") for job in plugin.jobs)),
        Brought("Commands", tuple((command.name, command.help.partition("\n")[0]) for command in plugin.commands)),
        Brought("Calls", _calls({blueprint.name for blueprint in plugin.blueprints})),
    )
    return [brought for brought in kinds if brought.things]


def _calls(blueprints: set[str]) -> tuple[tuple[str, str], ...]:
    """The paths that the blueprints answer, with their methods; not what serves files."""
    found: dict[str, set[str]] = {}
    for rule in current_app.url_map.iter_rules():
        blueprint, _, view = rule.endpoint.rpartition(".")
        if blueprint in blueprints and view != "static":
            found.setdefault(rule.rule, set()).update(rule.methods or ())
    return tuple((path, ", ".join(sorted(found[path].difference(_QUIET)))) for path in sorted(found))
