"""The demo's bills: plans, subscriptions with two years of changes, and an invoice for each month and carrier.

What is made depends only on the day that the demo was made and on a fixed seed, and goes through the rules of
`core.revenue` like everything that is mirrored. Each start adds what the days since the last one bring (invoices of
new months, payments, ended trials), by external id: nothing comes twice, and what somebody changed or removed is left
alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.demo_sales import PLANS, SALES, TERMS, Sale
from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.query import Query
from fluxrate.core.revenue import invoices, money, mrr, plans, subscriptions
from fluxrate.core.revenue.model import WHOLE_DISCOUNT, Charge, Plan, State, Subscription
from fluxrate.core.revenue.words import date_text
from fluxrate.core.services import Services
from fluxrate.core.zones import DAY, EPOCH, HOUR, day_of

_STATE = "demo_billing"
_SEED = 2013
_SLOWEST = 12
"""The most days that somebody who pays takes."""
_SHORT = 3
"""How many days a date moves at most that counts months from the end of a long one over a short one."""
_MORNING, _LATER = 8 * HOUR, 10 * HOUR


@dataclass(frozen=True, slots=True)
class _Bill:
    """An invoice to be: issued at the end of the months `[start, end)`, days since 1970-01-01."""

    start: int
    end: int

    @property
    def due(self) -> int:
        return self.end + TERMS


def keep_up(parts: Services, made: int) -> None:
    """Bill the demo that was made at this instant up to now."""
    now = parts.clock()
    known = parts.store.instance.get(_STATE)
    first, last = (day_of("UTC", made), None) if known is None else map(int, known.split(":"))
    today = day_of("UTC", now)
    if today == last:
        return
    for fields in PLANS:
        if parts.store.plans.find(fields["external_id"]) is None:
            plans.create(parts.store, parts.catalog.meter, fields, now)
    for sale in SALES:
        sold = _subscription(parts, sale, first, now, new=last is None)
        if sold is not None:
            _bill(parts, sale, sold, first, today)
    parts.store.instance.set(_STATE, f"{first}:{today}")


def _subscription(parts: Services, sale: Sale, first: int, now: int, *, new: bool) -> Subscription | None:
    """The sale's subscription as of now; None if somebody removed it."""
    store = parts.store
    found = store.subscriptions.by_external_id(sale.external_id)
    if found is None:
        if not new:
            return None
        start = _instant(_months_after(first - sale.since, -sale.months), _MORNING)
        fields: dict[str, Any] = {"external_id": sale.external_id, "customer_id": sale.carrier, "plan_id": sale.plan}
        fields |= {"quantity": sale.quantity, "discount_percent": sale.discount, "start_date": start}
        found = subscriptions.create(store, fields, now)
    if new:
        last = store.subscriptions.history(found.pk)[-1].at
        for days, change in sale.changes:
            at = (first - days) * DAY + _LATER
            if at > last:
                fields = dict(change) | {"effective_at": rfc3339(at)}
                found = subscriptions.change(store, found, fields, now, COMMAND_LINE)
    return _turned(parts, found, now)


def _turned(parts: Services, found: Subscription, now: int) -> Subscription:
    """The subscription with its trial ended, if it has, and in its current period."""
    change: dict[str, Any] = {}
    if found.status == "TRIAL" and found.trial_end is not None and found.trial_end <= now:
        change = {"status": "ACTIVE", "effective_at": rfc3339(found.trial_end)}
    if found.status not in ("CANCELED", "PAUSED"):
        step = _interval(parts, found)
        start, today, count = day_of("UTC", found.start), day_of("UTC", now), 0
        while _months_after(start, count + step) <= today:
            count += step
        edges = (_months_after(start, count), _months_after(start, count + step))
        names = ("current_period_start", "current_period_end")
        change |= {name: _instant(day, _MORNING) for name, day in zip(names, edges, strict=True)}
    return subscriptions.change(parts.store, found, change, now, COMMAND_LINE) if change else found


def _interval(parts: Services, found: Subscription) -> int:
    """Months from one bill to the next."""
    return 12 if _plans(parts)[found.plan_pk].billing_interval == "year" else 1


def _plans(parts: Services) -> dict[int, Plan]:
    return {plan.pk: plan for plan in parts.store.plans.all()}


def _bill(parts: Services, sale: Sale, sold: Subscription, first: int, today: int) -> None:
    """Every invoice of the subscription until today, as it stands."""
    history, known = parts.store.subscriptions.history(sold.pk), _plans(parts)
    for bill in _bills(sold, _interval(parts, sold), today):
        name = f"{sale.external_id}-{date_text(bill.end)}"
        before = parts.store.invoices.by_external_id(name)
        status = _status(sale, bill, name, first, today)
        if before is None:
            state = _in_force(history, bill.end * DAY + _MORNING)
            if state.status not in mrr.CARRYING:
                continue
            lines = list(_lines(parts, known[state.plan_pk], state, sale.carrier, bill))
            fields = {"external_id": name, "subscription_id": sold.id, "status": status, "lines": lines}
            fields |= {"issue_date": date_text(bill.end), "due_date": date_text(bill.due)}
            if sale.unpaid is not None and abs(bill.due - first + sale.unpaid) <= _SHORT:
                fields["amount_paid"] = "100"
            invoices.create(parts.store, fields, parts.clock())
        elif (before.status, status) == ("OPEN", "PAID"):
            invoices.change(parts.store, before, {"status": "PAID"}, parts.clock(), COMMAND_LINE)


def _bills(sold: Subscription, step: int, today: int) -> Iterator[_Bill]:
    """Bills at the end of each month; by the year, which is paid ahead, at its beginning."""
    start, count = day_of("UTC", sold.start), 0
    while True:
        begins, ends = _months_after(start, count), _months_after(start, count + step)
        issued = begins if step > 1 else ends
        if issued > today:
            return
        yield _Bill(begins if step == 1 else issued, issued)
        count += step


def _status(sale: Sale, bill: _Bill, name: str, first: int, today: int) -> str:
    if sale.unpaid is not None and bill.due >= first - sale.unpaid - _SHORT:
        return "OPEN"
    if sale.lost is not None and bill.end >= first - sale.lost:
        return "UNCOLLECTIBLE"
    taken = random.Random(f"{_SEED} {name}").randint(1, _SLOWEST)  # noqa: S311 (the demo is the same every time)
    return "PAID" if bill.end + taken <= today else "OPEN"


def _in_force(history: list[State], instant: int) -> State:
    return [state for state in history if state.at <= instant][-1]


def _lines(parts: Services, plan: Plan, state: State, carrier: str, bill: _Bill) -> Iterator[Mapping[str, Any]]:
    """What the plan's charges come to: the fixed ones by quantity less the discount, the others by what was used."""
    for charge in plan.charges:
        used = _used(parts, charge, carrier, bill)
        if used is None:
            minor = mrr.of_subscription(Fraction(charge.amount or 0), state.quantity, state.discount)
            quantity = str(state.quantity)
        else:
            minor = money.nearest(_price(charge, used) * 10 ** money.places(plan.currency))
            quantity = str(used)
        less = f", {Decimal(state.discount * 100) / WHOLE_DISCOUNT:f} % off" if state.discount and used is None else ""
        described = f"{plan.name}: {charge.name}{less}"
        yield {"description": described, "amount": str(money.amount(minor, plan.currency)), "quantity": quantity}


def _used(parts: Services, charge: Charge, carrier: str, bill: _Bill) -> int | None:
    """What the carrier used within the bill's month; None for a charge that is fixed."""
    meter = None if charge.meter_id is None else parts.catalog.meter(charge.meter_id)
    if meter is None:
        return None
    window = Window(bill.start * DAY, bill.end * DAY, "UTC")
    return int(parts.engine.usage(meter, Query(window, customers=(carrier,))).total or 0)


def _price(charge: Charge, used: int) -> Fraction:
    """By the unit, or each part of the usage in its own (graduated) tier."""
    if charge.unit_price is not None:
        return Fraction(charge.unit_price) * used
    total, reached = Fraction(0), 0
    for tier in charge.tiers:
        upto = used if tier.up_to is None else min(used, int(tier.up_to))
        total += Fraction(tier.unit_price) * max(upto - reached, 0)
        reached = max(reached, upto)
    return total


def _instant(day: int, clock: int) -> str:
    return rfc3339(day * DAY + clock)


def _months_after(day: int, months: int) -> int:
    """The same day of the month so many months on, or its last one."""
    date = (EPOCH + timedelta(days=day)).date()
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    following = date.replace(year=year + (month == 11), month=(month + 1) % 12 + 1, day=1)
    last = following - timedelta(days=1)
    return (last.replace(day=min(date.day, last.day)) - EPOCH.date()).days
