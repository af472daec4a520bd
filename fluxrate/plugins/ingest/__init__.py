"""Sending usage over the API: one event or a batch."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.ingest.routes import blueprint

plugin = Plugin(name="ingest", blueprints=(blueprint,))
