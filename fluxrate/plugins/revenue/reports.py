"""A revenue answer, described once: figures of each currency, and the rows that they are made of.

A `Report` lists its columns, and everything else follows from them: the schema of the API reference, the JSON with
every figure, and the table with a row for each row. Amounts have all the places of their currency, instants are in the
zone that was asked in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from itertools import repeat, starmap
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from flask import Response
from marshmallow import Schema, fields

from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.revenue import money as minor_units
from fluxrate.core.revenue.reading import Named
from fluxrate.core.revenue.words import date_text
from fluxrate.http.answers import answer
from fluxrate.http.auth import scope
from fluxrate.http.bodies import ApiBlueprint
from fluxrate.http.sheets import CSV, SHEET, sheet
from fluxrate.plugin import services
from fluxrate.plugins.revenue.asking import Asked

WINDOW = ("period_start", "period_end")
_ENVELOPE = {
    "period_start": fields.DateTime,
    "period_end": fields.DateTime,
    "timezone": fields.String,
    "as_of": fields.Integer,
}

_NOBODY: Named[Any] = Named([], {}, {})


class Told(NamedTuple):
    """What a view found: one thing with a `currency` for each; the names behind the keys of its rows, the window and
    the sequence that it covers where it has them.
    """

    data: Sequence[Any]
    asked: Asked
    names: Named[Any] = _NOBODY
    window: Window | None = None
    as_of: int | None = None


class Place(NamedTuple):
    """Where a value stands: in which currency and zone, and among whom."""

    currency: str
    zone: str
    names: Named[Any]


Source = str | Callable[[Any], Any]
"""Where a value is found in an item: its attribute, or what a function finds; the attribute of the name unless said."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure or one column: its name, what the reference says of it, and its values of some items at a place.

    Of all items at once, since an answer may have a hundred thousand values: a call for each took twice as long.
    """

    name: str
    field: fields.Field
    of: Callable[[Sequence[Any], Place], Sequence[Any]]


def money(name: str, source: Source = "", about: str = "", *, null: bool = False) -> Column:
    """An amount, from minor units; `null` where there may be none."""
    read, amount = _reader(source or name), minor_units.amount

    def of(items: Sequence[Any], place: Place) -> list[Any]:
        code = place.currency
        if null:
            return [None if minor is None else amount(minor, code) for minor in map(read, items)]
        return [amount(minor, code) for minor in map(read, items)]

    return Column(name, fields.Decimal(allow_none=null, metadata=_said(about)), of)


def whole(name: str, source: Source = "", about: str = "", *, null: bool = False) -> Column:
    """A whole number."""
    return _as_is(name, source, fields.Integer(allow_none=null, metadata=_said(about)))


def rate(name: str, source: Source = "", about: str = "") -> Column:
    """A quotient; null where there is nothing to divide by."""
    return _as_is(name, source, fields.Decimal(allow_none=True, metadata=_said(about)))


def text(name: str, source: Source = "") -> Column:
    """A word."""
    return _as_is(name, source, fields.String())


def flag(name: str, source: Source = "") -> Column:
    """True or false."""
    return _as_is(name, source, fields.Boolean())


def instant(name: str, source: Source = "") -> Column:
    """A moment."""
    read = _reader(source or name)
    return Column(name, fields.DateTime(), lambda items, place: [rfc3339(at, place.zone) for at in map(read, items)])


def date(name: str, source: Source = "") -> Column:
    """A day."""
    read = _reader(source or name)
    return Column(name, fields.Date(), lambda items, place: [date_text(day) for day in map(read, items)])


def part(name: str, kind: str, columns: tuple[Column, ...], source: Source = "") -> Column:
    """One thing that has columns of its own; the reference calls it by its kind."""
    read = _reader(source or name)
    field = fields.Nested(_schema(kind, columns))
    return Column(name, field, lambda items, place: _rows(columns, [*map(read, items)], place))


def several(name: str, kind: str, columns: tuple[Column, ...], source: Source = "", about: str = "") -> Column:
    """A list of such things."""
    read = _reader(source or name)
    field = fields.List(fields.Nested(_schema(kind, columns)), metadata=_said(about))
    return Column(name, field, lambda items, place: [_rows(columns, [*read(item)], place) for item in items])


def _public(name: str, field: fields.Field, key: str, known: Callable[[Named[Any]], Mapping[int, Any]]) -> Column:
    """What is `known` outside of a key of the item."""
    read = attrgetter(key)

    def of(items: Sequence[Any], place: Place) -> list[Any]:
        found = known(place.names)
        return [found[pk] for pk in map(read, items)]

    return Column(name, field, of)


def _of_customer(name: str, attribute: str) -> Column:
    read = attrgetter(attribute)

    def of(items: Sequence[Any], place: Place) -> list[Any]:
        found = place.names.customers
        return [read(found[item.customer]) for item in items]

    return Column(name, fields.String() if attribute == "external_id" else fields.UUID(), of)


def _of_period(name: str) -> Column:
    read = attrgetter(name)

    def of(items: Sequence[Any], place: Place) -> list[Any]:
        periods = [(item.start, item.end) for item in items]
        # Many subscriptions are billed over the same ones.
        known = {period: read(Window(*period, place.zone)) for period in set(periods)}
        return [known[period] for period in periods]

    return Column(name, fields.DateTime(), of)


CUSTOMER = (_of_customer("customer_id", "id"), _of_customer("customer_external_id", "external_id"))
WHO = (_public("subscription_id", fields.UUID(), "subscription", lambda names: names.subscriptions), *CUSTOMER)
INVOICE = _public("invoice_id", fields.UUID(), "invoice", lambda names: names.invoices)
PERIOD = tuple(map(_of_period, WINDOW))
"""A billing period from its first to its last second."""


@dataclass(frozen=True, slots=True)
class Report:
    """`name` is that of its table and of its schema; `rows` are the rows of a currency, which have `columns`, and stand
    under `key` in JSON (None: in the table alone). The answer has the ends of its `window`, and `as_of` if it is of one
    sequence.
    """

    name: str
    figures: tuple[Column, ...]
    columns: tuple[Column, ...]
    rows: Source = "items"
    key: str | None = "items"
    window: tuple[str, ...] = WINDOW
    as_of: bool = False

    @property
    def schema(self) -> type[Schema]:
        """What the API reference says of the JSON."""
        own = [text("currency"), *self.figures]
        if self.key:
            own.append(several(self.key, f"{self.name}-row", self.columns, self.rows))
        data = fields.List(fields.Nested(_schema(f"{self.name}-of-currency", tuple(own))))
        names = (*self.window, "timezone", *(("as_of",) if self.as_of else ()))
        return _named_schema(self.name, {"data": data, **{name: _ENVELOPE[name]() for name in names}})

    def shape(self, found: Told) -> dict[str, Any]:
        """The JSON."""
        ends = {name: getattr(found.window, name) for name in self.window}
        covered = {"as_of": found.as_of} if self.as_of else {}
        data = [self._of_currency(each, _place(each, found)) for each in found.data]
        return {"data": data, **ends, "timezone": found.asked.zone, **covered}

    def table(self, found: Told) -> Response:
        """The table: a row for each row, its currency first."""
        rows = (row for each in found.data for row in self._cells(each, _place(each, found)))
        ends = "-to-".join(getattr(found.window, name)[:10] for name in self.window)
        name = f"{self.name}-{ends}" if ends else self.name
        return sheet(name, ["currency", *(column.name for column in self.columns)], rows, as_of=found.as_of)

    def _of_currency(self, each: Any, place: Place) -> dict[str, Any]:
        shape = {"currency": each.currency}
        shape |= {column.name: column.of([each], place)[0] for column in self.figures}
        if self.key:
            shape[self.key] = _rows(self.columns, [*_reader(self.rows)(each)], place)
        return shape

    def _cells(self, each: Any, place: Place) -> Iterator[Sequence[Any]]:
        rows = [*_reader(self.rows)(each)]
        return zip(repeat(place.currency), *(column.of(rows, place) for column in self.columns), strict=False)


View = Callable[[Asked], Told]


def reported(blueprint: ApiBlueprint, path: str, report: Report, args: type[Schema]) -> Callable[[View], View]:
    """Answer `GET path` with the report on what the view finds, as JSON or as a table."""

    def decorate(view: View) -> View:
        @wraps(view)
        def read(sent: dict[str, Any]) -> Response:
            asked = Asked(sent, services())
            found = view(asked)
            return report.table(found) if asked.as_table else answer(report.shape(found), as_of=found.as_of)

        described = blueprint.alt_response(200, schema=SHEET, content_type=CSV)(read)
        described = blueprint.response(200, report.schema)(described)
        described = blueprint.arguments(args, location="query")(described)
        blueprint.get(path)(scope("usage.read")(described))
        return view

    return decorate


def _reader(source: Source) -> Callable[[Any], Any]:
    return attrgetter(source) if isinstance(source, str) else source


def _as_is(name: str, source: Source, field: fields.Field) -> Column:
    read = _reader(source or name)
    return Column(name, field, lambda items, place: [*map(read, items)])


def _rows(columns: Sequence[Column], items: Sequence[Any], place: Place) -> list[msgspec.Struct]:
    """A JSON object for each item; one of a type of its own is made and written in half the time of a dict."""
    kind = _object(tuple(column.name for column in columns))
    return [*starmap(kind, zip(*(column.of(items, place) for column in columns), strict=True))]


@cache
def _object(names: tuple[str, ...]) -> type[msgspec.Struct]:
    return msgspec.defstruct("Row", names, gc=False)


def _place(each: Any, found: Told) -> Place:
    return Place(each.currency, found.asked.zone, found.names)


@cache
def _schema(name: str, columns: tuple[Column, ...]) -> type[Schema]:
    """One class for one kind of thing, wherever it stands: the reference describes it once."""
    return _named_schema(name, {column.name: column.field for column in columns})


def _named_schema(name: str, inside: dict[str, fields.Field]) -> type[Schema]:
    """A schema under the name that the API reference calls it by."""
    return type("".join(part.capitalize() for part in name.replace("_", "-").split("-")) + "Schema", (Schema,), inside)


def _said(about: str) -> dict[str, str]:
    return {"description": about} if about else {}
