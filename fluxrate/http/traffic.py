"""Counts every request by route for operators (see `core.vitals`): the rule of the route and never the path, which
strangers choose.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

from fluxrate.plugin import services

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""What every further method counts as: a client may make one up."""

_BEGAN = "fluxrate.began"


def register(app: Flask) -> None:
    """Count the requests of the application, from their arrival to their answer, bodies being written left out."""
    app.after_request(_note)
    app.wsgi_app = Timed(app.wsgi_app)  # type: ignore[method-assign]


class Timed:
    """WSGI middleware that keeps when a request came in: before Flask, which takes its own time."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on."""
        environ[_BEGAN] = time.perf_counter()
        return self._app(environ, start_response)


def _note(response: Response) -> Response:
    rule = "" if request.url_rule is None else request.url_rule.rule
    method = request.method if request.method in METHODS else OTHER
    began = request.environ.get(_BEGAN, time.perf_counter())
    services().vitals.requests.note(rule, method, response.status_code, time.perf_counter() - began)
    return response
