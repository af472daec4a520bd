"""Counts every request by route for operators (see `core.vitals`): the rule of the route and never the path, which
strangers choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

from flask import Flask, Request, Response, request

from fluxrate.core.vitals import Requests
from fluxrate.plugin import EXTENSION

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""What every further method counts as: a client may make one up."""

_BEGAN = "fluxrate.began"


def register(app: Flask) -> None:
    """Count the requests of the application, from their arrival to their answer, bodies being written left out."""
    requests: Requests = app.extensions[EXTENSION].vitals.requests

    def note(response: Response) -> Response:
        # Asked for once: each look through the proxy costs as much as the counting.
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]
        rule = "" if asked.url_rule is None else asked.url_rule.rule
        method = asked.method if asked.method in METHODS else OTHER
        now = perf_counter()
        requests.note(rule, method, response.status_code, now - asked.environ.get(_BEGAN, now))
        return response

    app.after_request(note)
    app.wsgi_app = Timed(app.wsgi_app)  # type: ignore[method-assign]


class Timed:
    """WSGI middleware that keeps when a request came in: before Flask, which takes its own time."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on."""
        environ[_BEGAN] = perf_counter()
        return self._app(environ, start_response)
