"""Typed refusals, a leaf module: each says in one sentence what was expected and what came.

`status` is the HTTP status an edge answers with; `field` names the parameter, body field or column at fault, if one is.
Every other module raises these instead of bare ValueErrors, so that the command line, the API and the pages speak
alike.
"""

from __future__ import annotations


class FluxrateError(Exception):
    """Base of everything Fluxrate refuses on purpose; `detail` is one sentence fit to show a user."""

    status = 500
    title = "Something failed"

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class RuleBroken(FluxrateError):
    """The request is well-formed but breaks a rule of the product (400)."""

    status = 400
    title = "A rule is broken"


class Unauthenticated(FluxrateError):
    """No key, a bad key, or no session (401)."""

    status = 401
    title = "Not signed in"


class Forbidden(FluxrateError):
    """Known, but not allowed to do this (403)."""

    status = 403
    title = "Not allowed"


class NotFound(FluxrateError):
    """The thing named does not exist (404)."""

    status = 404
    title = "Not found"


class Conflict(FluxrateError):
    """The change collides with what is there, such as a name already taken (409)."""

    status = 409
    title = "Conflict"


class TooLarge(FluxrateError):
    """A body, batch or field is larger than its limit (413)."""

    status = 413
    title = "Too large"


class UnsupportedMedia(FluxrateError):
    """The body is in a format this endpoint does not read (415)."""

    status = 415
    title = "Unsupported media type"


class Malformed(FluxrateError):
    """A parameter or body cannot be read as what it should be (422)."""

    status = 422
    title = "Malformed request"


class TooMany(FluxrateError):
    """Asked too often (429); `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int, field: str | None = None) -> None:
        super().__init__(detail, field=field)
        self.retry_after = retry_after


class Unavailable(FluxrateError):
    """Something Fluxrate depends on is away (503); nothing was half done, and trying again is safe."""

    status = 503
    title = "Temporarily unavailable"
    retry_after = 1


class ConfigError(FluxrateError):
    """A setting, plugin or instance is wrong; start-up stops and names it."""

    title = "Wrong configuration"
