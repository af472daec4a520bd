"""API keys over the API: list, create, change, revoke."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.keys.routes import blueprint

plugin = Plugin(name="keys", blueprints=(blueprint,))
