"""What a person types to name a customer: an id, an external id, or enough of a name.

The API takes ids only; a page helps. Exactly one match is the customer; several are named, so that the next letters
or a click settle it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Customer
from fluxrate.core.store.customers import Customers
from fluxrate.core.text import identifier, show

SUGGESTED = 50
NAMED = 3


@dataclass(frozen=True, slots=True)
class Match:
    """The customer a text names, or why it names none; `suggestions` fill the list under the field."""

    customer: Customer | None = None
    error: str | None = None
    suggestions: tuple[Customer, ...] = ()
    note: str = ""


def matching(customers: Customers, text: str) -> Match:
    """Resolve the text; an empty one names nobody and suggests the first customers."""
    if not text:
        return Match(suggestions=_suggest(customers, None)[0])
    try:
        identifier(text, "customer")
    except FluxrateError as error:
        return Match(error=error.detail)
    near, total = _suggest(customers, text)
    named = [c for c in near if c.name is not None and c.name.casefold() == text.casefold()]
    found = customers.find(text) or (named[0] if len(named) == 1 else None) or (near[0] if total == 1 else None)
    if found is not None:
        return Match(found, suggestions=near, note="" if text == called(found) else called(found))
    if not total:
        return Match(error=f"No customer has the id, external id or name {show(text)}.")
    return Match(error=_several(near, total), suggestions=near)


def called(customer: Customer) -> str:
    """How a sentence names a customer."""
    return f"{customer.name} ({customer.external_id})" if customer.name else customer.external_id


def _suggest(customers: Customers, text: str | None) -> tuple[tuple[Customer, ...], int]:
    rows, total = customers.list(page=1, page_size=SUGGESTED, search=text)
    return tuple(rows), total


def _several(near: tuple[Customer, ...], total: int) -> str:
    names = ", ".join(called(customer) for customer in near[:NAMED])
    more = f" and {total - NAMED:,} more" if total > NAMED else ""
    return f"{total:,} customers match: {names}{more}. Type more of the name or an external id."
