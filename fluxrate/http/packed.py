"""Static files travel compressed, a third of the bytes, packed once; and browsers keep them.

Pages do not: they carry the session's CSRF token beside texts that strangers chose, and the length of a compressed page
would tell who listens how much the two have in common (BREACH). A proxy that compresses them takes that on itself.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from flask import Flask, Response, request

from fluxrate.http.headers import YEAR

SMALLEST = 600
"""Below this many bytes a packet is a packet."""
_TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")


def register(app: Flask) -> None:
    """Compress the static files of all blueprints for browsers that take gzip, and say how long they are good for; the
    last step of a factory.
    """
    # The views themselves: as a hook after every request it would be asked by every answer of the API.
    for endpoint, view in app.view_functions.items():
        if endpoint.endswith("static"):
            app.view_functions[endpoint] = _prepared(view)


def _prepared(view: Callable[..., Any]) -> Callable[..., Response]:
    @wraps(view)
    def file(*args: Any, **kwargs: Any) -> Response:
        response = _pack(view(*args, **kwargs))
        kept = request.args.get("v") and response.status_code in (200, 304)
        # Vendored files carry their version in the name; our own are asked for with one in the query.
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if kept else "no-cache"
        return response

    return file


def _pack(response: Response) -> Response:
    if not (response.mimetype or "").startswith(_TYPES):
        return response
    response.vary.add("Accept-Encoding")
    if request.method != "GET" or response.status_code != 200 or not request.accept_encodings["gzip"]:
        return response
    response.direct_passthrough = False
    plain = response.get_data()
    if len(plain) >= SMALLEST:
        response.set_data(_packed(plain))
        response.headers["Content-Encoding"] = "gzip"
        # The same tag must not stand for other bytes; a weak one says the same content.
        tag, _ = response.get_etag()
        if tag:
            response.set_etag(tag, weak=True)
    return response


@lru_cache(maxsize=64)
def _packed(plain: bytes) -> bytes:
    return gzip.compress(plain, 9, mtime=0)
