"""Query parameters that several endpoints share, for reading and for the OpenAPI document alike.

Values stay texts here: `core.query` reads them, so that the API and the pages understand the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from marshmallow import Schema, ValidationError, fields

from fluxrate.core import calendar, text
from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.model import Customer, Meter
from fluxrate.core.query import FILLS, FLAGS, LIMIT, MOST_ROWS, ORDERS, Query, choice
from fluxrate.core.shifts import COMPARISONS
from fluxrate.http.bodies import metadata_filters
from fluxrate.plugin import services

MOST_PAGE_SIZE = 100
MOST_EVENTS_PAGE_SIZE = 1_000
EVENTS_PAGE_SIZE = 50
MOST_PAGE = 1_000_000_000
FORMATS = ("json", "csv")
EVENT_FORMATS = ("json", "csv", "ndjson")


class WholeField(fields.Integer):
    """A whole number in plain ASCII digits: `int` alone would also take "1_0", " 7" and digits of every script."""

    def __init__(self, least: int, most: int, **more: Any) -> None:
        super().__init__(metadata={"minimum": least, "maximum": most}, **more)
        self._least, self._most = least, most

    def _validated(self, value: Any) -> int:
        digits = value if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else "-1"
        if not self._least <= int(digits) <= self._most:
            raise ValidationError(f"is a whole number from {self._least} to {self._most}, but {text.show(value)} came.")
        return int(digits)


def text_field(help_text: str, **more: Any) -> fields.String:
    """A parameter that is read as text; `help_text` is what the API reference says."""
    return fields.String(metadata={"description": help_text, **more})


def choice_field(help_text: str, choices: tuple[str, ...], default: str | None) -> fields.String:
    """A parameter that is one of a few texts, or none unless said; judged by `core.query`, listed in the reference."""
    described = {"description": help_text, "enum": list(choices)}
    return fields.String(metadata=described if default is None else {**described, "default": default})


def flag_field(help_text: str) -> fields.String:
    """A parameter that is true or false; judged by `core.query`."""
    return fields.String(metadata={"description": help_text, "type": "boolean", "default": False})


def limit_field(help_text: str) -> fields.String:
    """How many rows there are at most; judged by `core.query`."""
    described = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": LIMIT}
    return fields.String(metadata={"description": help_text, **described})


class TimezoneArgs(Schema):
    """The zone that calendar buckets and dates are in, and the moment an answer is as of."""

    timezone = text_field(
        "IANA name of the zone that dates and buckets are in; UTC unless said.", example="Europe/Berlin"
    )
    as_of = text_field(
        "Answer exactly as at this ingest sequence, or at this instant; what arrived later is left out.",
        example="1024",
    )


class WindowArgs(TimezoneArgs):
    """A half-open window of time."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")


class CustomerArgs(Schema):
    """A filter by customers."""

    customer_id = fields.List(
        fields.String(), metadata={"description": "Id or external id of a customer; several times: any of them."}
    )


class MetadataArgs(Schema):
    """Filters `meta.KEY=VALUE`, whose names are the sender's own and so are not listed."""

    takes_metadata = True


class GroupArgs(Schema):
    """How a window is cut into buckets."""

    group_by = choice_field("The calendar bucket.", calendar.GROUPS, "day")
    fill = choice_field("Whether buckets without events are listed.", FILLS, "zero")


class BreakdownArgs(Schema):
    """How figures are told apart."""

    breakdown = fields.List(
        fields.String(metadata={"example": "meta.region", "pattern": "^(customer|meta\\..+)$"}),
        metadata={
            "description": "`customer` or `meta.KEY`: a row for each value, largest first; given twice, for each pair.",
            "maxItems": 2,
        },
    )
    limit = limit_field("How many rows of the breakdown are told apart; the rest is one row more.")


class CompareArgs(Schema):
    """What figures are compared with."""

    compare = choice_field("The window before, or the same dates a year earlier.", COMPARISONS, None)


class FormatArgs(Schema):
    """What an answer is written as."""

    format = choice_field("JSON, or a table with a header row.", FORMATS, FORMATS[0])


class PageArgs(Schema):
    """Which page of a list."""

    page = WholeField(1, MOST_PAGE, load_default=1)
    page_size = WholeField(1, MOST_PAGE_SIZE, load_default=20)


class TableArgs(PageArgs, FormatArgs):
    """A list as pages of JSON, or whole as a table."""


class EventListArgs(WindowArgs, CustomerArgs, MetadataArgs):
    """What narrows and orders a list of events."""

    min_quantity = text_field("Only events of at least this quantity.", example="1.5")
    max_quantity = text_field("Only events of at most this quantity.")
    voided = choice_field("Only voided events (true) or only those that count (false).", FLAGS, None)
    order = choice_field("Newest first (desc) or oldest first (asc).", ORDERS, "desc")
    page = WholeField(1, MOST_PAGE, load_default=1)
    page_size = WholeField(1, MOST_EVENTS_PAGE_SIZE, load_default=EVENTS_PAGE_SIZE)
    format = choice_field(
        "One page as JSON, or every event that matches as a table or as lines of JSON.", EVENT_FORMATS, EVENT_FORMATS[0]
    )


def query_of(args: Mapping[str, Any], *, group_by: str | None = None) -> Query:
    """The query that parsed parameters stand for; `group_by` is the default grouping."""
    parts = services()
    texts = {name: value for name, value in args.items() if isinstance(value, str)}
    if group_by is not None and not texts.get("group_by"):
        texts["group_by"] = group_by
    return Query.parse(
        texts,
        now=parts.clock(),
        seq_at=parts.store.events.seq_at,
        customers=args.get("customer_id") or (),
        meta=metadata_filters(),
        breakdown=args.get("breakdown") or (),
    )


def wants_csv(args: dict[str, Any]) -> bool:
    """Take `format` out of the parameters; raises Malformed for one that is not known."""
    return choice("format", args.pop("format", None), FORMATS) == "csv"


def refuse_pages(kind: str) -> None:
    """Raise Malformed where a page is asked of what is written as a whole."""
    for name in ("page", "page_size"):
        if name in request.args:
            raise Malformed(
                f"{name} is for format=json; format={kind} has everything that matches, but {name} came.", field=name
            )


def meter_of(reference: str) -> Meter:
    """The meter of an id, meter_name or meter_token in a path; raises NotFound."""
    found = services().catalog.meter(reference)
    if found is None:
        raise NotFound(f"No meter has the id, meter_name or meter_token {text.show(reference)}.", field="meter_id")
    return found


def customer_of(reference: str) -> Customer:
    """The customer of an id or external id in a path; raises NotFound."""
    return services().engine.customer(reference)
