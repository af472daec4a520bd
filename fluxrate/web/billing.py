"""Subscriptions and invoices on pages: those of one customer, one subscription with its history and the usage of a
billing period, one invoice with its lines. They are mirrored from whoever bills, so nothing is changed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from flask import Response, render_template, request

from fluxrate.core.errors import Malformed
from fluxrate.core.instants import parse_instant, rfc3339
from fluxrate.core.model import Customer
from fluxrate.core.revenue import invoices, mrr, subscriptions
from fluxrate.core.revenue.model import Invoice, Plan, State, Subscription
from fluxrate.core.zones import day_of
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.links import WINDOW
from fluxrate.web.pages import around
from fluxrate.web.read import lenient, unclear

SHOWN = 10
"""Subscriptions and invoices of a customer's page."""
PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription with its plan, and what it carries."""

    subscription: Subscription
    plan: Plan
    mrr: int


@dataclass(frozen=True, slots=True)
class Billed:
    """A customer's last subscriptions and invoices, and how many there are."""

    subscriptions: Sequence[Subscribed]
    subscription_count: int
    invoices: Sequence[Invoice]
    invoice_count: int
    today: int


@dataclass(frozen=True, slots=True)
class Was:
    """What a subscription was from an instant on, and what that did to its MRR."""

    state: State
    plan: Plan
    mrr: int
    moved: int


def of_customer(customer: Customer, now: int, zone: str) -> Billed:
    """What the page of a customer shows."""
    store = services().store
    found, count = store.subscriptions.list(page=1, page_size=SHOWN, customer_pk=customer.pk)
    bills, billed = store.invoices.list(page=1, page_size=SHOWN, customer_pk=customer.pk)
    plans = _plans() if found else {}
    rows = [Subscribed(one, plans[one.plan_pk], _carried(one, plans)) for one in found]
    return Billed(rows, count, bills, billed, day_of(zone, now))


@page_access
def subscription(subscription: str) -> Response:
    """`GET /subscriptions/<subscription>`: what it is, what it was, what it used in the billing period that holds the
    instant `period` (now unless said), and its invoices.
    """
    store, now = services().store, services().clock()
    found = subscriptions.find(store, subscription)
    query, errors = lenient(request.args.to_dict(), now)
    errors |= unclear(request.args, (*WINDOW, "period", "page"))
    plans, zone = _plans(), query.window.zone
    usage = services().revenue.usage_of(found, _instant(request.args.get("period"), zone, now, errors), now)
    number = request.args.get("page", "")
    page = max(int(number), 1) if number.isascii() and number.isdigit() and len(number) < 10 else 1
    bills, count = store.invoices.list(page=page, page_size=PAGE_SIZE, subscription_pk=found.pk)
    history = _history(store.subscriptions.history(found.pk), plans)
    html = render_template(
        "billing/subscription.html",
        subscription=found,
        plan=plans[found.plan_pk],
        meters={meter.id: meter for meter in services().catalog.meters()},
        customer=store.customers.by_pks([found.customer_pk])[found.customer_pk],
        mrr=_carried(found, plans),
        history=history,
        usage=usage,
        metered=any(charge.meter_id for was in history for charge in was.plan.charges),
        # An instant of the period before and of the one after, where there are such.
        before=rfc3339(usage.start - 1) if usage.start > found.start else None,
        after=rfc3339(usage.end) if usage.end <= now else None,
        window=query.window,
        invoices=bills,
        count=count,
        page=page,
        pages=around(page, math.ceil(count / PAGE_SIZE)),
        errors=errors,
        now=now,
        today=day_of(zone, now),
        zone=zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


@page_access
def invoice(invoice: str) -> Response:
    """`GET /invoices/<invoice>`: what it asks for, line by line, and what is still to be paid."""
    store, now = services().store, services().clock()
    found = invoices.find(store, invoice)
    query, errors = lenient(request.args.to_dict(), now)
    errors |= unclear(request.args, WINDOW)
    zone, behind = query.window.zone, found.subscription_pk
    html = render_template(
        "billing/invoice.html",
        invoice=found,
        lines=[(line, None if line.quantity is None else Decimal(line.quantity)) for line in found.lines],
        customer=store.customers.by_pks([found.customer_pk])[found.customer_pk],
        subscription=None if behind is None else store.subscriptions.ids_of([behind]).get(behind),
        plan=None if behind is None else store.subscriptions.plan_names([behind]).get(behind),
        errors=errors,
        now=now,
        today=day_of(zone, now),
        zone=zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def overdue(invoice: Invoice, today: int) -> int:
    """How many days past due an invoice is that is to be paid; 0 for all others."""
    return max(0, today - invoice.due_date) if invoice.status == "OPEN" and invoice.balance else 0


def _instant(sent: str | None, zone: str, now: int, errors: dict[str, str]) -> int:
    """The instant of the billing period that is asked about; now where it cannot be read, which `errors` then says."""
    try:
        return parse_instant(sent, zone, "period") if sent else now
    except Malformed as error:
        errors["period"] = error.detail
        return now


def _plans() -> Mapping[int, Plan]:
    return {plan.pk: plan for plan in services().store.plans.all()}


def _carried(found: Subscription | State, plans: Mapping[int, Plan]) -> int:
    if found.status not in mrr.CARRYING:
        return 0
    return mrr.of_subscription(mrr.of_plan(plans[found.plan_pk]), found.quantity, found.discount)


def _history(states: Sequence[State], plans: Mapping[int, Plan]) -> list[Was]:
    """The latest first. Of two states of one instant the later one counts, and the other did nothing."""
    found: list[Was] = []
    before = 0
    for i, state in enumerate(states):
        counts = i + 1 == len(states) or states[i + 1].at > state.at
        carried = _carried(state, plans)
        found.append(Was(state, plans[state.plan_pk], carried, carried - before if counts else 0))
        before = carried if counts else before
    return found[::-1]
