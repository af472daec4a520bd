"""One parsed question about usage: the same object behind the API, the pages and the cache.

`Query.parse` reads the parameters of the HTTP API by their names, refuses what it cannot read, and keeps a canonical
form: two texts that mean the same give equal queries. References to customers stay texts here; the engine resolves
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from fluxrate.core import amounts, calendar
from fluxrate.core.calendar import Window
from fluxrate.core.errors import Malformed
from fluxrate.core.text import show

FILLS = ("zero", "none")
ORDERS = ("desc", "asc")

SeqAt = Callable[[int], int]
"""The ingest sequence of the last event that had arrived by an instant."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which events (window and filters), seen as of when, cut how.

    `meta` has metadata keys (dotted paths into nested objects) with the values any of which may match; all keys must.
    `as_of` is an ingest sequence or None for everything acknowledged. `group_by` None asks for the whole window only.
    """

    window: Window
    group_by: str | None = None
    customers: tuple[str, ...] = ()
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    meta: tuple[tuple[str, tuple[str, ...]], ...] = ()
    as_of: int | None = None
    fill: str = "zero"

    @classmethod
    def parse(
        cls,
        args: Mapping[str, str | None],
        *,
        now: int,
        seq_at: SeqAt | None = None,
        customers: Iterable[str] = (),
        meta: Iterable[tuple[str, str]] = (),
    ) -> Query:
        """Read `start_date`, `end_date`, `timezone`, `group_by`, `min_quantity`, `max_quantity`, `as_of` and `fill`.

        Absent and empty parameters take their defaults. `seq_at` turns an `as_of` that is an instant into the
        sequence of the last event that had arrived by then; without it only sequences are read. Raises Malformed,
        naming the parameter, for what cannot be read.
        """
        zone = calendar.check_zone(args.get("timezone") or "UTC")
        window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, now)
        return cls(
            window=window,
            group_by=choice("group_by", args.get("group_by"), calendar.GROUPS),
            customers=tuple(dict.fromkeys(customers)),
            min_quantity=_bound("min_quantity", args.get("min_quantity")),
            max_quantity=_bound("max_quantity", args.get("max_quantity")),
            meta=_meta(meta),
            as_of=_as_of(args.get("as_of"), zone, now, seq_at),
            fill=choice("fill", args.get("fill"), FILLS) or "zero",
        )


def choice(name: str, text: str | None, choices: tuple[str, ...]) -> str | None:
    """One of a few texts, None when absent; raises Malformed that lists them."""
    if not text:
        return None
    if text not in choices:
        raise Malformed(f"{name} is one of {', '.join(choices)}, but {show(text)} came.", field=name)
    return text


def _meta(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Values by key, both in order, so that two ways to write the same filter are one query."""
    found: dict[str, set[str]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return tuple((key, tuple(sorted(found[key]))) for key in sorted(found))


def _bound(name: str, text: str | None) -> Decimal | None:
    return amounts.parse_decimal(text, field=name) if text else None


def _as_of(text: str | None, zone: str, now: int, seq_at: SeqAt | None) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    instant = _instant(text, zone)
    # A date would leave open whether the day itself counts.
    if instant is None or seq_at is None or len(text) <= len("2025-01-31"):
        raise Malformed(
            "as_of is an ingest sequence such as 1024 or an instant such as 2025-01-31T10:00:00Z,"
            f" but {show(text)} came.",
            field="as_of",
        )
    if instant > now:
        raise Malformed(
            f"as_of is not later than now ({calendar.rfc3339(now)}), because more may arrive until then,"
            f" but {show(text)} came.",
            field="as_of",
        )
    return seq_at(instant)


def _instant(text: str, zone: str) -> int | None:
    try:
        return calendar.parse_instant(text, zone, "as_of")
    except Malformed:
        return None
