"""Mirrors what Stripe bills: its events as they come, and files of its objects."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.stripe.command import command
from fluxrate.plugins.stripe.routes import blueprint

plugin = Plugin(name="stripe", blueprints=(blueprint,), commands=(command,))
