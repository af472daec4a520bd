"""What the Usage Logs are asked for: the query string read forgivingly, and the one address that means the same.

A metadata filter is `meta.KEY=VALUE` in an address, as in the API. A form without script cannot name a field after what
is typed into it, so its fields are named `meta` and hold `KEY=VALUE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from werkzeug.datastructures import MultiDict

from fluxrate.core.calendar import parse_instant
from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.core.model import Customer, Meter
from fluxrate.core.query import META, Query
from fluxrate.core.text import show
from fluxrate.plugin import services
from fluxrate.web.customers import Match, matching
from fluxrate.web.links import WINDOW
from fluxrate.web.read import lenient, unclear

COUNTED = ("meter_id", "customer_id", "min_quantity", "max_quantity", "voided")
"""The filters that the folded form on a narrow screen counts, beside metadata; a window is always set."""
PARAMETERS = (*WINDOW, *COUNTED, "page", "page_size", "as_of", "at", "live")
TYPED = "meta"
PAGE_SIZES = (25, 50, 100, 250)
DEFAULT_SIZE = 50
MAX_SIZE = 1000


@dataclass(slots=True)
class Asked:
    """What the query string asks for, as far as it can be read; `errors` has a sentence per field that cannot.

    `typed` are the metadata filters as texts, also those that cannot be read; `at` is the time to jump to.
    """

    args: dict[str, str]
    query: Query
    meters: tuple[Meter, ...]
    errors: dict[str, str]
    typed: tuple[str, ...] = ()
    meter: Meter | None = None
    match: Match = field(default_factory=Match)
    page: int = 1
    page_size: int = DEFAULT_SIZE
    at: int | None = None

    @property
    def customer(self) -> Customer | None:
        """The one customer that the list is about."""
        return self.match.customer

    @property
    def chosen(self) -> tuple[Meter, ...]:
        """The meters that the list is about."""
        return (self.meter,) if self.meter else self.meters

    @property
    def follows(self) -> bool:
        """Whether the list shows new events as they come: only its head, and only where nothing pins it."""
        return self.args.get("live") == "true" and self.page == 1 and self.query.as_of is None and self.at is None

    @property
    def state(self) -> dict[str, Any]:
        """What the address says instead of what was typed: the API's references, and nothing that is the default."""
        zone = self.query.window.zone
        resolved: dict[str, Any] = {
            "meter_id": self.meter.meter_name if self.meter else None,
            "customer_id": self.customer.external_id if self.customer else None,
            "timezone": zone if zone != "UTC" else None,
            "page_size": self.page_size if self.page_size != DEFAULT_SIZE else None,
            "live": "true" if self.follows else None,
        }
        return self.args | resolved | {META + key: values for key, values in self.query.meta}

    @property
    def filters(self) -> int:
        """How many filters are set beside the window."""
        return sum(1 for name in COUNTED if self.args.get(name)) + sum(len(values) for _, values in self.query.meta)

    def with_metadata(self, key: str, value: str) -> dict[str, Any]:
        """The change of the address that adds a metadata filter."""
        had = dict(self.query.meta).get(key, ())
        return {META + key: sorted({*had, value})}


def ask(sent: MultiDict[str, str], now: int) -> Asked:
    """Read the query string."""
    plain = MultiDict((name, value) for name, value in sent.items(multi=True) if not _is_metadata(name))
    args, errors = plain.to_dict(), unclear(plain, PARAMETERS)
    typed = [f"{name.removeprefix(META)}={value}" for name, value in sent.items(multi=True) if name.startswith(META)]
    typed += [text.strip() for text in sent.getlist(TYPED) if text.strip()]
    pairs, wrong = _pairs(typed)
    query, unread = lenient(args, now, pairs)
    asked = Asked(args, query, tuple(services().catalog.meters()), errors | wrong | unread, tuple(typed))
    for name, reader in _READERS.items():
        try:
            reader(asked, args.get(name, "").strip())
        except FluxrateError as error:
            asked.errors.setdefault(name, error.detail)
    low, high = asked.query.min_quantity, asked.query.max_quantity
    if low is not None and high is not None and low > high:
        asked.errors["min_quantity"] = f"The minimum is at most the maximum, but {low} is more than {high}."
    return asked


def is_canonical(sent: MultiDict[str, str]) -> bool:
    """Whether the address is one to keep: a form sends empty fields and metadata as it was typed."""
    return TYPED not in sent and "" not in (value for name, value in sent.items() if not name.startswith(META))


def _is_metadata(name: str) -> bool:
    return name == TYPED or name.startswith(META)


def _pairs(typed: Sequence[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    pairs = []
    for text in typed:
        key, equals, value = text.partition("=")
        if not key.strip() or not equals:
            return [], {TYPED: f"Metadata is a key, = and a value, such as region=eu, but {show(text)} came."}
        if "\0" in text:
            return [], {TYPED: "Metadata holds a NUL character, which no text may."}
        pairs.append((key.strip(), value))
    return pairs, {}


def _meter(asked: Asked, text: str) -> None:
    if text:
        asked.meter = next((m for m in asked.meters if text in (m.meter_name, m.id, m.meter_token)), None)
        if asked.meter is None:
            raise Malformed("No meter has this name or id; choose one of the list.")


def _customer(asked: Asked, text: str) -> None:
    asked.match = matching(services().store.customers, text)
    if asked.match.customer is not None:
        asked.query = replace(asked.query, customers=(asked.match.customer.id,))
    elif asked.match.error:
        raise Malformed(asked.match.error)


def _page(asked: Asked, text: str) -> None:
    asked.page = whole(text, 1, 1 << 40, "The page")


def _page_size(asked: Asked, text: str) -> None:
    asked.page_size = whole(text, DEFAULT_SIZE, MAX_SIZE, "The page size")


def _as_of(asked: Asked, text: str) -> None:
    newest = services().engine.as_of()
    if asked.query.as_of is not None and asked.query.as_of > newest:
        raise Malformed(f"as_of is at most {newest}, the newest sequence, but {asked.query.as_of} came.")


def _at(asked: Asked, text: str) -> None:
    if text:
        asked.at = parse_instant(text, asked.query.window.zone, "at")


_READERS: Mapping[str, Any] = {
    "meter_id": _meter,
    "customer_id": _customer,
    "page": _page,
    "page_size": _page_size,
    "as_of": _as_of,
    "at": _at,
}


def whole(text: str, default: int, most: int, name: str) -> int:
    """A whole number from 1 on; raises Malformed."""
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16 and 1 <= int(text) <= most):
        raise Malformed(f"{name} is a whole number from 1 to {most:,}.")
    return int(text)
