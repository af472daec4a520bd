"""`/health` (the process is up), `/ready` (store reachable, migrated, columns loaded), `/metrics` (for Prometheus)."""

from __future__ import annotations

from flask import Blueprint, Response, request

from fluxrate import __version__
from fluxrate.core.errors import Unavailable
from fluxrate.http.answers import answer
from fluxrate.http.auth import require
from fluxrate.plugin import Plugin, services
from fluxrate.plugins.health.exposition import exposition

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> Response:
    """The process is up and answers; asks nothing else. Where several serve one address, it says which one answers."""
    worker = services().worker
    return answer({"status": "ok", "version": __version__} | ({} if worker is None else {"worker": worker}))


@blueprint.get("/ready")
def ready() -> Response:
    """Fit to take traffic: 200, or 503 with the reason."""
    parts = services()
    parts.store.ping()
    if parts.store.pending():
        raise Unavailable("The store waits for its migrations; run: fluxrate migrate.")
    seq = parts.engine.as_of()
    return answer({"status": "ready", "store": parts.store.dialect, "as_of": seq}, as_of=seq)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters and gauges in Prometheus' format; for a key or session with `usage.read`, unless METRICS_PUBLIC."""
    parts = services()
    if not parts.settings["METRICS_PUBLIC"]:
        require("usage.read")
    body, content_type = exposition(parts, request.headers.get("Accept", ""))
    return Response(body, content_type=content_type)


plugin = Plugin(name="health", blueprints=(blueprint,))
