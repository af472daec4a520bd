"""One parsed question about usage: the same object behind the API, the pages and the cache.

`Query.parse` reads the parameters of the HTTP API by their names, refuses what it cannot read, and keeps a canonical form:
two texts that mean the same give equal queries. References to customers stay texts here; the engine resolves them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from fluxrate.core import amounts, calendar
from fluxrate.core.calendar import Window
from fluxrate.core.errors import Malformed

FILLS = ("zero", "none")
ORDERS = ("desc", "asc")


@dataclass(frozen=True, slots=True)
class Query:
    """Which events (window and filters), seen as of when, cut how.

    `as_of` is an ingest sequence or None for everything acknowledged. `group_by` None asks for the whole window only.
    """

    window: Window
    group_by: str | None = None
    customers: tuple[str, ...] = ()
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    as_of: int | None = None
    fill: str = "zero"

    @classmethod
    def parse(cls, args: Mapping[str, str | None], *, now: int, customers: Iterable[str] = ()) -> Query:
        """Read `start_date`, `end_date`, `timezone`, `group_by`, `min_quantity`, `max_quantity`, `as_of` and `fill` from texts.

        Absent and empty parameters take their defaults. Raises Malformed, naming the parameter, for what cannot be read.
        """
        zone = calendar.check_zone(args.get("timezone") or "UTC")
        window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, now)
        return cls(
            window=window,
            group_by=choice("group_by", args.get("group_by"), calendar.GROUPS),
            customers=tuple(dict.fromkeys(c for c in customers if c)),
            min_quantity=_bound("min_quantity", args.get("min_quantity")),
            max_quantity=_bound("max_quantity", args.get("max_quantity")),
            as_of=_sequence(args.get("as_of")),
            fill=choice("fill", args.get("fill"), FILLS) or "zero",
        )


def choice(name: str, text: str | None, choices: tuple[str, ...]) -> str | None:
    """One of a few texts, None when absent; raises Malformed that lists them."""
    if not text:
        return None
    if text not in choices:
        raise Malformed(f"{name} is one of {', '.join(choices)}, but {text!r} came.", field=name)
    return text


def _bound(name: str, text: str | None) -> Decimal | None:
    return amounts.parse_decimal(text, field=name) if text else None


def _sequence(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Malformed(f"as_of is an ingest sequence such as 1024, but {text!r} came.", field="as_of")
    return int(text)
