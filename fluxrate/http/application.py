"""Flask without what it would do for each request that nobody here needs: a fifth of a request that only writes one
event went into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from inspect import iscoroutinefunction
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import MapAdapter

from fluxrate.http.paths import Found, Paths

_MOST_HOSTS = 64

_is_async = lru_cache(maxsize=1_024)(iscoroutinefunction)


class NoSession(SessionInterface):
    """Flask's own sessions are signed cookies; ours are rows on the server (see `auth`)."""

    _NONE = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """One for all, which refuses to be written to."""
        return self._NONE


class Asked(Request):
    """A request as Flask has it, with less to do for each."""

    @property
    def blueprints(self) -> list[str]:
        """The blueprints that the view belongs to, the innermost first."""
        # Asked for three times an answer.
        return _blueprints(self.endpoint)

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        """The query parameters by name: what `args` has, without Werkzeug's dictionary around it."""
        query = self.query_string
        if not query.isascii() or b"%" in query or b"+" in query:
            return dict(self.args.lists())
        found: dict[str, list[str]] = {}
        for part in query.decode().split("&"):
            if part:
                name, _, value = part.partition("=")
                found.setdefault(name, []).append(value)
        return found


@lru_cache(maxsize=1_024)
def _blueprints(endpoint: str | None) -> list[str]:
    parts = (endpoint or "").split(".")[:-1]
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


class Application(Flask):
    """The Flask application of `create_app`."""

    session_interface = NoSession()
    request_class = Asked
    url_map_class = Paths

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hosts: dict[tuple[str | None, ...], tuple[str, str]] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As Flask does, which looks at each view and hook anew for every request."""
        return super().ensure_sync(func) if _is_async(func) else func

    def preprocess_request(self) -> ResponseReturnValue | None:
        """As Flask does, which looks for hooks by the name of every blueprint, where there is a hook."""
        if self.url_value_preprocessors or self.before_request_funcs:
            return super().preprocess_request()
        return None

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask does, which judges the same host anew, twice, for every request, and the same path again."""
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
        return Found(self.url_map, server_name, script, "", scheme, path, environ["REQUEST_METHOD"], query)

    def _keep(self, asked: tuple[str | None, ...], host: str, server_name: str) -> None:
        if len(self._hosts) >= _MOST_HOSTS:
            # Strangers choose the header.
            self._hosts = {}
        self._hosts[asked] = host, server_name


def _decoded(text: str) -> str:
    """WSGI has bytes as the characters of Latin-1."""
    return text if text.isascii() else text.encode("latin-1").decode(errors="replace")
