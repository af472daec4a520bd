"""Usage decline: customers whose usage fell far below what they used to use on the same days of the week.

A customer is listed for a meter that adds up (a sum or a count) when

    usage of the last 7 whole days  <  1/2 × usage of the 8 weeks before / 8

and those 8 weeks had at least 20 events. Whole weeks have every day of the week once, so each day is measured against
its like. Who has been there for less than 8 weeks has a low baseline, and is listed later rather than wrongly.
Compared are exact fractions; nothing is rounded before the figure that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Inexact, localcontext
from fractions import Fraction

from fluxrate.core.amounts import divide
from fluxrate.core.calendar import Window
from fluxrate.core.engine import Engine
from fluxrate.core.model import Customer, Meter, Number
from fluxrate.core.query import Query
from fluxrate.core.store import Store
from fluxrate.core.zones import day_of, day_start

DAYS = 7
WEEKS = 8
BELOW = Fraction(1, 2)
LEAST_EVENTS = 20
"""Events in the weeks of the baseline, below which a fall says nothing."""
RULE = (
    f"Listed are customers whose usage of the last {DAYS} whole days is less than half of their baseline. The baseline"
    f" is their usage of the {WEEKS} weeks before, divided by {WEEKS}: so each day of the week is measured against its"
    f" like. These weeks had at least {LEAST_EVENTS} events. Looked at are meters that add up: sums and counts."
)
_PLACES = 6
_BILLION = 10**9
_EXACT = 200
_MORE_PLACES = 3
"""Places of a baseline beyond those of its meter: an eighth has three."""


@dataclass(frozen=True, slots=True)
class Fallen:
    """A customer's usage of one meter in the last days, and in the weeks before; `baseline` is an eighth of the latter,
    `change` how far the usage is from it, as a fraction to six places.
    """

    meter: Meter
    customer: Customer
    usage: Number
    events: int
    before: Number
    events_before: int
    baseline: Number
    change: Number


@dataclass(frozen=True, slots=True)
class Declines:
    """Those whose usage fell, the deepest fall first (to a billionth), of `count` in all; the two windows, and the
    sequence covered.
    """

    items: tuple[Fallen, ...]
    count: int
    recent: Window
    before: Window
    as_of: int


@dataclass(frozen=True, slots=True)
class _Fall:
    meter: Meter
    customer: int
    usage: Number
    events: int
    before: Number
    events_before: int
    left: int
    """What is left of the baseline, in whole billionths."""


def declines(
    engine: Engine, store: Store, meters: Sequence[Meter], end: int, zone: str, *, as_of: int | None, limit: int
) -> Declines:
    """The customers whose usage fell in the last whole days that ended by `end`; raises Malformed for an `as_of` that
    lies ahead.
    """
    last = day_of(zone, end)
    first, middle, after = (day_start(zone, last - days) for days in (DAYS * (WEEKS + 1), DAYS, 0))
    query = Query(Window(first, after, zone), as_of=as_of)
    # All meters as of the same sequence.
    covered = engine.covers(query)
    query = replace(query, as_of=covered)
    found = [
        fall
        for meter in meters
        if engine.is_additive(meter)
        for fall in _falls(meter, engine.by_customer(meter, query, (first, middle, after)))
    ]
    found.sort(key=lambda fall: (fall.left, fall.meter.pk, fall.customer))
    customers = store.customers.by_pks([fall.customer for fall in found[:limit]])
    return Declines(
        tuple(_fallen(fall, customers[fall.customer]) for fall in found[:limit]),
        len(found),
        Window(middle, after, zone),
        Window(first, middle, zone),
        covered,
    )


def _falls(meter: Meter, rows: Sequence[tuple[int, list[Number | None], list[int]]]) -> list[_Fall]:
    found = []
    # usage < BELOW * before / WEEKS, multiplied out: a Fraction for each of ten thousand customers would take longer
    # than all else. The context is wide enough for any figure, and would rather raise than round.
    with localcontext(Context(prec=_EXACT, traps=[Inexact])):
        for customer, (before, usage), (events_before, events) in rows:
            if events_before < LEAST_EVENTS or not before or usage is None:
                continue
            if usage * (WEEKS * BELOW.denominator) < before * BELOW.numerator:
                left = int(usage * (WEEKS * _BILLION) // before)
                found.append(_Fall(meter, customer, usage, events, before, events_before, left))
    return found


def _fallen(fall: _Fall, customer: Customer) -> Fallen:
    baseline = Fraction(fall.before) / WEEKS
    change = Fraction(fall.usage) / baseline - 1
    places = fall.meter.decimals + _MORE_PLACES
    return Fallen(
        fall.meter,
        customer,
        fall.usage,
        fall.events,
        fall.before,
        fall.events_before,
        divide(baseline.numerator, baseline.denominator, 0, places),
        divide(change.numerator, change.denominator, 0, _PLACES),
    )
