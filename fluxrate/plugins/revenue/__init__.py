"""Revenue figures: MRR with its movements, what is at risk and whose usage fell, over the API and on the dashboard."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.revenue.panels import PANELS
from fluxrate.plugins.revenue.routes import blueprint

plugin = Plugin(name="revenue", blueprints=(blueprint,), panels=PANELS)
