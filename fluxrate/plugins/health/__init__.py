"""`/health` (the process is up) and `/ready` (store reachable, migrated, columns loaded)."""

from __future__ import annotations

from flask import Blueprint, Response

from fluxrate import __version__
from fluxrate.core.errors import Unavailable
from fluxrate.http.answers import answer
from fluxrate.plugin import Plugin, services

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """The process is up and answers; asks nothing else."""
    return answer({"status": "ok", "version": __version__})


@blueprint.get("/ready")
def ready() -> Response:
    """Fit to take traffic: 200, or 503 with the reason."""
    parts = services()
    parts.store.ping()
    if parts.store.pending():
        raise Unavailable("The store waits for its migrations; run: fluxrate migrate.")
    seq = parts.engine.as_of()
    return answer({"status": "ready", "store": parts.store.dialect, "as_of": seq}, as_of=seq)


plugin = Plugin(name="health", blueprints=(blueprint,))
