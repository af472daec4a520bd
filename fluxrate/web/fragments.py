"""The only file that knows the headers of htmx: whether a page or a part of it is wanted, and what its address becomes.

The same URL answers both ways, so every answer says `Vary: HX-Request`, else a shared cache would serve a part as a
page. A history restore asks for the page again and gets all of it.
"""

from __future__ import annotations

from flask import Response, make_response, request

from fluxrate.http import auth, packed

_REQUEST = "HX-Request"
_RESTORE = "HX-History-Restore-Request"
_TYPE = "HX-Request-Type"


def wanted() -> bool:
    """Whether the browser is going to swap the answer into a page that it already shows."""
    headers = request.headers
    return headers.get(_REQUEST) == "true" and headers.get(_RESTORE) != "true" and headers.get(_TYPE) != "full"


def leave_for(url: str) -> Response:
    """Make the whole browser go there: what a part would be swapped into belongs to a page that is over."""
    response = make_response("", 200)
    response.headers["HX-Redirect"] = url
    return response


def answer(html: str, *, status: int = 200, url: str | None = None, keep: bool = False) -> Response:
    """The page or part. For a part, `url` is the address to show, and `keep` leaves the old content of the target."""
    response = make_response(html, status)
    response.vary.update((_REQUEST, _RESTORE))
    if wanted():
        if url is not None:
            response.headers["HX-Push-Url"] = url
        if keep:
            response.headers["HX-Reswap"] = "none"
        packed.pack_part(response, auth.csrf_token())
    return response
