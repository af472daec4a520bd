"""The frozen records of billing. Amounts are integers in the currency's minor unit, instants UTC microseconds, dates
days since 1970-01-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

PLAN_TYPES = ("FIXED", "USAGE", "HYBRID")
INTERVALS = ("day", "week", "month", "year")
CHARGE_TYPES = ("FIXED", "USAGE")
CHARGE_STATUSES = ("ACTIVE", "INACTIVE")
TIER_MODES = ("graduated", "volume")
SUBSCRIPTION_STATUSES = ("TRIAL", "ACTIVE", "PAST_DUE", "PAUSED", "CANCELED")
INVOICE_STATUSES = ("DRAFT", "OPEN", "PAID", "VOID", "UNCOLLECTIBLE")

WHOLE_DISCOUNT = 1_000_000
"""A discount of 100 %: discounts are kept in ten-thousandths of a percent."""
DISCOUNT_PLACES = 4


@dataclass(frozen=True, slots=True)
class Tier:
    """Usage up to and with `up_to` (None: without end) costs `unit_price` a unit, and `flat_amount` once."""

    up_to: Decimal | None
    unit_price: Decimal
    flat_amount: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """One line of a plan: a FIXED `amount` each interval, or USAGE of a meter by `unit_price` or by `tiers`.

    `graduated` tiers each price their own part of the usage; of `volume` tiers the one that the whole usage reaches
    prices all of it.
    """

    charge_type: str
    name: str
    status: str = "ACTIVE"
    amount: int | None = None
    meter_id: str | None = None
    unit_price: Decimal | None = None
    tier_mode: str | None = None
    tiers: tuple[Tier, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sold: its charges fall due every `interval_count` of `billing_interval`, in one currency."""

    pk: int
    id: str
    external_id: str | None
    name: str
    plan_type: str
    billing_interval: str
    interval_count: int
    currency: str
    trial_days: int
    charges: tuple[Charge, ...]
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class State:
    """What a subscription is from the instant `at` on, until the next one."""

    at: int
    status: str
    plan_pk: int
    quantity: int
    discount: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """A customer's plan as it stands; what it was before is its history of `State`s.

    `version` grows with each change: a change that was decided on an older one is refused.
    """

    pk: int
    id: str
    external_id: str | None
    customer_pk: int
    plan_pk: int
    status: str
    quantity: int
    discount: int
    currency: str
    start: int
    trial_end: int | None
    period_start: int | None
    period_end: int | None
    canceled_at: int | None
    version: int
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice; `amount` may be negative, `quantity` is plain decimal text."""

    description: str
    amount: int
    quantity: str | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """A bill: `amount_due` was asked for, `amount_paid` of it has come; the dates are days since 1970-01-01."""

    pk: int
    id: str
    external_id: str | None
    customer_pk: int
    subscription_pk: int | None
    status: str
    currency: str
    subtotal: int
    tax: int
    total: int
    amount_due: int
    amount_paid: int
    issue_date: int
    due_date: int
    lines: tuple[Line, ...]
    version: int
    created_at: int
    updated_at: int

    @property
    def balance(self) -> int:
        """What is still to be paid."""
        return self.amount_due - self.amount_paid
