"""Sending usage over the API, one event or a batch, and voiding what was sent in error."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.ingest.routes import blueprint

plugin = Plugin(name="ingest", blueprints=(blueprint,))
