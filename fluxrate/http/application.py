"""Flask without what it would do for each request that nobody here needs: a fifth of a request that only writes one
event went into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

_MOST_HOSTS = 64

_is_async = lru_cache(maxsize=1_024)(iscoroutinefunction)


class NoSession(SessionInterface):
    """Flask's own sessions are signed cookies; ours are rows on the server (see `auth`)."""

    _NONE = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """One for all, which refuses to be written to."""
        return self._NONE


class Application(Flask):
    """The Flask application of `create_app`."""

    session_interface = NoSession()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hosts: dict[tuple[str | None, ...], tuple[str, str]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As Flask does, which looks at each view and hook anew for every request."""
        return super().ensure_sync(func) if _is_async(func) else func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask does, which judges the same host anew, twice, for every request."""
        if request is None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        environ = request.environ
        scheme: str = environ["wsgi.url_scheme"]
        asked = scheme, environ.get("HTTP_HOST"), environ.get("SERVER_NAME"), environ.get("SERVER_PORT")
        known = self._hosts.get(asked)
        if known is None:
            adapter = super().create_url_adapter(request)
            if adapter is not None:
                self._keep(asked, request.host, adapter.server_name)
            return adapter
        request.host, server_name = known
        script, path, query = (
            _decoded(environ.get(name) or "") for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING")
        )
        return MapAdapter(self.url_map, server_name, script, "", scheme, path, environ["REQUEST_METHOD"], query)

    def _keep(self, asked: tuple[str | None, ...], host: str, server_name: str) -> None:
        if len(self._hosts) >= _MOST_HOSTS:
            # Strangers choose the header.
            self._hosts = {}
        self._hosts[asked] = host, server_name


def _decoded(text: str) -> str:
    """WSGI has bytes as the characters of Latin-1."""
    return text if text.isascii() else text.encode("latin-1").decode(errors="replace")
