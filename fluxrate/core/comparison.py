"""Usage beside that of an earlier window: the one before, or the same dates a year earlier.

Both halves are answered as of the same sequence, so that an event which arrives in between is in neither. The calendar
of it is in `shifts`.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from fluxrate.core import amounts, shifts
from fluxrate.core.answers import Bucket, Comparison, Usage
from fluxrate.core.calendar import Window, buckets
from fluxrate.core.engine import Engine
from fluxrate.core.metric import Metric
from fluxrate.core.model import Number
from fluxrate.core.query import Query

CHANGE_PLACES = 6

_UNGROUPED = "day"
"""What a window is counted in that is not cut into buckets."""


def compare(engine: Engine, query: Query, usage: Usage, metric: Metric | None = None) -> Comparison | None:
    """What the answer to the query is compared with; None where the query does not ask for it.

    `metric` is the one that the usage was asked with. Raises Malformed when the earlier window has too many buckets.
    """
    if query.compare is None:
        return None
    past = shifts.earlier(query.window, query.compare, query.group_by or _UNGROUPED)
    earlier = replace(query, window=past, as_of=usage.as_of, fill="zero", unique=False, cumulative=False, compare=None)
    before = engine.usage(usage.meter, earlier, metric)
    return Comparison(
        window=past,
        total=before.total,
        event_count=before.event_count,
        unique_customers=before.unique_customers,
        change=change(usage.total, before.total),
        buckets=_partners(query, usage, before, past),
    )


def change(now: Number | None, before: Number | None) -> Number | None:
    """By what fraction of before it changed, half-even to six places; None where that says nothing."""
    if now is None or not before:
        return None
    exact = (Fraction(now) - Fraction(before)) / Fraction(before)
    return amounts.divide(exact.numerator, exact.denominator, 0, CHANGE_PLACES)


def _partners(query: Query, usage: Usage, before: Usage, past: Window) -> tuple[Bucket | None, ...]:
    """The earlier bucket for each that the usage lists, which may be only those with events."""
    if query.group_by is None or query.compare is None:
        return ()
    labels = buckets(query.window, query.group_by).labels
    places = dict(zip(labels, shifts.partners(query.window, past, query.compare, query.group_by), strict=True))
    found = (places[bucket.label] for bucket in usage.buckets)
    return tuple(None if place is None else before.buckets[place] for place in found)
