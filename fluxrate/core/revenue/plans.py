"""The rules of a plan and its charges.

What the figures of a plan are made of stays once a subscription has been on it: a new price is a new plan, to which
subscriptions are moved from an instant on, so that no figure of the past changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Conflict, NotFound, RuleBroken
from fluxrate.core.model import COMMAND_LINE, By, Meter, Note
from fluxrate.core.revenue import money
from fluxrate.core.revenue.model import (
    CHARGE_STATUSES,
    CHARGE_TYPES,
    INTERVALS,
    PLAN_TYPES,
    TIER_MODES,
    Charge,
    Plan,
    Tier,
)
from fluxrate.core.revenue.words import one_of
from fluxrate.core.store import Store

FindMeter = Callable[[str], Meter | None]

_MONEY = ("plan_type", "billing_interval", "interval_count", "currency", "charges")
_ALLOWED = {"FIXED": {"FIXED"}, "USAGE": {"USAGE"}, "HYBRID": {"FIXED", "USAGE"}}


def create(store: Store, meter: FindMeter, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> Plan:
    """A new plan; raises RuleBroken, Malformed, NotFound (a meter) or Conflict (external id taken)."""
    external_id = fields.get("external_id")
    values = {"external_id": None if external_id is None else text.identifier(external_id, "external_id")}
    values |= _checked(fields, meter, fields)
    said = {"currency": values["currency"], "plan_type": values["plan_type"]}
    note = Note(by, "plan.created", f"plan:{external_id or values['name']}", now, said)
    return store.plans.create(values, now, note)


def change(store: Store, meter: FindMeter, plan: Plan, fields: Mapping[str, Any], now: int, by: By) -> Plan:
    """Change the named fields; raises Conflict for what figures are made of once a subscription was on the plan."""
    as_it_is = _as_sent(plan)
    fields = {name: value for name, value in fields.items() if value != as_it_is.get(name)}
    sent = as_it_is | fields
    checked = {name: value for name, value in _checked(sent, meter, fields).items() if name in fields}
    changed = {name: value for name, value in checked.items() if value != getattr(plan, name)}
    if not changed:
        return plan
    fixed = [name for name in _MONEY if name in changed]
    note = Note(by, "plan.updated", f"plan:{plan.external_id or plan.name}", now, {"fields": list(changed)})
    return store.plans.update(plan.pk, changed, now, note, unused=fixed)


def upsert(
    store: Store, meter: FindMeter, external_id: str, fields: Mapping[str, Any], now: int, by: By
) -> tuple[Plan, Plan | None]:
    """Change the plan of this external id, or make it; gives it, and what it was before (None: it is new)."""
    before = store.plans.by_external_id(text.identifier(external_id, "external_id"))
    if before is None:
        try:
            return create(store, meter, dict(fields) | {"external_id": external_id}, now, by), None
        except Conflict:
            # Somebody made it a moment ago.
            before = store.plans.by_external_id(external_id)
            if before is None:
                raise
    return change(store, meter, before, fields, now, by), before


def delete(store: Store, plan: Plan, now: int, by: By) -> None:
    """Remove a plan that no subscription was ever on; raises Conflict."""
    store.plans.delete(plan.pk, Note(by, "plan.deleted", f"plan:{plan.external_id or plan.name}", now))


def find(store: Store, reference: str) -> Plan:
    """The plan of an id or external id; raises NotFound."""
    found = store.plans.find(reference)
    if found is None:
        raise NotFound(f"No plan has the id or external id {text.show(reference)}.", field="plan_id")
    return found


def _as_sent(plan: Plan) -> dict[str, Any]:
    names = ("name", "plan_type", "billing_interval", "interval_count", "currency", "trial_days", "charges")
    return {name: getattr(plan, name) for name in names}


def _checked(fields: Mapping[str, Any], meter: FindMeter, sent: Mapping[str, Any]) -> dict[str, Any]:
    currency = money.check_currency(fields["currency"])
    plan_type = one_of("plan_type", fields["plan_type"], PLAN_TYPES)
    if "charges" in sent:
        charges = tuple(
            _charge(each, f"charges.{number}", currency, meter) for number, each in enumerate(sent["charges"])
        )
    else:
        charges = tuple(fields.get("charges") or ())
        if "currency" in sent and charges:
            raise RuleBroken("A new currency comes with its charges, but none came.", field="charges")
    _check_kinds(charges, plan_type)
    return {
        "name": text.clean(fields["name"], "name"),
        "plan_type": plan_type,
        "billing_interval": one_of("billing_interval", fields.get("billing_interval", "month"), INTERVALS),
        "interval_count": fields.get("interval_count", 1),
        "currency": currency,
        "trial_days": fields.get("trial_days", 0),
        "charges": charges,
    }


def _check_kinds(charges: tuple[Charge, ...], plan_type: str) -> None:
    for number, charge in enumerate(charges):
        if charge.charge_type not in _ALLOWED[plan_type]:
            raise RuleBroken(
                f"A {plan_type} plan has no {charge.charge_type} charge; a HYBRID plan has both kinds.",
                field=f"charges.{number}.charge_type",
            )


def _charge(sent: Mapping[str, Any], path: str, currency: str, meter: FindMeter) -> Charge:
    kind = one_of(f"{path}.charge_type", sent["charge_type"], CHARGE_TYPES)
    name = text.clean(sent.get("name") or kind.title(), f"{path}.name")
    status = one_of(f"{path}.status", sent.get("status", "ACTIVE"), CHARGE_STATUSES)
    own = ("amount",) if kind == "FIXED" else ("meter_id", "unit_price", "tier_mode", "tiers")
    for field in ("amount", "meter_id", "unit_price", "tier_mode", "tiers"):
        if sent.get(field) not in (None, []) and field not in own:
            raise RuleBroken(f"A {kind} charge has no {field}, but one came.", field=f"{path}.{field}")
    if kind == "FIXED":
        return Charge(kind, name, status, money.parse(_needed(sent, "amount", path), currency, f"{path}.amount"))
    found = meter(_needed(sent, "meter_id", path))
    if found is None:
        raise NotFound(f"No meter has the id {text.show(sent['meter_id'])}.", field=f"{path}.meter_id")
    tiers = tuple(_tier(each, f"{path}.tiers.{n}", currency) for n, each in enumerate(sent.get("tiers") or ()))
    if (sent.get("unit_price") is None) == (not tiers):
        raise RuleBroken(f"{path} has either a unit_price or tiers.", field=f"{path}.unit_price")
    if not tiers:
        if sent.get("tier_mode") is not None:
            raise RuleBroken(f"{path}.tier_mode is for tiers, but none came.", field=f"{path}.tier_mode")
        each = money.price(sent["unit_price"], f"{path}.unit_price")
        return Charge(kind, name, status, meter_id=found.id, unit_price=each)
    mode = one_of(f"{path}.tier_mode", _needed(sent, "tier_mode", path), TIER_MODES)
    _check_order(tiers, path)
    return Charge(kind, name, status, meter_id=found.id, tier_mode=mode, tiers=tiers)


def _needed(sent: Mapping[str, Any], field: str, path: str) -> Any:
    if sent.get(field) is None:
        raise RuleBroken(f"{path}.{field} is missing; this charge needs it.", field=f"{path}.{field}")
    return sent[field]


def _tier(sent: Mapping[str, Any], path: str, currency: str) -> Tier:
    up_to = None if sent.get("up_to") is None else money.price(sent["up_to"], f"{path}.up_to")
    flat = sent.get("flat_amount")
    return Tier(
        up_to,
        money.price(sent["unit_price"], f"{path}.unit_price"),
        0 if flat is None else money.parse(flat, currency, f"{path}.flat_amount"),
    )


def _check_order(tiers: tuple[Tier, ...], path: str) -> None:
    before = Decimal(0)
    for number, tier in enumerate(tiers):
        last = number == len(tiers) - 1
        if (tier.up_to is None) is not last or (tier.up_to is not None and tier.up_to <= before):
            raise RuleBroken(
                f"{path}.tiers go up by up_to, and the last one, and only that, has none.",
                field=f"{path}.tiers.{number}.up_to",
            )
        before = tier.up_to or before
