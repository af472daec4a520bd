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
from fluxrate.core.shifts import COMPARISONS
from fluxrate.core.text import show

FILLS = ("zero", "none")
ORDERS = ("desc", "asc")
FLAGS = ("true", "false")

CUSTOMER = "customer"
META = "meta."
"""How a dimension of a breakdown begins that is a metadata key."""
MOST_DIMENSIONS = 2
LIMIT = 10
MOST_ROWS = 1_000

SeqAt = Callable[[int], int]
"""The ingest sequence of the last event that had arrived by an instant."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which events (window and filters), seen as of when, cut how.

    `meta` has metadata keys (dotted paths into nested objects) with the values any of which may match; all keys must.
    `as_of` is an ingest sequence or None for everything acknowledged. `voided` asks a list for voided events alone
    (True) or for those that count alone (False); figures leave voided ones out anyway. `group_by` None asks for the
    whole window only.
    `breakdown` has "customer" or "meta.KEY", at most two, of which the `limit` largest combinations are told apart.
    `unique` and `cumulative` ask for more per bucket; `compare` is "previous" or "year".
    """

    window: Window
    group_by: str | None = None
    customers: tuple[str, ...] = ()
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    meta: tuple[tuple[str, tuple[str, ...]], ...] = ()
    as_of: int | None = None
    voided: bool | None = None
    fill: str = "zero"
    breakdown: tuple[str, ...] = ()
    limit: int = LIMIT
    unique: bool = False
    cumulative: bool = False
    compare: str | None = None

    @classmethod
    def parse(
        cls,
        args: Mapping[str, str | None],
        *,
        now: int,
        seq_at: SeqAt | None = None,
        customers: Iterable[str] = (),
        meta: Iterable[tuple[str, str]] = (),
        breakdown: Iterable[str] = (),
    ) -> Query:
        """Read `start_date`, `end_date`, `timezone`, `group_by`, `min_quantity`, `max_quantity`, `voided`, `as_of`,
        `fill`, and what asks for more about the same events: `limit`, `unique`, `cumulative`, `compare`.

        Absent and empty parameters take their defaults. `seq_at` turns an `as_of` that is an instant into the
        sequence of the last event that had arrived by then; without it only sequences are read. Raises Malformed,
        naming the parameter, for what cannot be read or makes no sense together.
        """
        zone = calendar.check_zone(args.get("timezone") or "UTC")
        window = calendar.parse_window(args.get("start_date"), args.get("end_date"), zone, now)
        dimensions = _dimensions(breakdown)
        query = cls(
            window=window,
            group_by=choice("group_by", args.get("group_by"), calendar.GROUPS),
            customers=tuple(dict.fromkeys(customers)),
            min_quantity=_bound("min_quantity", args.get("min_quantity")),
            max_quantity=_bound("max_quantity", args.get("max_quantity")),
            meta=_meta(meta),
            as_of=_as_of(args.get("as_of"), zone, now, seq_at),
            voided=_flag("voided", args.get("voided")),
            fill=choice("fill", args.get("fill"), FILLS) or "zero",
            breakdown=dimensions,
            limit=_limit(args.get("limit"), dimensions),
            unique=bool(_flag("unique", args.get("unique"))),
            cumulative=bool(_flag("cumulative", args.get("cumulative"))),
            compare=choice("compare", args.get("compare"), COMPARISONS),
        )
        if dimensions:
            _check_breakdown(query)
        return query


def choice(name: str, text: str | None, choices: tuple[str, ...]) -> str | None:
    """One of a few texts, None when absent; raises Malformed that lists them."""
    if not text:
        return None
    if text not in choices:
        raise Malformed(f"{name} is one of {', '.join(choices)}, but {show(text)} came.", field=name)
    return text


def _flag(name: str, text: str | None) -> bool | None:
    chosen = choice(name, text, FLAGS)
    return None if chosen is None else chosen == "true"


def _meta(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Values by key, both in order, so that two ways to write the same filter are one query."""
    found: dict[str, set[str]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return tuple((key, tuple(sorted(found[key]))) for key in sorted(found))


def _dimensions(texts: Iterable[str]) -> tuple[str, ...]:
    dimensions = tuple(text for text in texts if text)
    for text in dimensions:
        if text != CUSTOMER and not (text.startswith(META) and len(text) > len(META)):
            raise Malformed(f"breakdown is customer or meta.KEY, but {show(text)} came.", field="breakdown")
        if dimensions.count(text) > 1:
            raise Malformed(f"breakdown names each dimension once, but {show(text)} came again.", field="breakdown")
    if len(dimensions) > MOST_DIMENSIONS:
        raise Malformed(
            f"breakdown is given at most {MOST_DIMENSIONS} times, but {len(dimensions)} came.", field="breakdown"
        )
    if len({text.removeprefix(META) for text in dimensions}) < len(dimensions):
        raise Malformed(
            "breakdown by customer and by meta.customer would give two parts of a key one name; ask for one of them.",
            field="breakdown",
        )
    return dimensions


def _limit(text: str | None, dimensions: tuple[str, ...]) -> int:
    if not text:
        return LIMIT
    digits = text if text.isascii() and text.isdigit() and len(text) < 10 else "0"
    if not 1 <= int(digits) <= MOST_ROWS:
        raise Malformed(f"limit is a whole number from 1 to {MOST_ROWS}, but {show(text)} came.", field="limit")
    if not dimensions:
        raise Malformed(
            "limit says how many rows of a breakdown are told apart, but breakdown was not given.", field="limit"
        )
    return int(digits)


def _check_breakdown(query: Query) -> None:
    if query.compare:
        raise Malformed(
            "compare is not given together with breakdown, because the largest rows of two windows differ, but"
            f" both came: compare={query.compare} and breakdown={show(query.breakdown[0])[1:-1]}.",
            field="compare",
        )
    columns = len(calendar.buckets(query.window, query.group_by).labels) if query.group_by else 0
    if (query.limit + 1) * columns > calendar.MAX_BUCKETS:
        raise Malformed(
            f"One answer holds at most {calendar.MAX_BUCKETS:,} buckets, but {query.limit:,} rows and the rest of"
            f" {columns:,} each are {(query.limit + 1) * columns:,}; ask for a smaller limit, a shorter window or a"
            " coarser group_by.",
            field="limit",
        )


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
