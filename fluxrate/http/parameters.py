"""Query parameters that several endpoints share, for reading and for the OpenAPI document alike.

Values stay texts here: `core.query` reads them, so that the API and the pages understand the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import request
from marshmallow import Schema, fields, validate

from fluxrate.core import calendar
from fluxrate.core.errors import Malformed, NotFound
from fluxrate.core.model import Customer, Meter
from fluxrate.core.query import FILLS, ORDERS, Query
from fluxrate.plugin import services

MOST_PAGE_SIZE = 100
MOST_EVENTS_PAGE_SIZE = 1_000
EVENTS_PAGE_SIZE = 50
MOST_PAGE = 1_000_000_000


def text_field(help_text: str, **more: Any) -> fields.String:
    """A parameter that is read as text; `help_text` is what the API reference says."""
    return fields.String(metadata={"description": help_text, **more})


def choice_field(help_text: str, choices: tuple[str, ...], default: str) -> fields.String:
    """A parameter that is one of a few texts; judged by `core.query`, listed in the reference."""
    return fields.String(metadata={"description": help_text, "enum": list(choices), "default": default})


class TimezoneArgs(Schema):
    """The zone that calendar buckets and dates are in, and the moment an answer is as of."""

    timezone = text_field("IANA name of the zone that dates and buckets are in; UTC unless said.", example="Europe/Berlin")
    as_of = text_field("Answer exactly as at this ingest sequence.")


class WindowArgs(TimezoneArgs):
    """A half-open window of time."""

    start_date = text_field("A date, or an instant; 30 days before the end unless said.", example="2025-01-01")
    end_date = text_field("A date (the whole of it counts), or an instant; now unless said.", example="2025-01-31")


class CustomerArgs(Schema):
    """A filter by customers."""

    customer_id = fields.List(
        fields.String(), metadata={"description": "Id or external id of a customer; several times: any of them."}
    )


class GroupArgs(Schema):
    """How a window is cut into buckets."""

    group_by = choice_field("The calendar bucket.", calendar.GROUPS, "day")
    fill = choice_field("Whether buckets without events are listed.", FILLS, "zero")


class PageArgs(Schema):
    """Which page of a list."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, MOST_PAGE), strict=False)
    page_size = fields.Integer(load_default=20, validate=validate.Range(1, MOST_PAGE_SIZE))


class EventListArgs(WindowArgs, CustomerArgs):
    """What narrows and orders a list of events."""

    min_quantity = text_field("Only events of at least this quantity.", example="1.5")
    max_quantity = text_field("Only events of at most this quantity.")
    order = choice_field("Newest first (desc) or oldest first (asc).", ORDERS, "desc")
    page = fields.Integer(load_default=1, validate=validate.Range(1, MOST_PAGE))
    page_size = fields.Integer(load_default=EVENTS_PAGE_SIZE, validate=validate.Range(1, MOST_EVENTS_PAGE_SIZE))


def query_of(args: Mapping[str, Any], *, group_by: str | None = None) -> Query:
    """The query that parsed parameters stand for; `group_by` is the default grouping."""
    texts = {"group_by": group_by, **{name: value for name, value in args.items() if isinstance(value, str)}}
    _refuse_repeats(args)
    customers = args.get("customer_id") or ()
    return Query.parse(texts, now=services().clock(), customers=customers)


def _refuse_repeats(args: Mapping[str, Any]) -> None:
    for name in args:
        values = request.args.getlist(name)
        if len(values) > 1 and not isinstance(args[name], list):
            raise Malformed(f"{name} is given once, but {len(values)} came.", field=name)


def meter_of(reference: str) -> Meter:
    """The meter of an id, meter_name or meter_token in a path; raises NotFound."""
    found = services().store.meters.find(reference) if "\0" not in reference else None
    if found is None:
        raise NotFound(f"No meter has the id, meter_name or meter_token {reference!r}.", field="meter_id")
    return found


def customer_of(reference: str) -> Customer:
    """The customer of an id or external id in a path; raises NotFound."""
    return services().engine.customer(reference)
