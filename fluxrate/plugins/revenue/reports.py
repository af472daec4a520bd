"""A revenue answer, described once: figures of each currency, and the rows that they are made of.

A `Report` lists its columns, and everything else follows from them: the schema of the API reference, the JSON with
every figure, and the table with a row for each row. Amounts have all the places of their currency, instants are in the
zone that was asked in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from operator import attrgetter
from typing import Any, NamedTuple

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


class Told(NamedTuple):
    """What a view found: one thing with a `currency` for each; the names behind the keys of its rows, the window and
    the sequence that it covers where it has them.
    """

    data: Sequence[Any]
    asked: Asked
    names: Named[Any] | None = None
    window: Window | None = None
    as_of: int | None = None


class Place(NamedTuple):
    """Where a value stands: in which currency and zone, and among whom."""

    currency: str
    zone: str
    names: Named[Any] | None


@dataclass(frozen=True, slots=True)
class Column:
    """One figure or one column: its name, what the reference says of it, and its value of an item."""

    name: str
    field: fields.Field
    of: Callable[[Any, Place], Any]


Source = str | Callable[[Any], Any]
"""Where a value is found in an item: its attribute, or what a function finds; the attribute of the name unless said."""


def money(name: str, source: Source = "", about: str = "", *, null: bool = False) -> Column:
    """An amount, from minor units; `null` where there may be none."""
    read = _reader(source or name)

    def of(item: Any, place: Place) -> Any:
        amount = read(item)
        return None if amount is None else minor_units.amount(amount, place.currency)

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
    return Column(name, fields.DateTime(), lambda item, place: rfc3339(read(item), place.zone))


def date(name: str, source: Source = "") -> Column:
    """A day."""
    read = _reader(source or name)
    return Column(name, fields.Date(), lambda item, place: date_text(read(item)))


def part(name: str, kind: str, columns: tuple[Column, ...], source: Source = "") -> Column:
    """One thing that has columns of its own; the reference calls it by its kind."""
    read = _reader(source or name)
    field = fields.Nested(_schema(kind, columns))
    return Column(name, field, lambda item, place: _row(columns, read(item), place))


def several(name: str, kind: str, columns: tuple[Column, ...], source: Source = "", about: str = "") -> Column:
    """A list of such things."""
    read = _reader(source or name)
    field = fields.List(fields.Nested(_schema(kind, columns)), metadata=_said(about))
    return Column(name, field, lambda item, place: [_row(columns, one, place) for one in read(item)])


CUSTOMER = (
    Column("customer_id", fields.UUID(), lambda item, place: _named(place).customers[item.customer].id),
    Column(
        "customer_external_id", fields.String(), lambda item, place: _named(place).customers[item.customer].external_id
    ),
)
WHO = (
    Column("subscription_id", fields.UUID(), lambda item, place: _named(place).subscriptions[item.subscription]),
    *CUSTOMER,
)
INVOICE = Column("invoice_id", fields.UUID(), lambda item, place: _named(place).invoices[item.invoice])
PERIOD = (
    Column("period_start", fields.DateTime(), lambda item, place: _billing_period(item, place).period_start),
    Column("period_end", fields.DateTime(), lambda item, place: _billing_period(item, place).period_end),
)
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
        rows: Iterator[list[Any]] = (
            [each.currency, *(column.of(row, place) for column in self.columns)]
            for each in found.data
            for place in (_place(each, found),)
            for row in _reader(self.rows)(each)
        )
        ends = "-to-".join(getattr(found.window, name)[:10] for name in self.window)
        name = f"{self.name}-{ends}" if ends else self.name
        return sheet(name, ["currency", *(column.name for column in self.columns)], rows, as_of=found.as_of)

    def _of_currency(self, each: Any, place: Place) -> dict[str, Any]:
        shape = {"currency": each.currency, **_row(self.figures, each, place)}
        if self.key:
            shape[self.key] = [_row(self.columns, row, place) for row in _reader(self.rows)(each)]
        return shape


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
    return Column(name, field, lambda item, place: read(item))


def _row(columns: Sequence[Column], item: Any, place: Place) -> dict[str, Any]:
    return {column.name: column.of(item, place) for column in columns}


def _billing_period(item: Any, place: Place) -> Window:
    return Window(item.start, item.end, place.zone)


def _place(each: Any, found: Told) -> Place:
    return Place(each.currency, found.asked.zone, found.names)


def _named(place: Place) -> Named[Any]:
    if place.names is None:
        raise TypeError("Rows that say who they are of come with names.")
    return place.names


@cache
def _schema(name: str, columns: tuple[Column, ...]) -> type[Schema]:
    """One class for one kind of thing, wherever it stands: the reference describes it once."""
    return _named_schema(name, {column.name: column.field for column in columns})


def _named_schema(name: str, inside: dict[str, fields.Field]) -> type[Schema]:
    """A schema under the name that the API reference calls it by."""
    return type("".join(part.capitalize() for part in name.replace("_", "-").split("-")) + "Schema", (Schema,), inside)


def _said(about: str) -> dict[str, str]:
    return {"description": about} if about else {}
