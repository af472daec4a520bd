"""When a subscription's billing periods begin and end, and which part of one is billed under which plan. All in UTC.

Periods follow one another by the plan's interval and count from the anchor: the end of the trial, else the start; or
the biller's `current_period_start`, where that is none of these instants. The biller's current period is taken as it is
sent. A month that lacks the anchor's day ends with its last (31 January, 28 February, 31 March): periods are counted
from the anchor, never from one another, so that a short month moves none of those after it. A change to a plan of
another interval ends the period and is the anchor of those that follow; one to a plan of the same interval does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from fluxrate.core.revenue.model import Plan, State, Subscription
from fluxrate.core.revenue.mrr import CARRYING
from fluxrate.core.zones import DAY, EPOCH, micros

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}
_BEFORE_ALL = micros(EPOCH.replace(year=1))
_AFTER_ALL = micros(EPOCH.replace(year=9999, month=12, day=31))
_EARLY, _LATE = micros(EPOCH.replace(year=1000)), micros(EPOCH.replace(year=8000))
EVER = 1 << 62


class _Era(NamedTuple):
    """From `start` on plans of one interval follow one another; periods are counted from `anchor`."""

    start: int
    plan: Plan
    anchor: int


class Stretch(NamedTuple):
    """From `start` up to `end` a subscription is billed under one plan."""

    plan: int
    start: int
    end: int


class Periods:
    """The billing periods of one subscription."""

    def __init__(self, subscription: Subscription, history: Sequence[State], plans: Mapping[int, Plan]) -> None:
        self._start = subscription.start
        self._known = (subscription.period_start, subscription.period_end)
        base = subscription.start if subscription.trial_end is None else subscription.trial_end
        self._eras: list[_Era] = []
        for state in history:
            plan = plans[state.plan_pk]
            if not self._eras:
                self._eras.append(_Era(state.at, plan, self._anchor(base, plan)))
            elif _interval(plan) != _interval(self._eras[-1].plan):
                self._eras.append(_Era(state.at, plan, self._anchor(state.at, plan)))

    def at(self, instant: int) -> tuple[int, int]:
        """The period `[start, end)` that holds the instant, or the first one if that is before all of them."""
        instant = min(max(instant, self._start), _AFTER_ALL - 1)
        place = max((place for place, era in enumerate(self._eras) if era.start <= instant), default=0)
        era = self._eras[place]
        start, end = self._within(era, instant)
        if place:
            start = max(start, era.start)
        if place + 1 < len(self._eras):
            end = min(end, self._eras[place + 1].start)
        return max(start, self._start), end

    def after(self, period: tuple[int, int]) -> tuple[int, int]:
        """The one that follows."""
        return self.at(period[1])

    def eras(self) -> list[tuple[int, ...]] | None:
        """The eras as rows of `columns`: start, end, anchor, days (in microseconds, else 0) or months (else 0) of a
        period, and the biller's own period, empty where there is none. None where rows cannot say it.
        """
        known, until = self._known
        if known is None or until is None:
            if known is not until:
                return None
            known = until = 0
        elif known >= until:
            return None
        found: list[tuple[int, ...]] = []
        for place, era in enumerate(self._eras):
            start = max(self._start, era.start) if place else self._start
            end = self._eras[place + 1].start if place + 1 < len(self._eras) else EVER
            if start >= end:
                continue
            if min(start, era.anchor) < _EARLY or max(start, era.anchor) > _LATE:
                return None
            interval, count = _interval(era.plan)
            days, months = _DAYS.get(interval, 0) * DAY * count, _MONTHS.get(interval, 0) * count
            found.append((start, end, era.anchor, days, months, known, until))
        return found

    def _within(self, era: _Era, instant: int) -> tuple[int, int]:
        known, until = self._known
        if known is not None and until is not None and known <= instant < until:
            return known, until
        start, end = _around(era.anchor, era.plan, instant)
        if until is not None and until <= instant:
            start = max(start, until)
        if known is not None and instant < known:
            end = min(end, known)
        return start, end

    def _anchor(self, base: int, plan: Plan) -> int:
        known = self._known[0]
        return base if known is None or known < base or _around(base, plan, known)[0] == known else known


def stretches(history: Sequence[State], start: int, end: int) -> list[Stretch]:
    """The parts of `[start, end)` in which a subscription was ACTIVE or PAST_DUE, each under one plan."""
    found: list[Stretch] = []
    for place, state in enumerate(history):
        first = max(state.at, start)
        last = min(history[place + 1].at, end) if place + 1 < len(history) else end
        if state.status not in CARRYING or first >= last:
            continue
        if found and found[-1].plan == state.plan_pk and found[-1].end == first:
            first = found.pop().start
        found.append(Stretch(state.plan_pk, first, last))
    return found


def _interval(plan: Plan) -> tuple[str, int]:
    return plan.billing_interval, plan.interval_count


def _around(anchor: int, plan: Plan, instant: int) -> tuple[int, int]:
    """The two instants counted from the anchor between which this one lies."""
    days = _DAYS.get(plan.billing_interval)
    if days is not None:
        length = days * DAY * plan.interval_count
        start = anchor + (instant - anchor) // length * length
        return start, min(start + length, _AFTER_ALL)
    months = _MONTHS[plan.billing_interval] * plan.interval_count
    # No run of months is shorter than so many of 31 days, or in the past longer than so many of 28.
    count = (instant - anchor) // ((31 if instant > anchor else 28) * DAY * months)
    while (end := _later(anchor, (count + 1) * months)) <= instant:
        count += 1
    return _later(anchor, count * months), end


@lru_cache(maxsize=65_536)
def _later(anchor: int, months: int) -> int:
    """The anchor so many months later, on the month's last day where that lacks the day."""
    first = EPOCH + timedelta(microseconds=anchor)
    month = first.year * 12 + first.month - 1 + months
    if not 12 <= month < 9_999 * 12:
        return _BEFORE_ALL if month < 12 else _AFTER_ALL
    start = first.replace(year=month // 12, month=month % 12 + 1, day=1)
    following = start.replace(year=(month + 1) // 12, month=(month + 1) % 12 + 1)
    return micros(min(start + timedelta(days=first.day - 1), following - timedelta(days=1)))
