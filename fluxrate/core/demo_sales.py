"""What is sold in the demo, and to whom: plans, and for each carrier what its subscription went through.

All of it is made up, and every name says so. Days are counted back from the day that the demo was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def _plan(external_id: str, name: str, currency: str, *charges: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    kinds = {charge["charge_type"] for charge in charges}
    plan_type = "HYBRID" if len(kinds) > 1 else kinds.pop()
    fields = {"billing_interval": "month", "plan_type": plan_type, "charges": charges}
    return {"external_id": external_id, "name": name, "currency": currency} | fields | more


def _base(amount: str) -> dict[str, Any]:
    return {"charge_type": "FIXED", "name": "Base", "amount": amount}


def _usage(name: str, meter: str, **price: Any) -> dict[str, Any]:
    return {"charge_type": "USAGE", "name": name, "meter_id": meter} | price


_TIERS = (
    {"up_to": "1000000", "unit_price": "0"},
    {"up_to": "5000000", "unit_price": "0.0002"},
    {"up_to": None, "unit_price": "0.0001"},
)

_PER_FLIGHT = _usage("Flights", "flights", unit_price="0.10")

PLANS: tuple[dict[str, Any], ...] = (
    _plan("demo-basic", "Demo Basic", "USD", _base("490.00"), trial_days=14),
    _plan("demo-scale", "Demo Scale", "USD", _base("1900.00"), _usage("Miles flown", "miles", unit_price="0.0002")),
    _plan("demo-scale-yearly", "Demo Scale, yearly", "USD", _base("19000.00"), billing_interval="year"),
    _plan(
        "demo-network",
        "Demo Network",
        "USD",
        _base("4900.00"),
        _usage("Miles flown", "miles", tier_mode="graduated", tiers=_TIERS),
        _usage("Flights", "flights", unit_price="0.02"),
    ),
    _plan("demo-metered", "Demo Metered", "USD", _usage("Flights", "flights", unit_price="0.25")),
    _plan("demo-europe", "Demo Europe", "EUR", _base("450.00"), trial_days=30),
    _plan(
        "demo-europe-plus", "Demo Europe Plus", "EUR", _base("990.00"), _usage("Flights", "flights", unit_price="0.1")
    ),
)


@dataclass(frozen=True, slots=True)
class Sale:
    """A carrier's subscription: it began `months` months before the day `since` days ago, and is billed on that day of
    each month.

    `changes` are what changed how many days ago. Invoices that fell due `unpaid` days ago or later are still open;
    those issued `lost` days ago or later will never be paid.
    """

    carrier: str
    plan: str
    months: int
    since: int
    changes: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    quantity: int = 1
    discount: str = "0"
    unpaid: int | None = None
    lost: int | None = None

    @property
    def external_id(self) -> str:
        """The same for every demo; a carrier has at most one subscription in a currency."""
        return f"demo-{self.carrier}-{'eur' if self.plan.startswith('demo-europe') else 'usd'}"


TERMS = 14
"""Days from the issue of an invoice to its due date."""

_CANCELED, _PAUSED, _PAST_DUE = {"status": "CANCELED"}, {"status": "PAUSED"}, {"status": "PAST_DUE"}
_ACTIVE = {"status": "ACTIVE"}

SALES: tuple[Sale, ...] = (
    Sale("UA", "demo-scale", 23, 3, ((430, {"plan_id": "demo-network"}), (150, {"quantity": 2}))),
    Sale("DL", "demo-network", 22, 9, ((280, {"discount_percent": "0"}),), discount="10"),
    Sale("AA", "demo-network", 23, 17, ((455, _PAUSED), (410, _ACTIVE), (190, {"plan_id": "demo-scale"}))),
    Sale("EV", "demo-scale", 21, 45 + TERMS, ((125, {"quantity": 2}), (30, _PAST_DUE)), quantity=3, unpaid=45),
    Sale("B6", "demo-scale", 20, 6, ((340, _CANCELED), (245, _ACTIVE), (60, {"quantity": 2}))),
    Sale("MQ", "demo-basic", 19, 12, ((75, _CANCELED),), quantity=2, lost=140),
    Sale("US", "demo-scale-yearly", 18, 21),
    Sale("9E", "demo-metered", 11, 2),
    Sale("WN", "demo-basic", 14, 25, ((215, {"plan_id": "demo-scale"}),)),
    Sale("FL", "demo-basic", 12, 110 + TERMS, ((90, _PAST_DUE),), unpaid=110),
    Sale("VX", "demo-europe", 15, 14, ((160, {"quantity": 2}),)),
    Sale("AS", "demo-europe-plus", 13, 75 + TERMS, ((60, _PAST_DUE),), unpaid=75),
    Sale("F9", "demo-europe", 10, 19, ((50, {"quantity": 1}),), quantity=3),
    Sale("YV", "demo-basic", 9, 7, ((40, _PAUSED),)),
    Sale("OO", "demo-basic", 4, 15 + TERMS, unpaid=15),
    Sale("HA", "demo-europe", 0, 10),
    Sale("DL", "demo-europe-plus", 8, 5, discount="25"),
    Sale("VX", "demo-basic", 0, 4),
)
