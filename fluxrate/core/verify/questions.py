"""One question about usage as it is asked of the columns and of SQL, and as a person would ask it of the API."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from urllib.parse import quote, urlencode

from fluxrate.core import amounts
from fluxrate.core.model import Meter
from fluxrate.core.query import CUSTOMER, Query
from fluxrate.core.store.schema import LAST


@dataclass(frozen=True, slots=True)
class Question:
    """One question, to the columns as `query` (with `as_of` None: as of now) and to SQL.

    `kind` is "usage", "ranking" or "log"; only a log may be of several meters. `dates` are the window as it is asked
    for, `days` the local days it covers where it was asked for by dates. `pks` are the customers of `query.customers`.
    `summed` says that SQL adds up, else it gives the events one by one.
    """

    kind: str
    meters: tuple[Meter, ...]
    metric: str
    query: Query
    dates: tuple[str, str]
    days: tuple[date, date] | None
    pks: tuple[int, ...]
    summed: bool
    page: int
    page_size: int
    order: str

    @property
    def meter(self) -> Meter:
        """The meter, or the first of them."""
        return self.meters[0]

    @property
    def reads_metadata(self) -> bool:
        """Whether the answer depends on what stands in the events' metadata."""
        query = self.query
        looked_at = query.meta or any(dimension != CUSTOMER for dimension in query.breakdown)
        return bool(looked_at or self.meter.filters or self.metric == "UNIQUE_COUNT")

    def bounds(self, meter: Meter) -> tuple[int, int]:
        """The least and the largest quantity in the meter's smallest unit."""
        unit, low, high = 10**meter.decimals, self.query.min_quantity, self.query.max_quantity
        return (
            0 if low is None else math.ceil(Fraction(low) * unit),
            LAST if high is None else math.floor(Fraction(high) * unit),
        )

    def address(self, as_of: int) -> str:
        """The question as the API is asked, at a sequence."""
        meter = quote(self.meter.meter_name)
        path = {
            "usage": f"meters/{meter}/usage" if self.query.group_by else "usage/aggregate",
            "ranking": f"meters/{meter}/customers",
            "log": f"meters/{meter}/events" if len(self.meters) == 1 else "usage",
        }[self.kind]
        own = self._usage_parameters() if self.kind == "usage" else self._list_parameters()
        parameters = [*own, *self._filters(), ("as_of", str(as_of))]
        return f"GET /api/v1/{path}?{urlencode(parameters, quote_via=quote, safe=':')}"

    def _usage_parameters(self) -> list[tuple[str, str]]:
        group, own = self.query.group_by, self.meter.aggregation_type
        found = [("meter_id", self.meter.meter_name)] if group is None else [("group_by", group)]
        found += [("fill", self.query.fill)] if group is not None else []
        found += [(name, "true") for name in ("unique", "cumulative") if getattr(self.query, name)]
        found += [("breakdown", dimension) for dimension in self.query.breakdown]
        found += [("limit", str(self.query.limit))] if self.query.breakdown else []
        return found + ([("metric", self.metric)] if self.metric != own else [])

    def _list_parameters(self) -> list[tuple[str, str]]:
        if self.kind == "ranking":
            return [("limit", str(self.query.limit))]
        many = [("meter_id", meter.meter_name) for meter in self.meters] if len(self.meters) > 1 else []
        return [*many, ("order", self.order), ("page", str(self.page)), ("page_size", str(self.page_size))]

    def _filters(self) -> list[tuple[str, str]]:
        query = self.query
        found = [("start_date", self.dates[0]), ("end_date", self.dates[1]), ("timezone", query.window.zone)]
        found += [("customer_id", reference) for reference in query.customers]
        for name, bound in (("min_quantity", query.min_quantity), ("max_quantity", query.max_quantity)):
            found += [] if bound is None else [(name, amounts.number_text(bound))]
        return found + [(f"meta.{key}", value) for key, values in query.meta for value in values]
