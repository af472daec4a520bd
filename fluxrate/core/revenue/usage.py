"""What subscriptions used in their billing periods, and what that costs by the USAGE charges of their plans.

Billed is usage of the subscription's customer while it was ACTIVE or PAST_DUE; trial and pause are not. A plan that was
changed within the period prices the part of the usage that fell under it, by tiers of its own. For meters that add up
the stretches of one plan are added; the others are aggregated from the first to the last instant under the plan, what
lies between included, since their parts make no whole. Neither quantity nor discount of the subscription counts: both
belong to its fixed charges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fluxrate.core.amounts import plus
from fluxrate.core.each import Windows
from fluxrate.core.engine import Engine
from fluxrate.core.model import Meter, Number
from fluxrate.core.revenue.model import Charge, Plan, State
from fluxrate.core.revenue.periods import Stretch, stretches
from fluxrate.core.revenue.pricing import FITS, QUANTITY_PLACES, Tariff, TierPrice, Values, integers, most

_MORE_PLACES = QUANTITY_PLACES - 18
"""An average has more places than its meter."""

FindMeter = Callable[[str], Meter | None]


class Part(NamedTuple):
    """The stretches of time in which a period is billed to a customer under one plan; they follow one another."""

    customer: int
    plan: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Priced:
    """One USAGE charge in a period: the usage it bills, and what that costs in minor units, and by tier. `contiguous`
    says whether it bills all usage from `start` to `end`, or has gaps in between.
    """

    plan: Plan
    charge: Charge
    meter: Meter
    start: int
    end: int
    usage: Number | None
    amount: int
    tiers: tuple[TierPrice, ...]
    contiguous: bool


@dataclass(frozen=True, slots=True, eq=False)
class Metered:
    """A USAGE charge that counts, with its meter and its prices; `adds` says whether the meter's parts add up, and its
    figures have at most so many `places`.
    """

    charge: Charge
    meter: Meter
    tariff: Tariff
    adds: bool
    places: int


def tariffs(plan: Plan) -> tuple[Tariff | None, ...]:
    """The prices of each charge of a plan that is ACTIVE and USAGE."""
    return tuple(
        Tariff(charge, plan.currency) if charge.meter_id and charge.status == "ACTIVE" else None
        for charge in plan.charges
    )


def metered(plan: Plan, prices: Sequence[Tariff | None], engine: Engine, meter: FindMeter) -> tuple[Metered, ...]:
    """The charges of a plan that have a price of usage, with their meters as they are now."""
    found = []
    for charge, tariff in zip(plan.charges, prices, strict=True):
        of = meter(charge.meter_id) if tariff is not None and charge.meter_id else None
        if of is not None and tariff is not None:
            metric = engine.metric_of(of)
            places = of.decimals if metric.additive else of.decimals + _MORE_PLACES
            found.append(Metered(charge, of, tariff, metric.additive, places))
    return tuple(found)


def parts_of(customer: int, history: Sequence[State], start: int, end: int) -> list[Part]:
    """How `[start, end)` is billed, plan by plan."""
    return parts_within(customer, stretches(history, start, end), start, end)


def parts_within(customer: int, billed: Sequence[Stretch], start: int, end: int) -> list[Part]:
    """The same, from the stretches of a longer time."""
    if len(billed) == 1:
        (only,) = billed
        first, last = max(start, only.start), min(end, only.end)
        return [Part(customer, only.plan, ((first, last),))] if first < last else []
    spans: dict[int, list[tuple[int, int]]] = {}
    for stretch in billed:
        first, last = max(start, stretch.start), min(end, stretch.end)
        if first < last:
            spans.setdefault(stretch.plan, []).append((first, last))
    return [Part(customer, plan, tuple(each)) for plan, each in spans.items()]


class Spans:
    """Ranges of time that are asked about, each of a customer, for an owner that may have several: as columns."""

    def __init__(self, rows: Sequence[tuple[int, int, int, int]] | Values, owners: int) -> None:
        """From rows of owner, customer, start and end, in order of owner, each of which has one or more."""
        columns: Values = np.array(rows, np.int64).reshape(len(rows), 4).T
        self.owners = owners
        self._firsts = np.searchsorted(columns[0], np.arange(owners))
        self.windows = Windows(*columns[1:])

    def together(self, values: Values) -> Values:
        """The sum of each owner's values. Sums of what just fits 64 bits need not fit."""
        return values if len(values) == self.owners else np.add.reduceat(values.astype(object), self._firsts)


def spans_of(parts: Sequence[Part], *, adds: bool) -> Spans:
    """What has to be asked about each part: its stretches, or of what does not add up all of it at once."""
    rows = [
        (owner, part.customer, start, end)
        for owner, part in enumerate(parts)
        for start, end in (part.spans if adds else ((part.spans[0][0], part.spans[-1][1]),))
    ]
    return Spans(rows, len(parts))


def quantities(engine: Engine, each: Metered, spans: Spans, as_of: int) -> Values:
    """The usage that a charge bills of each owner, scaled to its places, as of one sequence."""
    return spans.together(integers(engine.each(each.meter, spans.windows, as_of), each.places))


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Parts as columns: the plan of each, and its stretches as rows of owner (the place of the part), customer, start
    and end, in order of part and time.
    """

    plans: Values
    rows: Values

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Parts:
        """The same from parts one by one."""
        rows = [(place, part.customer, *span) for place, part in enumerate(parts) for span in part.spans]
        return cls(np.array([part.plan for part in parts], np.int64), np.array(rows, np.int64).reshape(len(rows), 4))

    def spans(self, wanted: Values, *, adds: bool) -> Spans:
        """What has to be asked about the wanted parts, given as a mask: see `spans_of`."""
        rows = self.rows[wanted[self.rows[:, 0]]]
        first = np.ones(len(rows), np.bool_)
        first[1:] = rows[1:, 0] != rows[:-1, 0]
        owners = np.cumsum(first) - 1
        if adds:
            rows = np.column_stack((owners, rows[:, 1:]))
        else:
            last = np.append(first[1:], True)
            rows = np.column_stack((owners[first], rows[first, 1:3], rows[last, 3]))
        return Spans(rows, int(wanted.sum()))


def costs(engine: Engine, parts: Parts, charges: Mapping[int, Sequence[Metered]], as_of: int) -> Values:
    """What the usage of each part costs by all charges of its plan, in minor units.

    A meter is asked once, whatever number of plans charge for it.
    """
    found: Values = np.zeros(len(parts.plans), np.int64)
    by_meter: dict[int, list[tuple[int, Metered]]] = {}
    for plan in np.unique(parts.plans).tolist():
        for each in charges[plan]:
            by_meter.setdefault(each.meter.pk, []).append((plan, each))
    for mine in by_meter.values():
        first = mine[0][1]
        wanted = np.isin(parts.plans, [plan for plan, _ in mine])
        places = np.flatnonzero(wanted)
        used = quantities(engine, first, parts.spans(wanted, adds=first.adds), as_of)
        for plan, each in mine:
            own = np.flatnonzero(parts.plans[places] == plan)
            found = _added(found, places[own], each.tariff.prices(used[own], each.places))
    return found


def _added(sums: Values, places: Values, values: Values) -> Values:
    """The sums with values more at some places, each once; as Python's own integers once 64 bits might not do."""
    if sums.dtype != object and (values.dtype == object or most(sums) + most(values) >= FITS):
        sums = sums.astype(object)
    sums[places] += values
    return sums


def priced(engine: Engine, part: Part, plan: Plan, charges: Sequence[Metered], as_of: int) -> Iterator[Priced]:
    """What the usage of one part costs, charge by charge."""
    start, end = part.spans[0][0], part.spans[-1][1]
    for each in charges:
        values = engine.each(each.meter, spans_of([part], adds=each.adds).windows, as_of)
        used = values[0] if len(values) == 1 else plus(value for value in values if value is not None)
        amount, tiers = each.tariff.price(used), each.tariff.by_tier(used)
        yield Priced(plan, each.charge, each.meter, start, end, used, amount, tiers, len(values) == 1)
