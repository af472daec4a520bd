"""Security headers of every response: a strict Content-Security-Policy without exceptions for inline code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
_BY_NAME = [(name.lower(), (name, value)) for name, value in _HEADERS.items()]
YEAR = 31_536_000
_TLS_ONLY = ("Strict-Transport-Security", f"max-age={YEAR}")


def register(app: Flask) -> None:
    """Add the headers to every answer of the application; what an answer says itself stays."""
    app.wsgi_app = SecureHeaders(app.wsgi_app)  # type: ignore[method-assign]


class SecureHeaders:
    """WSGI middleware that adds the headers. As headers of a Flask response they took as long as a whole small view:
    each is checked and looked for among the others, and all are copied at the end.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on, and the answer back with the headers that it lacks."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            there = {name.lower() for name, _ in headers}
            headers += [pair for name, pair in _BY_NAME if name not in there]
            if environ["wsgi.url_scheme"] == "https":
                headers.append(_TLS_ONLY)
            return start_response(status, headers, *error)

        return self._app(environ, start)
