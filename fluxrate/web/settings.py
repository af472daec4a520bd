"""Settings: every one in force with where it was set, the version, and the plugins with what each brings.

Settings are read when the server starts and are not changed here; the page says where to.
"""

from __future__ import annotations

from flask import Response, render_template

from fluxrate.http.auth import page_access
from fluxrate.plugin import Plugin, services
from fluxrate.web import fragments


@page_access
def page() -> Response:
    """`GET /settings`."""
    parts = services()
    html = render_template(
        "settings/overview.html",
        rows=parts.in_force,
        plugins=[(plugin.name, _brings(plugin)) for plugin in parts.registry.plugins.all.values()],
        instance=str(parts.instance),
        started=parts.vitals.started,
        now=parts.clock(),
        zone="UTC",
    )
    return fragments.answer(html)


def _brings(plugin: Plugin) -> list[tuple[str, str]]:
    """What a plugin brings, by kind."""
    kinds = {
        "metrics": [metric.name for metric in plugin.metrics],
        "panels": [panel.title for panel in plugin.panels],
        "jobs": [job.name for job in plugin.jobs],
        "commands": [command.name for command in plugin.commands],
        "calls": [blueprint.name for blueprint in plugin.blueprints],
    }
    return [(kind, ", ".join(names)) for kind, names in kinds.items() if names]
