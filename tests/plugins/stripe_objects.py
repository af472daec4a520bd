"""Objects as Stripe's reference describes them, with the fields that matter and some that do not; all made up."""

from __future__ import annotations

from typing import Any

SECRET = "whsec_test"
JAN, FEB, MAR = 1_735_689_600, 1_738_368_000, 1_740_787_200
"""Midnights at the beginning of these months of 2025, UTC, in seconds."""
DAY = 86_400


def price(name: str = "price_gold", amount: int | None = 1_050, **more: Any) -> dict[str, Any]:
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed", "meter": None}
    return {
        "id": name,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "currency": "usd",
        "metadata": {},
        "nickname": name.removeprefix("price_").title(),
        "product": "prod_1",
        "recurring": recurring | more.pop("recurring", {}),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": amount,
        "unit_amount_decimal": None if amount is None else str(amount),
        **more,
    }


def item(of: dict[str, Any], quantity: int | None = 1, period: tuple[int, int] | None = (FEB, MAR)) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"si_{of['id']}", "object": "subscription_item", "price": of, "discounts": []}
    found |= {} if quantity is None else {"quantity": quantity}
    return found | ({"current_period_start": period[0], "current_period_end": period[1]} if period else {})


def subscription(name: str = "sub_1", *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """In the shape of 2025 and later: periods stand with the items."""
    return {
        "id": name,
        "object": "subscription",
        "cancel_at_period_end": False,
        "canceled_at": None,
        "collection_method": "charge_automatically",
        "created": JAN,
        "currency": "usd",
        "customer": "cus_1",
        "discounts": [],
        "ended_at": None,
        "items": {"object": "list", "data": list(items) or [item(price(), 3)], "has_more": False},
        "metadata": {},
        "pause_collection": None,
        "start_date": JAN,
        "status": "active",
        "trial_end": None,
        "trial_start": None,
        **more,
    }


def older(found: dict[str, Any]) -> dict[str, Any]:
    """The same in the shape before: the period with the subscription, the price as a plan."""
    items = []
    for each in found["items"]["data"]:
        of = each["price"]
        plan = {name: of["recurring"][name] for name in ("interval", "interval_count", "usage_type")}
        plan |= {"id": of["id"], "object": "plan", "amount": of["unit_amount"], "currency": of["currency"]}
        plan |= {"amount_decimal": of["unit_amount_decimal"], "nickname": of["nickname"], "product": of["product"]}
        items.append({"id": each["id"], "object": "subscription_item", "plan": plan, "quantity": each["quantity"]})
    period = {"current_period_start": FEB, "current_period_end": MAR}
    return found | period | {"items": {"object": "list", "data": items}, "discount": None}


def invoice(name: str = "in_1", status: str = "open", amount: int = 3_150, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "object": "invoice",
        "amount_due": amount,
        "amount_paid": amount if status == "paid" else 0,
        "amount_remaining": 0 if status == "paid" else amount,
        "created": FEB,
        "currency": "usd",
        "customer": "cus_1",
        "customer_email": "ada@example.com",
        "customer_name": "Ada",
        "due_date": None,
        "lines": {
            "object": "list",
            "data": [{"object": "line_item", "amount": amount, "description": "3 × Gold", "quantity": 3}],
            "has_more": False,
        },
        "parent": {
            "type": "subscription_details",
            "subscription_details": {"subscription": "sub_1", "metadata": {}},
        },
        "status": status,
        "status_transitions": {"finalized_at": FEB + 3_600, "paid_at": None},
        "subtotal": amount,
        "total": amount,
        "total_taxes": [],
        **more,
    }


def event(thing: dict[str, Any], created: int = MAR, kind: str | None = None) -> dict[str, Any]:
    named = {"subscription": "customer.subscription.updated"}.get(thing["object"], f"{thing['object']}.updated")
    return {
        "id": f"evt_{created}",
        "object": "event",
        "created": created,
        "data": {"object": thing},
        "livemode": False,
        "type": kind or named,
    }
