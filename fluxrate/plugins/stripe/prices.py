"""The prices of a subscription as one plan of ours.

One licensed price is a plan of its own, and the item's quantity that of the subscription. Several are one plan: of the
same quantity they keep it, else each is priced for its own, and the subscription counts once. A price by tiers or by
package is priced for its quantity, too. Prices of Stripe never change, so a plan that is known is left alone.

A metered price becomes a USAGE charge on the meter that its metadata name as `fluxrate_meter`. What cannot be said
exactly is left out of the plan with a remark; MRR has no usage anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fluxrate.core.errors import RuleBroken
from fluxrate.core.model import Meter
from fluxrate.core.revenue import money
from fluxrate.core.revenue.plans import FindMeter
from fluxrate.plugins.stripe.reading import (
    LONGEST,
    Thing,
    currency_of,
    expanded,
    inner,
    listed,
    needed,
    note_of,
    plain,
    price_of,
    text_of,
    tidy,
    whole_of,
)

Say = Callable[[str], None]

METER = "fluxrate_meter"
"""The key of a price's or product's metadata that names our meter."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The plan, as the rules of billing read it, and how many times a subscription has it."""

    plan: dict[str, Any]
    quantity: int


def terms(items: Sequence[Thing], currency: str, meter: FindMeter, say: Say) -> Terms:
    """The plan of a subscription's items. Raises RuleBroken for what no plan can say: several intervals, or a licensed
    price whose amount is not told.
    """
    if not items:
        raise RuleBroken("A subscription of Stripe has at least one item, but none came.", field="items")
    prices = [_price(item) for item in items]
    counts = [_count(item, price) for item, price in zip(items, prices, strict=True)]
    intervals = {_interval(price) for price in prices}
    if len(intervals) > 1:
        raise RuleBroken("The prices of a subscription fall due at one interval here, but several came.", field="items")
    ((interval, every),) = intervals
    licensed = [count for price, count in zip(prices, counts, strict=True) if not _metered(price)]
    simple = all(_metered(price) or _unit(price, currency) is not None for price in prices)
    shared = licensed[0] if simple and len(set(licensed)) == 1 else None
    names: list[str] = []
    charges: list[dict[str, Any]] = []
    for price, count in sorted(zip(prices, counts, strict=True), key=lambda pair: needed(pair[0], "id")):
        name, charge = _charge(price, count, shared is None, currency, meter, say)
        names.append(name)
        charges += [] if charge is None else [charge]
    own = {currency_of(price) for price in prices} != {currency}
    key = "+".join(names) + (f"/{currency.lower()}" if own else "")
    plan = {
        "external_id": key if len(key) <= LONGEST else f"stripe-{hashlib.sha256(key.encode()).hexdigest()}",
        "name": " + ".join(dict.fromkeys(map(_title, prices)))[:LONGEST],
        "plan_type": _kind(charges, prices),
        "currency": currency,
        "billing_interval": interval,
        "interval_count": every,
        "charges": charges,
    }
    return Terms(plan, 1 if shared is None else shared)


def _price(item: Thing) -> Thing:
    """The item's price; of an older object its plan, under the names of a price."""
    price = inner(item, "price")
    if price:
        return price
    plan = inner(item, "plan")
    recurring = {name: plan.get(name) for name in ("interval", "interval_count", "usage_type")}
    amounts = {"unit_amount": plan.get("amount"), "unit_amount_decimal": plan.get("amount_decimal")}
    transform = {"transform_quantity": plan.get("transform_usage")}
    return {**plan, "object": "plan", "recurring": recurring, **amounts, **transform}


def _interval(price: Thing) -> tuple[str, int]:
    recurring = inner(price, "recurring")
    return needed(recurring, "interval"), whole_of(recurring, "interval_count") or 1


def _metered(price: Thing) -> bool:
    return text_of(inner(price, "recurring"), "usage_type") == "metered"


def _count(item: Thing, price: Thing) -> int:
    found = whole_of(item, "quantity")
    return 0 if _metered(price) else 1 if found is None else found


def _title(price: Thing) -> str:
    """What people call it."""
    own = tidy(text_of(price, "nickname"), needed(price, "id"))
    return own if price.get("nickname") else tidy(text_of(expanded(price, "product"), "name"), own)


def _kind(charges: Sequence[dict[str, Any]], prices: Sequence[Thing]) -> str:
    kinds = {"USAGE" if _metered(price) else "FIXED" for price in prices}
    kinds |= {charge["charge_type"] for charge in charges}
    return "HYBRID" if len(kinds) > 1 else kinds.pop()


def _in(price: Thing, currency: str) -> Thing:
    """The price in a currency: its own, or one of its options."""
    if currency_of(price) == currency:
        return price
    option = inner(price, "currency_options", currency.lower())
    if not option:
        raise RuleBroken(
            f"The price {needed(price, 'id')} is in {currency_of(price)}, and its amount in {currency} did not come.",
            field="currency_options",
        )
    return {**option, "object": "price", "id": price.get("id")}


def _unit(price: Thing, currency: str) -> Decimal | None:
    """The amount of one, if every one costs the same and it has no fraction of the currency's minor unit."""
    if text_of(price, "billing_scheme") == "tiered" or inner(price, "transform_quantity"):
        return None
    found = price_of(_in(price, currency), "unit_amount", currency)
    return found if found is not None and found == round(found, money.places(currency)) else None


def _charge(
    price: Thing, count: int, priced: bool, currency: str, meter: FindMeter, say: Say
) -> tuple[str, dict[str, Any] | None]:
    """What the plan's name says of the price, and the price as a charge: of a licensed one the amount of one, or if it
    is `priced` of so many.
    """
    name = needed(price, "id")
    if _metered(price):
        found = _measured(price, meter, say)
        if found is None:
            return name, None
        charge = _usage(_in(price, currency), currency, say)
        named = {"charge_type": "USAGE", "name": _title(price), "meter_id": found.id}
        return f"{name}@{found.meter_name}", None if charge is None else named | charge
    amount = _for(price, count, currency) if priced else _unit(price, currency)
    fixed = {"charge_type": "FIXED", "name": _title(price), "amount": plain(amount or Decimal(0))}
    return f"{name}*{count}" if priced else name, fixed


def _measured(price: Thing, meter: FindMeter, say: Say) -> Meter | None:
    """The meter that a metered price is of, if it says so."""
    name = note_of(price, METER) or note_of(expanded(price, "product"), METER)
    found = None if name is None else meter(name)
    if found is None:
        why = "names no meter here" if name is None else f"names the meter {name!r}, which is not here"
        say(f"The price {needed(price, 'id')} is metered, but {why} ({METER} in its metadata), so it is left out.")
    return found


def _usage(price: Thing, currency: str, say: Say) -> dict[str, Any] | None:
    """What a unit of usage costs, if it can be said exactly."""
    name = needed(price, "id")
    if inner(price, "transform_quantity"):
        say(f"The price {name} is for whole packages of usage, which no charge here can say, so it is left out.")
        return None
    tiers = listed(price, "tiers")
    if text_of(price, "billing_scheme") == "tiered" and not tiers:
        say(f"The tiers of the price {name} did not come (expand them), so it is left out.")
        return None
    if tiers:
        return {"tier_mode": text_of(price, "tiers_mode"), "tiers": [_tier(tier, currency) for tier in tiers]}
    found = price_of(price, "unit_amount", currency)
    return {"unit_price": plain(found or Decimal(0))}


def _tier(tier: Thing, currency: str) -> dict[str, Any]:
    upto = None if tier.get("up_to") in (None, "inf") else str(whole_of(tier, "up_to"))
    return {
        "up_to": upto,
        "unit_price": plain(price_of(tier, "unit_amount", currency) or Decimal(0)),
        "flat_amount": plain(price_of(tier, "flat_amount", currency) or Decimal(0)),
    }


def _for(price: Thing, count: int, currency: str) -> Decimal:
    """What so many of a licensed price cost, to the currency's minor unit."""
    wanted = _in(price, currency)
    package = inner(price, "transform_quantity")
    if package:
        size = whole_of(package, "divide_by") or 1
        count = count // size if text_of(package, "round") == "down" else -(-count // size)
    if text_of(price, "billing_scheme") == "tiered":
        exact = _tiered(wanted, price, count, currency)
    else:
        unit = price_of(wanted, "unit_amount", currency)
        if unit is None:
            raise RuleBroken(f"The price {needed(price, 'id')} has a unit_amount, but none came.", field="unit_amount")
        exact = Fraction(unit) * count
    return money.amount(money.nearest(exact * 10 ** money.places(currency)), currency)


def _tiered(wanted: Thing, price: Thing, count: int, currency: str) -> Fraction:
    tiers = listed(wanted, "tiers")
    if not tiers:
        raise RuleBroken(
            f"The price {needed(price, 'id')} has tiers, but they did not come; expand items.data.price.tiers.",
            field="tiers",
        )
    volume, total, reached = text_of(price, "tiers_mode") == "volume", Fraction(0), 0
    for tier in tiers:
        upto = whole_of(tier, "up_to") if tier.get("up_to") != "inf" else None
        last = upto is None or count <= upto
        unit, flat = (Fraction(price_of(tier, name, currency) or 0) for name in ("unit_amount", "flat_amount"))
        if volume:
            total = unit * count + flat
        elif count > reached:
            total += unit * ((count if last else upto or 0) - reached) + flat
        if last:
            break
        reached = upto or 0
    return total


def single(price: Thing, meter: FindMeter, say: Say) -> Terms | None:
    """The plan of a recurring price by itself; None for one that is for once, or that only a quantity can price."""
    item: Thing = {"price": price} if price.get("object") != "plan" else {"plan": price}
    if price.get("object") != "plan" and not inner(price, "recurring"):
        return None
    found = _price(item)
    currency = currency_of(found)
    return terms([item], currency, meter, say) if _metered(found) or _unit(found, currency) is not None else None
