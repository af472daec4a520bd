"""A slash too many in a path still finds its view: a public client sends `/api/v1//sdk/track`.

Werkzeug would answer with a redirect, which turns a POST into a GET in many clients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

_SLASHES = re.compile("//+")


class MergeSlashes:
    """WSGI middleware that merges repeated slashes of the path, and drops one at the end of a path of the API."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on with a plain path."""
        path = environ.get("PATH_INFO", "")
        if "//" in path:
            path = environ["PATH_INFO"] = _SLASHES.sub("/", path)
        if path.endswith("/") and path.startswith("/api/"):
            environ["PATH_INFO"] = path[:-1]
        return self._app(environ, start_response)
