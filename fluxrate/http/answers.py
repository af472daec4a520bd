"""JSON out: exact decimals as numbers, never through a float."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

AS_OF_HEADER = "X-Fluxrate-As-Of"

_BODILESS = (204, 304)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Document(Response):
    """A whole body whose length is said: nothing is left to find out about it when it is sent, which took longer than
    to write it.
    """

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """As Flask does where the answer is to have no body, or somebody waits for its end."""
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code in _BODILESS or self._on_close:
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.iter_encoded()


def answer(
    value: Any, status: int = 200, *, as_of: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A JSON response; a Decimal is written with all its digits as a number. `as_of` says what sequence it covers."""
    body = _ENCODER.encode(value)
    own = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *(headers or {}).items()]
    if as_of is not None:
        own.append((AS_OF_HEADER, str(as_of)))
    said = Headers()
    # Not as an argument, which is taken for any of five kinds of headers first.
    said[:] = own
    return Document([body], status, said)


def listing(data: list[Any], *, page: int, page_size: int, total: int, **more: Any) -> dict[str, Any]:
    """The envelope of every list."""
    pages = math.ceil(total / page_size)
    return {"data": data, "meta": {"page": page, "page_size": page_size, "total": total, "total_pages": pages, **more}}
