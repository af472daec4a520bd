"""An invoice of Stripe as the rules of billing read one: issued when it was finalized, due on its due date or at once.

`tax` is what comes on top of the subtotal; taxes that prices include are part of it. What was paid outside of Stripe is
paid. The message has the first ten lines of an invoice: the rest is one line more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Malformed
from fluxrate.core.revenue.words import date_text
from fluxrate.core.zones import day_of
from fluxrate.plugins.stripe.reading import (
    Thing,
    amount_of,
    currency_of,
    id_of,
    inner,
    instant_of,
    listed,
    needed,
    plain,
    text_of,
    tidy,
)

STATUSES = {"draft": "DRAFT", "open": "OPEN", "paid": "PAID", "void": "VOID", "uncollectible": "UNCOLLECTIBLE"}
RANKS = {"DRAFT": 0, "OPEN": 1, "UNCOLLECTIBLE": 2, "PAID": 3, "VOID": 3}
"""An invoice only ever goes up: a message that would bring it down, or from one end to the other, is an old one."""

_ZERO = Decimal(0)


def status_of(invoice: Thing) -> str:
    """Our status."""
    sent = needed(invoice, "status")
    if sent not in STATUSES:
        raise Malformed(
            f"status of an invoice is one of {', '.join(STATUSES)}, but {text.show(sent)} came.", field="status"
        )
    return STATUSES[sent]


def subscription_of(invoice: Thing) -> str | None:
    """The id of the subscription that is billed; since 2025 it stands with the invoice's parent."""
    return id_of(invoice, "subscription") or id_of(inner(invoice, "parent", "subscription_details"), "subscription")


def is_credit(invoice: Thing) -> bool:
    """Whether it gives back more than it asks for: nothing is due, and our invoices have no negative total."""
    currency = currency_of(invoice)
    return any((amount_of(invoice, name, currency) or _ZERO) < 0 for name in ("total", "subtotal"))


def fields(invoice: Thing) -> dict[str, Any]:
    """What is told of an invoice besides its customer, subscription and lines."""
    currency, status = currency_of(invoice), status_of(invoice)
    total = amount_of(invoice, "total", currency) or _ZERO
    tax = _tax(invoice, currency)
    # Shipping stands beside the subtotal there.
    subtotal = max(amount_of(invoice, "subtotal", currency) or _ZERO, total - tax)
    due = amount_of(invoice, "amount_due", currency)
    due = total if due is None else due
    paid = due if status == "PAID" else min(amount_of(invoice, "amount_paid", currency) or _ZERO, due)
    amounts = {"subtotal": subtotal, "tax": tax, "total": total, "amount_due": due, "amount_paid": paid}
    issued = _day(invoice)
    until = instant_of(invoice, "due_date")
    ends = issued if until is None else max(issued, day_of("UTC", until))
    dates = {"issue_date": date_text(issued), "due_date": date_text(ends)}
    return {"status": status, "currency": currency, **{name: plain(each) for name, each in amounts.items()}, **dates}


def lines(invoice: Thing, subtotal: str) -> list[dict[str, Any]]:
    """The lines that came, and one for the others, if there are any."""
    currency = currency_of(invoice)
    found = [_line(line, currency) for line in listed(invoice, "lines")]
    if inner(invoice, "lines").get("has_more"):
        rest = Decimal(subtotal) - sum((Decimal(line["amount"]) for line in found), _ZERO)
        found.append({"description": "Further lines, which are at Stripe", "amount": plain(rest)})
    return found


def _line(line: Thing, currency: str) -> dict[str, Any]:
    described = tidy(text_of(line, "description"), "Without a description")
    quantity = line.get("quantity")
    counted = str(quantity) if isinstance(quantity, int) and not isinstance(quantity, bool) and quantity >= 0 else None
    return {
        "description": described,
        "amount": plain(amount_of(line, "amount", currency) or _ZERO),
        "quantity": counted,
    }


def _tax(invoice: Thing, currency: str) -> Decimal:
    if invoice.get("total_taxes") is not None:
        taxes = [tax for tax in listed(invoice, "total_taxes") if text_of(tax, "tax_behavior") != "inclusive"]
    elif invoice.get("total_tax_amounts") is not None:
        taxes = [tax for tax in listed(invoice, "total_tax_amounts") if not tax.get("inclusive")]
    else:
        return amount_of(invoice, "tax", currency) or _ZERO
    return sum((amount_of(tax, "amount", currency) or _ZERO for tax in taxes), _ZERO)


def _day(invoice: Thing) -> int:
    for owner, name in (
        (inner(invoice, "status_transitions"), "finalized_at"),
        (invoice, "effective_at"),
        (invoice, "created"),
    ):
        found = instant_of(owner, name)
        if found is not None:
            return day_of("UTC", found)
    raise Malformed("An invoice of Stripe says when it was created, but nothing came.", field="created")
