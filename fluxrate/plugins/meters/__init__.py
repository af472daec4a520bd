"""Meters over the API: list, create, read, change, delete."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.meters.routes import blueprint, features

plugin = Plugin(name="meters", blueprints=(blueprint, features))
