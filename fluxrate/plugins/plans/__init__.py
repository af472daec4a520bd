"""Plans and their charges over the API."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.plans.routes import blueprint

plugin = Plugin(name="plans", blueprints=(blueprint,))
