"""Bodies in: bounded, unpacked, of a stated type; and the parser that reads parameters strictly.

An unknown query parameter or body field is refused, because a mistyped filter that answers everything is a wrong figure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import msgspec
from flask import Request, current_app, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import LengthRequired

from fluxrate.core import text
from fluxrate.core.errors import Malformed, TooLarge, UnsupportedMedia

JSON = "application/json"


class Invalid(Malformed):
    """Several fields are wrong at once; `errors` says what is wrong with each."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(" ".join(f"{name} {one}" for name, said in errors.items() for one in said))
        self.errors = errors


def read_body(*types: str) -> bytes:
    """The request's body, unpacked if it came as gzip. Raises UnsupportedMedia for other types, TooLarge beyond the limit."""
    if request.mimetype not in types:
        came = text.show(request.mimetype) if request.mimetype else "none"
        raise UnsupportedMedia(f"The Content-Type is {' or '.join(types)}, but {came} came.")
    if request.content_length is None and "Transfer-Encoding" in request.headers:
        # A server that passes chunks through would have the body cut at the limit without a word.
        raise LengthRequired("The request states its Content-Length.")
    packed = request.get_data(cache=False)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return packed
    if encoding != "gzip":
        raise UnsupportedMedia(f"The Content-Encoding is gzip or identity, but {text.show(encoding)} came.")
    return _unpacked(packed, current_app.config["MAX_CONTENT_LENGTH"])


def _unpacked(packed: bytes, most: int) -> bytes:
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        body = unpack.decompress(packed, most + 1)
    except zlib.error as why:
        raise Malformed("The body is said to be gzip, but it cannot be unpacked.") from why
    if len(body) > most:
        raise TooLarge(f"The unpacked body is at most {most} bytes.")
    if not unpack.eof or unpack.unused_data:
        raise Malformed("The body is one whole gzip stream, but it is cut short or followed by something else.")
    return body


class StrictParser(FlaskParser):
    """Reads marshmallow schemas from requests; whatever is unknown or wrong is a 422 with one sentence."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "json": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The JSON object of the body, of the right Content-Type."""
        try:
            found = msgspec.json.decode(read_body(JSON))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
            raise Malformed("The body is a JSON object, but it cannot be read as JSON.") from why
        if not isinstance(found, dict):
            raise Malformed(f"The body is a JSON object, but {text.show(found)} came.")
        return found

    def handle_error(  # type: ignore[override]
        self, error: ValidationError, req: Request, schema: Schema, *, error_status_code: int, error_headers: Any
    ) -> NoReturn:
        """Say every fault by field."""
        messages = error.normalized_messages()
        raise Invalid(dict(_flat(next(iter(messages.values()), {}), ""))) from error


def _flat(messages: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            shown = text.show(name)[1:-1] if isinstance(name, str) else str(name)
            yield from _flat(inner, f"{path}.{shown}" if path else shown)
    else:
        said = messages if isinstance(messages, list) else [messages]
        yield path, ["is unknown here." if one == "Unknown field." else f"is wrong: {one}" for one in said]


class ApiBlueprint(Blueprint):
    """A flask-smorest blueprint that reads its arguments strictly."""

    ARGUMENTS_PARSER = StrictParser()
