"""Invoices over the API."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.invoices.routes import blueprint

plugin = Plugin(name="invoices", blueprints=(blueprint,))
