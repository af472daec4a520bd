"""A subscription of Stripe as the rules of billing read one.

| Stripe | here |
|---|---|
| trialing | TRIAL; PAUSED where the subscription was more than a trial before |
| active | ACTIVE, but PAUSED while its collection is paused |
| past_due, unpaid | PAST_DUE |
| paused | PAUSED |
| canceled | CANCELED since `ended_at` |
| incomplete_expired | CANCELED since it began: it never counts |
| incomplete | not yet: the first payment decides |

Periods stand with the subscription, since 2025 with its items. Of discounts those in percent count, several one after
the other, but not those for once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Malformed
from fluxrate.core.revenue.model import DISCOUNT_PLACES
from fluxrate.plugins.stripe.prices import Say
from fluxrate.plugins.stripe.reading import Thing, expanded, inner, instant_of, listed, needed, text_of, when

STATUSES = {
    "trialing": "TRIAL",
    "active": "ACTIVE",
    "past_due": "PAST_DUE",
    "unpaid": "PAST_DUE",
    "paused": "PAUSED",
    "canceled": "CANCELED",
    "incomplete_expired": "CANCELED",
    "incomplete": None,
}
_PAUSABLE = ("ACTIVE", "PAST_DUE")


def status_of(subscription: Thing) -> str | None:
    """Our status; None for one that has not begun."""
    sent = needed(subscription, "status")
    if sent not in STATUSES:
        raise Malformed(
            f"status of a subscription is one of {', '.join(STATUSES)}, but {text.show(sent)} came.", field="status"
        )
    found = STATUSES[sent]
    return "PAUSED" if found in _PAUSABLE and inner(subscription, "pause_collection") else found


def fields(subscription: Thing, status: str, at: int, say: Say) -> dict[str, Any]:
    """What is told of a subscription besides its customer, plan and quantity; `at` is the instant of the message."""
    start = started(subscription)
    trial_end = instant_of(subscription, "trial_end")
    period = _period(subscription)
    found = {
        "status": status,
        "discount_percent": format(_discount(subscription, at, say), "f"),
        "trial_end": when(trial_end if trial_end is not None and trial_end >= start else None),
        "current_period_start": when(period[0]),
        "current_period_end": when(period[1]),
    }
    return found | ({"canceled_at": when(_ended(subscription, start, at))} if status == "CANCELED" else {})


def started(subscription: Thing) -> int:
    """When it began."""
    found = instant_of(subscription, "start_date")
    found = instant_of(subscription, "created") if found is None else found
    if found is None:
        raise Malformed("A subscription of Stripe has its start_date, but none came.", field="start_date")
    return found


def _ended(subscription: Thing, start: int, at: int) -> int:
    if text_of(subscription, "status") == "incomplete_expired":
        return start
    # When it was asked to end is canceled_at, which may be long before.
    ended = instant_of(subscription, "ended_at")
    ended = instant_of(subscription, "canceled_at") if ended is None else ended
    return max(start, at if ended is None else ended)


def _period(subscription: Thing) -> tuple[int | None, int | None]:
    owners = [subscription, *listed(subscription, "items")]
    for owner in owners:
        start, end = (instant_of(owner, f"current_period_{name}") for name in ("start", "end"))
        if start is not None and end is not None and start < end:
            return start, end
    return None, None


def _discount(subscription: Thing, at: int, say: Say) -> Decimal:
    """All that is off in percent, rounded half-even to the places that are kept."""
    left = Decimal(1)
    found = [subscription[name] for name in ("discount",) if subscription.get(name)]
    found += subscription.get("discounts") or []
    seen: set[str] = set()
    for discount in found:
        percent = _percent(discount, at, seen, say)
        left *= 1 - percent / 100
    if any(item.get("discounts") for item in listed(subscription, "items")):
        say("Discounts of single items are not mirrored; only those of the whole subscription are.")
    return ((1 - left) * 100).quantize(Decimal(1).scaleb(-DISCOUNT_PLACES))


def _percent(discount: Any, at: int, seen: set[str], say: Say) -> Decimal:
    if isinstance(discount, str) and discount in seen:
        return Decimal(0)
    if not isinstance(discount, dict):
        say(f"What is off by the discount {text.show(discount)} did not come (expand discounts), so it does not count.")
        return Decimal(0)
    name = text_of(discount, "id") or ""
    end = instant_of(discount, "end")
    # Until 2025 the newest one stands in `discount`, too.
    if name in seen or (end is not None and end <= at):
        return Decimal(0)
    seen.add(name)
    coupon = expanded(discount, "coupon") or expanded(inner(discount, "source"), "coupon")
    percent = coupon.get("percent_off")
    if text_of(coupon, "duration") == "once":
        return Decimal(0)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= 100:
        say(f"The discount {text.show(name)} is not one in percent that came whole, so it does not count.")
        return Decimal(0)
    return Decimal(str(percent))
