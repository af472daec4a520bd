"""Static files travel compressed: a third of the bytes, packed once and kept.

Pages do not: they carry the session's CSRF token beside texts that strangers chose, and the length of a compressed page
would tell who listens how much the two have in common (BREACH). A proxy that compresses them takes that on itself.
"""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

SMALLEST = 600
"""Below this many bytes a packet is a packet."""
_TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")


def register(app: Flask) -> None:
    """Compress the static files of all blueprints for browsers that take gzip."""
    app.after_request(_pack)


def _pack(response: Response) -> Response:
    if not (request.endpoint or "").endswith("static") or not (response.mimetype or "").startswith(_TYPES):
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
