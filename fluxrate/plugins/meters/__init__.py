"""Meters over the API: list, create, read, change."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.meters.routes import blueprint

plugin = Plugin(name="meters", blueprints=(blueprint,))
