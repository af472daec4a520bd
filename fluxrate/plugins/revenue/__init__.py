"""Revenue figures over the API: MRR with its movements, and what is at risk."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.revenue.routes import blueprint

plugin = Plugin(name="revenue", blueprints=(blueprint,))
