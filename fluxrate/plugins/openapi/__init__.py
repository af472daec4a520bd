"""The API reference at `/docs`: a vendored viewer of `/openapi.json`, under the same strict policy as every page."""

from __future__ import annotations

from flask import Blueprint, render_template

from fluxrate.plugin import Plugin

blueprint = Blueprint(
    "openapi", __name__, template_folder="templates", static_folder="static", static_url_path="/docs/static"
)


@blueprint.get("/docs")
def docs() -> str:
    """The viewer."""
    return render_template("openapi/docs.html", spec_url="/openapi.json")


plugin = Plugin(name="openapi", blueprints=(blueprint,))
