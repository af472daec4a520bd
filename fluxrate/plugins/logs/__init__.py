"""Raw events over the API, filtered and paged."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.logs.routes import blueprint

plugin = Plugin(name="logs", blueprints=(blueprint,))
