"""Reading usage over the API: a meter over time, its stats, a customer over all meters."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.usage.routes import blueprint

plugin = Plugin(name="usage", blueprints=(blueprint,))
