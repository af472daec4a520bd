"""JSON out: exact decimals as numbers, never through a float."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response, request
from werkzeug.datastructures import Headers

from fluxrate.plugin import services

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
    """A JSON response; a Decimal is written with all its digits as a number. `as_of` is the sequence that
    it covers; without it an answer of the API to a GET covers all there is.
    """
    body = _ENCODER.encode(value)
    own = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *(headers or {}).items()]
    covered = _newest() if as_of is None else as_of
    if covered is not None:
        own.append((AS_OF_HEADER, str(covered)))
    said = Headers()
    # Not as an argument, which is taken for any of five kinds of headers first.
    said[:] = own
    return Document([body], status, said)


def covers(response: Response, as_of: int | None) -> Response:
    """The response, saying what sequence it covers: all there is where nothing is said."""
    covered = _newest() if as_of is None else as_of
    if covered is not None:
        response.headers[AS_OF_HEADER] = str(covered)
    return response


def _newest() -> int | None:
    """The newest sequence for what the API reads of records that have none of their own; nothing else says one."""
    reads = request.method == "GET" and request.path.startswith("/api/")
    return services().engine.as_of() if reads else None


def listing(data: list[Any], *, page: int, page_size: int, total: int, **more: Any) -> dict[str, Any]:
    """The envelope of every list."""
    pages = math.ceil(total / page_size)
    return {"data": data, "meta": {"page": page, "page_size": page_size, "total": total, "total_pages": pages, **more}}
