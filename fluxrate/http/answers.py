"""JSON out: exact decimals as numbers, never through a float."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from flask import Response

AS_OF_HEADER = "X-Fluxrate-As-Of"

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def answer(
    value: Any, status: int = 200, *, as_of: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A JSON response; a Decimal is written with all its digits as a number. `as_of` says what sequence it covers."""
    own = [("Content-Type", "application/json"), *(headers or {}).items()]
    if as_of is not None:
        own.append((AS_OF_HEADER, str(as_of)))
    return Response(_ENCODER.encode(value), status, own)


def listing(data: list[Any], *, page: int, page_size: int, total: int, **more: Any) -> dict[str, Any]:
    """The envelope of every list."""
    pages = math.ceil(total / page_size)
    return {"data": data, "meta": {"page": page, "page_size": page_size, "total": total, "total_pages": pages, **more}}
