"""Flask without what it would do for each request that nobody here needs: a tenth of a request that only writes one
event went into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutinefunction
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface

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

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As Flask does, which looks at each view and hook anew for every request."""
        return super().ensure_sync(func) if _is_async(func) else func
