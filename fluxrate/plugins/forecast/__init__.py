"""Usage ahead of now: over the API, and as a panel of the dashboard."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.forecast.panel import panel
from fluxrate.plugins.forecast.routes import blueprint

plugin = Plugin(name="forecast", blueprints=(blueprint,), panels=(panel,))
