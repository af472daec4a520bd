"""Errors out: RFC 9457 problems for the API, pages in style for people, chosen by path in one place.

`detail` is always one sentence. What was not foreseen is logged with its traceback and answered without one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from apispec import APISpec
from flask import Flask, Response, request
from flask_smorest import Api
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from fluxrate.core.errors import FluxrateError
from fluxrate.core.seldom import Seldom
from fluxrate.http.schemas import ProblemSchema

PROBLEM = "application/problem+json"
PageMaker = Callable[[int, str, str], Response]

_LOG = logging.getLogger(__name__)
_REFUSED_LOG = Seldom(_LOG)
_MACHINE_PATHS = ("/api/", "/openapi.json", "/health", "/ready", "/metrics")
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_DESCRIBED = {
    400: "A rule of the product is broken.",
    401: "No API key came, or one that is unknown or revoked.",
    403: "The key lacks the scope of this call, or a browser's request may be forged.",
    404: "Something that the call names does not exist.",
    409: "The change collides with what is there.",
    411: "The request does not state the length of its body.",
    413: "The body or batch is too large.",
    415: "The body is in a format that this call does not read.",
    422: "A parameter or the body is malformed, or unknown here.",
    429: "The key makes more requests than `RATE_LIMIT` allows; `Retry-After` says when to go on.",
    500: "Something failed on the server, which logged it.",
    503: "The store is away; nothing was half done, and trying again is safe.",
}
SERVER_ERROR = "The server could not answer this; its log has the reason."


class ProblemApi(Api):
    """flask-smorest without its own app-wide error handler: `register` below answers every path."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to `register`."""


def register(app: Flask, page: PageMaker) -> None:
    """Answer every error of the application; `page(status, title, detail)` makes those that people see."""

    def respond(status: int, title: str, detail: str, more: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
        response = problem(status, title, detail, more) if _for_machines() else page(status, title, detail)
        response.headers.update(headers)
        return response

    def refused(error: FluxrateError) -> Response:
        if error.status >= 500:
            _REFUSED_LOG.warning("%s %s: %s", request.method, request.path, error.detail)
        retry = getattr(error, "retry_after", None)
        return respond(error.status, error.title, error.detail, _more(error), _headers(error.status, retry))

    def http(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            # A redirect is raised as an exception, too.
            return error.get_response()  # type: ignore[return-value]
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return respond(status, HTTP_STATUS_CODES.get(status, "Error"), _sentence(app, error), {}, headers)

    def unforeseen(error: Exception) -> Response:
        _LOG.exception("%s %s failed", request.method, request.path)
        return respond(500, "Something failed", SERVER_ERROR, {}, {})

    app.register_error_handler(FluxrateError, refused)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unforeseen)


def problem(status: int, title: str, detail: str, more: Mapping[str, Any] | None = None) -> Response:
    """One problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(more or {})}
    return Response(msgspec.json.encode(body), status, content_type=PROBLEM)


def _for_machines() -> bool:
    return request.path.startswith(_MACHINE_PATHS)


def _more(error: FluxrateError) -> dict[str, Any]:
    errors = getattr(error, "errors", None)
    if errors is None and error.field:
        errors = {error.field: [error.detail]}
    return {"errors": errors} if errors else {}


def _headers(status: int, retry_after: int | None) -> dict[str, str]:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return headers | ({"WWW-Authenticate": "Bearer"} if status == 401 else {})


def _sentence(app: Flask, error: HTTPException) -> str:
    if isinstance(error, RequestEntityTooLarge):
        return f"A body is at most {app.config['MAX_CONTENT_LENGTH']} bytes."
    if error.code == 404:
        return f"There is nothing at {request.path[:200].encode('unicode_escape').decode()}."
    if error.code == 405:
        return f"{request.path[:200].encode('unicode_escape').decode()} does not take {request.method[:20]}."
    return str(error.description or error.name)


def describe(spec: APISpec) -> None:
    """Say in the OpenAPI document which errors a call answers with, each as a problem.

    flask-smorest writes the one of its own parser and a catch-all, both as application/json.
    """
    spec.components.schemas.pop("PaginationMetadata", None)
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    spec.components.responses.clear()
    for status, description in _DESCRIBED.items():
        spec.components.response(_component(status), {"description": description, "content": content})
    for path in spec.to_dict()["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                refs = {str(status): {"$ref": f"#/components/responses/{_component(status)}"} for status in _DESCRIBED}
                wanted = _statuses(method, operation) | operation["responses"].keys()
                kept = {code: said for code, said in operation["responses"].items() if code not in ("default", "422")}
                operation["responses"] = kept | {code: ref for code, ref in refs.items() if code in wanted}


def _component(status: int) -> str:
    return f"Problem{status}"


def _statuses(method: str, operation: Mapping[str, Any]) -> set[str]:
    """The errors that a call can answer with, by what it reads and does."""
    body = {"411", "413", "415"} if "requestBody" in operation else set()
    change = {"400", "409"} if method != "get" else set()
    return {"401", "403", "404", "422", "429", "500", "503"} | body | change
