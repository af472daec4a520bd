"""Bodies in: bounded, unpacked, of a stated type; and the parser that reads parameters strictly.

An unknown query parameter or body field is refused, because a mistyped filter that answers everything is a wrong
figure.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import msgspec
from flask import Request, Response, current_app, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError, fields, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import ClientDisconnected, LengthRequired

from fluxrate.core import text
from fluxrate.core.errors import Malformed, TooLarge, UnsupportedMedia
from fluxrate.http.application import Asked
from fluxrate.http.texts import Texts

JSON = "application/json"

_FAULTS_SHOWN = 10
_LENGTH_DIGITS = 18
_UNUSUAL = frozenset({"HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"})
_MESSAGES = {"Unknown field.": "is unknown here.", "Missing data for required field.": "is missing."}
_NOTHING = object()

View = TypeVar("View", bound=Callable[..., Any])


META = "meta."
"""How a parameter begins that filters by metadata."""


def metadata_filters() -> list[tuple[str, str]]:
    """The request's metadata filters as (key, value), in their order. Raises Malformed for one without a key."""
    sent = _parameters(request._get_current_object())  # type: ignore[attr-defined]
    found = [(name[len(META) :], value) for name in sent if name.startswith(META) for value in sent[name]]
    if any(not key for key, _ in found):
        raise Malformed("A metadata filter is meta.KEY=VALUE, but one without a key came.", field="meta")
    return found


def _parameters(asked: Request) -> dict[str, list[str]]:
    found: dict[str, list[str]] = cast(Asked, asked).parameters
    return found


class Invalid(Malformed):
    """Several fields are wrong at once; `errors` says what is wrong with each, as far as a reader can use it."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        shown, more = faults[:_FAULTS_SHOWN], len(faults) - _FAULTS_SHOWN
        sentences = [f"{name} {said}" for name, said in shown] + ([f"So are {more} more."] if more > 0 else [])
        super().__init__(" ".join(sentences))
        self.errors: dict[str, list[str]] = {}
        for name, said in shown:
            self.errors.setdefault(name, []).append(said)


def read_body(*types: str) -> bytes:
    """The request's body, unpacked if it came as gzip. Raises UnsupportedMedia for other types, TooLarge beyond the
    limit.
    """
    body = _plain(types)
    return _judged(types) if body is None else body


def _plain(types: Sequence[str]) -> bytes | None:
    """The body of a request that leaves nothing to ask, as nearly every one does; None where there is."""
    environ = request.environ
    length = environ.get("CONTENT_LENGTH") or ""
    if environ.get("CONTENT_TYPE") not in types or not _UNUSUAL.isdisjoint(environ) or len(length) > _LENGTH_DIGITS:
        return None
    if not (length.isascii() and length.isdigit()) or int(length) > current_app.config["MAX_CONTENT_LENGTH"]:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    if len(body) < int(length):
        raise ClientDisconnected
    return body


def _judged(types: Sequence[str]) -> bytes:
    """As `read_body`, one question after another."""
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

    DEFAULT_UNKNOWN_BY_LOCATION = FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION | {"query": RAISE, "json": RAISE}

    def use_args(self, argmap: Any, *args: Any, **options: Any) -> Callable[..., Callable[..., Any]]:
        """As webargs does, with one instance of a schema for all requests: making one takes longer than reading."""
        schema = _instance(argmap) if isinstance(argmap, type) else argmap
        if options.get("location") == "query":
            return self._use_query(schema)
        return super().use_args(schema, *args, **options)

    def _use_query(self, schema: Schema) -> Callable[..., Callable[..., Any]]:
        texts = Texts(schema)

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            # Around it is a function of flask-smorest's that only calls it.
            own: Callable[..., Any] = getattr(view, "__wrapped__", view)

            @wraps(view)
            def reading(*args: Any, **more: Any) -> Any:
                asked: Request = request._get_current_object()  # type: ignore[attr-defined]
                found = texts.read(self.load_querystring(asked, schema))
                if found is None:
                    found = self.parse(schema, asked, location="query")
                return own(*args, found, **more)

            return reading

        return decorate

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """The query parameters; a list is repeated, everything else stands there once.

        Parameters that begin with `meta.` are left to `metadata_filters` where the schema says `takes_metadata`.
        """
        found: dict[str, Any] = {}
        for name, values in _parameters(req).items():
            field = schema.fields.get(name)
            several = isinstance(field, fields.List)
            if len(values) > 1 and field is not None and not several:
                raise Malformed(f"{name} is given once, but {len(values)} came.", field=name)
            if "\0" in "".join((name, *values)):
                raise Malformed(f"{text.show(name)[1:-1]} holds a NUL character, which no text may.", field=name)
            if not name.startswith(META) or not getattr(schema, "takes_metadata", False):
                found[name] = values if several else values[0]
        return found

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
        raise Invalid(list(_flat(next(iter(messages.values()), {}), error.data, ""))) from error


def checked(schema: Schema, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema reads of a body that came some other way than by HTTP; raises Invalid as for one that did."""
    try:
        found: dict[str, Any] = schema.load(sent, unknown=RAISE)
    except ValidationError as error:
        raise Invalid(list(_flat(error.normalized_messages(), error.data, ""))) from error
    return found


def _instance(schema: type[Schema]) -> Schema:
    """A schema that passes over what is absent, where absence means nothing: most parameters of most requests."""
    fields_ = schema().fields
    free = {name for name, field in fields_.items() if not field.required and field.load_default is missing}
    return schema(partial=free)


def _flat(messages: Any, sent: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each fault as the field's path and what is wrong with it, in messages that are nested like what was sent."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            shown = text.show(name)[1:-1] if isinstance(name, str) else str(name)
            yield from _flat(inner, _inside(sent, name), f"{path}.{shown}" if path else shown)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield path, _sentence(str(message), sent)


def _inside(sent: Any, name: Any) -> Any:
    if isinstance(sent, Mapping):
        return sent.get(name, _NOTHING)
    return sent[name] if isinstance(sent, list) and isinstance(name, int) and name < len(sent) else _NOTHING


def _sentence(message: str, sent: Any) -> str:
    if message in _MESSAGES:
        return _MESSAGES[message]
    if message.startswith("is "):
        return message
    if sent is _NOTHING:
        return f"is wrong: {message}"
    return f"is wrong: {message.rstrip('.')}, but {text.show(sent)} came."


class ApiBlueprint(Blueprint):
    """A flask-smorest blueprint that reads its arguments strictly.

    Around each view flask-smorest puts a function for everything that is said of it. Most of them only call the next
    one: of these what they say is kept, without a step more in every call.
    """

    ARGUMENTS_PARSER = StrictParser()

    def alt_response(self, *args: Any, **options: Any) -> Callable[[View], View]:
        """As flask-smorest does."""
        say = super().alt_response(*args, **options)

        def decorate(view: View) -> View:
            view._apidoc = say(view)._apidoc  # type: ignore[attr-defined]
            return view

        return decorate

    def response(self, *args: Any, **options: Any) -> Callable[[View], View]:
        """As flask-smorest does; what is a response already needs nothing done."""
        say = super().response(*args, **options)
        made = say(_itself)

        def decorate(view: View) -> View:
            @wraps(view)
            def answering(*args: Any, **more: Any) -> Any:
                found = view(*args, **more)
                return found if isinstance(found, Response) else made(found)

            answering._apidoc = say(view)._apidoc  # type: ignore[attr-defined]
            return answering  # type: ignore[return-value]

        return decorate


def _itself(value: Any) -> Any:
    return value
