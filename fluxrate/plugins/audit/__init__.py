"""The audit trail over the API."""

from fluxrate.plugin import Plugin
from fluxrate.plugins.audit.routes import blueprint

plugin = Plugin(name="audit", blueprints=(blueprint,))
