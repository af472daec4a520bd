"""Settings: every one in force with where it was set, and the version.

Settings are read when the server starts and are not changed here; the page says where to.
"""

from __future__ import annotations

from flask import Response, render_template

from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments


@page_access
def page() -> Response:
    """`GET /settings`."""
    parts = services()
    html = render_template(
        "settings/overview.html",
        rows=parts.in_force,
        instance=str(parts.instance),
        started=parts.vitals.started,
        now=parts.clock(),
        zone="UTC",
    )
    return fragments.answer(html)
