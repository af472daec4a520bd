"""Static files travel compressed, packed once and kept, and so do the parts of pages that our own script asks for.

Pages do not: they carry the session's CSRF token beside texts that strangers chose, and the length of a compressed page
would tell who listens how much the two have in common (BREACH). A proxy that compresses them takes that on itself. A
part is asked for with a header that no other site can make a browser send, and is left plain if it has the token.
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
QUICKLY = 4
"""How hard parts are packed, each for one reader: a sixth of the bytes for two thousandths of a second."""
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
    if not _may_be_packed(response):
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


def pack_part(response: Response, secret: str) -> None:
    """Compress a part of a page, unless it has the session's secret; only for answers to a request that no other site
    can have made.
    """
    response.vary.add("Accept-Encoding")
    plain = response.get_data()
    # Our own page passes on what stands in its address, which another site may have written.
    told = bool(secret) and secret.encode() in plain
    if _may_be_packed(response) and len(plain) >= SMALLEST and not told:
        response.set_data(gzip.compress(plain, QUICKLY, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _may_be_packed(response: Response) -> bool:
    return request.method == "GET" and response.status_code == 200 and bool(request.accept_encodings["gzip"])


@lru_cache(maxsize=64)
def _packed(plain: bytes) -> bytes:
    return gzip.compress(plain, 9, mtime=0)
