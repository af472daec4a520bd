"""Customers over the API: list, create, read, change, delete."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.customers.routes import blueprint

plugin = Plugin(name="customers", blueprints=(blueprint,))
