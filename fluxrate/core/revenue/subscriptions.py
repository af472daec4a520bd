"""The rules of a subscription: which statuses follow which, and from which instant a change counts.

A change counts from `effective_at` on (now unless said; of a cancellation the instant it was canceled at), never from
before the change that came before it: the history only grows, so that no figure of the past is told anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxrate.core import text
from fluxrate.core.calendar import parse_instant, rfc3339
from fluxrate.core.errors import Conflict, Malformed, NotFound, RuleBroken
from fluxrate.core.model import COMMAND_LINE, By, Note
from fluxrate.core.revenue import money, plans
from fluxrate.core.revenue.model import (
    DISCOUNT_PLACES,
    SUBSCRIPTION_STATUSES,
    WHOLE_DISCOUNT,
    Plan,
    State,
    Subscription,
)
from fluxrate.core.revenue.words import one_of
from fluxrate.core.store import Store

NEXT = {
    "TRIAL": ("ACTIVE", "PAST_DUE", "PAUSED", "CANCELED"),
    "ACTIVE": ("PAST_DUE", "PAUSED", "CANCELED"),
    "PAST_DUE": ("ACTIVE", "PAUSED", "CANCELED"),
    "PAUSED": ("ACTIVE", "PAST_DUE", "CANCELED"),
    "CANCELED": ("ACTIVE",),
}
"""Which status may follow which: a trial is not begun twice, and who canceled comes back as ACTIVE or not at all."""

CLOCKS_APART = 60_000_000
"""How far ahead of our clock a change may count from: the biller's clock is not ours."""

_DAY = 86_400_000_000
_INSTANTS = {
    "trial_end": "trial_end",
    "current_period_start": "period_start",
    "current_period_end": "period_end",
    "canceled_at": "canceled_at",
}


def create(store: Store, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> Subscription:
    """A new subscription; raises RuleBroken, Malformed, NotFound (customer or plan) or Conflict (external id taken)."""
    external_id = fields.get("external_id")
    if external_id is not None:
        text.identifier(external_id, "external_id")
    plan = plans.find(store, fields["plan_id"])
    values = _instants(fields)
    values["start"] = (
        now if fields.get("start_date") is None else parse_instant(fields["start_date"], field="start_date")
    )
    if "trial_end" not in values and plan.trial_days and "status" not in fields:
        values["trial_end"] = values["start"] + plan.trial_days * _DAY
    status = _first_status(fields, values, now)
    values |= {"external_id": external_id, "customer_pk": customer_pk(store, fields["customer_id"]), "plan_pk": plan.pk}
    values |= {"status": status, "quantity": fields.get("quantity", 1), "discount": _discount(fields)}
    values["currency"] = plan.currency
    history = _beginning(values, _effective(fields, values, values["start"], now))
    if status == "CANCELED" and values.get("canceled_at") is None:
        values["canceled_at"] = history[-1].at
    _check_order(values)
    said = {"plan": plan.id, "status": status}
    note = Note(by, "subscription.created", _target(external_id), now, said)
    return store.subscriptions.create(values, history, now, note)


def change(store: Store, before: Subscription, fields: Mapping[str, Any], now: int, by: By) -> Subscription:
    """Change the named fields; what is the same already changes nothing. Raises RuleBroken, Malformed, NotFound or
    Conflict.
    """
    values: dict[str, Any] = _instants(fields)
    _check_fixed(store, before, fields)
    if "plan_id" in fields:
        values["plan_pk"] = _same_currency(plans.find(store, fields["plan_id"]), before).pk
    if "status" in fields:
        values["status"] = one_of("status", fields["status"], SUBSCRIPTION_STATUSES)
        _check_next(before.status, values["status"])
    if "quantity" in fields:
        values["quantity"] = fields["quantity"]
    if "discount_percent" in fields:
        values["discount"] = _discount(fields)
    status = values.get("status", before.status)
    if status != "CANCELED" and before.status == "CANCELED":
        values.setdefault("canceled_at", None)
    wanted = _as_values(before) | values
    history = _grown(store, before, wanted, fields, now)
    if status == "CANCELED" and wanted["canceled_at"] is None:
        values["canceled_at"] = wanted["canceled_at"] = history[-1].at if history else before.canceled_at
    _check_order(wanted)
    changed = {name: value for name, value in values.items() if value != getattr(before, name)}
    if not changed:
        return before
    said: dict[str, object] = {"fields": list(changed)}
    if "status" in changed:
        said["status"] = {"from": before.status, "to": status}
    note = Note(by, "subscription.updated", _target(before.external_id or before.id), now, said)
    return store.subscriptions.update(before, changed, history, now, note)


def upsert(
    store: Store, external_id: str, fields: Mapping[str, Any], now: int, by: By
) -> tuple[Subscription, Subscription | None]:
    """Change the subscription of this external id, or make it; gives it, and what it was before (None: it is new)."""
    before = store.subscriptions.by_external_id(text.identifier(external_id, "external_id"))
    if before is None:
        try:
            return create(store, dict(fields) | {"external_id": external_id}, now, by), None
        except Conflict:
            # Somebody made it a moment ago.
            before = store.subscriptions.by_external_id(external_id)
            if before is None:
                raise
    return change(store, before, fields, now, by), before


def delete(store: Store, subscription: Subscription, now: int, by: By) -> None:
    """Remove a subscription that was a mistake, with its history; raises Conflict when it has invoices."""
    target = _target(subscription.external_id or subscription.id)
    store.subscriptions.delete(subscription.pk, Note(by, "subscription.deleted", target, now))


def find(store: Store, reference: str) -> Subscription:
    """The subscription of an id or external id; raises NotFound."""
    found = store.subscriptions.find(reference)
    if found is None:
        raise NotFound(f"No subscription has the id or external id {text.show(reference)}.", field="subscription_id")
    return found


def _discount(fields: Mapping[str, Any]) -> int:
    """The discount in ten-thousandths of a percent."""
    sent = fields.get("discount_percent")
    if sent is None:
        return 0
    scaled = money.price(sent, "discount_percent") * 10**DISCOUNT_PLACES
    if scaled != int(scaled) or scaled > WHOLE_DISCOUNT:
        raise Malformed(
            f"discount_percent is from 0 to 100 with at most {DISCOUNT_PLACES} places, but {text.show(sent)} came.",
            field="discount_percent",
        )
    return int(scaled)


def _target(name: object) -> str | None:
    return None if name is None else f"subscription:{name}"


def _instants(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The instants that were sent, under the names they are stored by."""
    return {
        name: None if fields[field] is None else parse_instant(fields[field], field=field)
        for field, name in _INSTANTS.items()
        if field in fields
    }


def customer_pk(store: Store, reference: str) -> int:
    """The key of the customer of an id or external id; raises NotFound."""
    found = store.customers.find(reference) if text.storable(reference) else None
    if found is None:
        raise NotFound(f"No customer has the id or external id {text.show(reference)}.", field="customer_id")
    return found.pk


def _first_status(fields: Mapping[str, Any], values: Mapping[str, Any], now: int) -> str:
    if fields.get("status") is not None:
        return one_of("status", fields["status"], SUBSCRIPTION_STATUSES)
    trial_end = values.get("trial_end")
    return "TRIAL" if trial_end is not None and trial_end > max(now, values["start"]) else "ACTIVE"


def _beginning(values: Mapping[str, Any], effective: int) -> list[State]:
    """The history of a subscription that is first heard of now: a trial until its end, then ACTIVE, then what it is."""
    start, trial_end, status = values["start"], values.get("trial_end"), values["status"]
    rest = (values["plan_pk"], values["quantity"], values["discount"])
    if status == "TRIAL":
        return [State(start, "TRIAL", *rest)]
    if trial_end is None or trial_end <= start:
        found = [State(start, "ACTIVE", *rest)]
    else:
        found = [State(start, "TRIAL", *rest)]
        if status == "ACTIVE" or trial_end < effective:
            # ACTIVE already although the trial was to last longer: it was ended early.
            found.append(State(min(trial_end, effective), "ACTIVE", *rest))
    if status != "ACTIVE":
        found.append(State(effective, status, *rest))
    return found


def _effective(fields: Mapping[str, Any], values: Mapping[str, Any], since: int, now: int) -> int:
    """From when on the status or change counts; raises RuleBroken for the future and for before `since`."""
    sent = fields.get("effective_at")
    found: int
    if sent is not None:
        found = parse_instant(sent, field="effective_at")
    elif values.get("status") == "CANCELED" and values.get("canceled_at") is not None:
        found = values["canceled_at"]
    else:
        found = max(now, since)
    if found > max(now, since) + CLOCKS_APART:
        raise RuleBroken(
            f"A change counts from now ({rfc3339(now)}) or before, but {rfc3339(found)} came.", field="effective_at"
        )
    if found < since:
        raise RuleBroken(
            f"A change counts from {rfc3339(since)} or later, when the one before it began, but {rfc3339(found)} came.",
            field="effective_at",
        )
    return found


def _grown(
    store: Store, before: Subscription, wanted: Mapping[str, Any], fields: Mapping[str, Any], now: int
) -> list[State]:
    """The state that the change adds to the history, if it changes what counts."""
    names = ("status", "plan_pk", "quantity", "discount")
    if all(wanted[name] == getattr(before, name) for name in names):
        return []
    turned = wanted if wanted["status"] != before.status else {}
    last = store.subscriptions.history(before.pk)[-1]
    return [State(_effective(fields, turned, last.at, now), *(wanted[name] for name in names))]


def _check_next(before: str, after: str) -> None:
    if after != before and after not in NEXT[before]:
        raise RuleBroken(
            f"A subscription that is {before} becomes {' or '.join(NEXT[before])}, but {after} came.", field="status"
        )


def _check_fixed(store: Store, before: Subscription, fields: Mapping[str, Any]) -> None:
    if "customer_id" in fields and customer_pk(store, fields["customer_id"]) != before.customer_pk:
        raise RuleBroken("A subscription stays with its customer, but another customer_id came.", field="customer_id")
    sent = fields.get("start_date")
    if sent is not None and parse_instant(sent, field="start_date") != before.start:
        raise RuleBroken(
            f"A subscription keeps its start_date ({rfc3339(before.start)}), but {text.show(sent)} came.",
            field="start_date",
        )


def _same_currency(plan: Plan, before: Subscription) -> Plan:
    if plan.currency != before.currency:
        raise RuleBroken(
            f"A subscription stays in its currency, {before.currency}, but the plan is in {plan.currency}.",
            field="plan_id",
        )
    return plan


def _check_order(values: Mapping[str, Any]) -> None:
    """The instants of a subscription follow one another; CANCELED has an instant, nothing else has."""
    start, end = values.get("period_start"), values.get("period_end")
    if start is not None and end is not None and start >= end:
        raise Malformed("current_period_start is before current_period_end, but it is not.", field="current_period_end")
    for name in ("trial_end", "canceled_at"):
        if values.get(name) is not None and values[name] < values["start"]:
            raise Malformed(
                f"{name} is not before start_date ({rfc3339(values['start'])}), but {rfc3339(values[name])} came.",
                field=name,
            )
    if values.get("canceled_at") is not None and values["status"] != "CANCELED":
        raise RuleBroken(
            f"canceled_at is of a CANCELED subscription, but this one is {values['status']}.", field="canceled_at"
        )


def _as_values(subscription: Subscription) -> dict[str, Any]:
    names = ("start", "trial_end", "period_start", "period_end", "canceled_at", "status", "plan_pk", "quantity")
    return {name: getattr(subscription, name) for name in (*names, "discount")}
