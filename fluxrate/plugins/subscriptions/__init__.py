"""Subscriptions and their history over the API."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.subscriptions.routes import blueprint

plugin = Plugin(name="subscriptions", blueprints=(blueprint,))
