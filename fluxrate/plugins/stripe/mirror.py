"""What Stripe tells, put into our records: each message brings a whole object as it was at one instant.

Messages come twice, late and out of order. Of each object the instant of the newest version is kept, and an older one
changes nothing; neither does one that would bring an invoice back to an earlier status or a canceled subscription to
life, which Stripe never does. The record is read before its version is claimed and written only as it was read, so two
messages at once cannot overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fluxrate.core import customers, text
from fluxrate.core.errors import Conflict, FluxrateError, Malformed, NotFound
from fluxrate.core.model import By
from fluxrate.core.revenue import invoices as invoice_rules
from fluxrate.core.revenue import plans as plan_rules
from fluxrate.core.revenue import subscriptions as subscription_rules
from fluxrate.core.revenue.imports import outcome
from fluxrate.core.revenue.model import Invoice, Plan, Subscription
from fluxrate.core.services import Services
from fluxrate.core.store import Names
from fluxrate.plugins.stripe import invoices, prices, subscriptions
from fluxrate.plugins.stripe.reading import (
    Thing,
    currency_of,
    expanded,
    id_of,
    inner,
    instant_of,
    listed,
    name_of,
    needed,
    note_of,
    text_of,
    tidy,
    when,
)

CUSTOMER = "fluxrate_customer"
"""The key of a subscription's, invoice's or customer's metadata that says whose it is here."""
STALE, SKIPPED, IGNORED = "stale", "skipped", "ignored"

_TRIES = 5


@dataclass(slots=True)
class Told:
    """What a message came to, and what is worth knowing about it."""

    outcome: str
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Message:
    """An object as it was at the instant `at` (UTC microseconds), told by `by`, arrived `now`."""

    thing: Thing
    at: int
    now: int
    by: By

    @property
    def counts_from(self) -> int:
        """From when a change that it tells counts: not from later than now, whatever Stripe's clock says."""
        return min(self.at, self.now)


def event(parts: Services, sent: Thing, by: By) -> Told:
    """Take in an event of Stripe; raises Malformed for one that is none, and whatever the rules of billing refuse."""
    if sent.get("object") != "event":
        return Told(IGNORED)
    at = instant_of(sent, "created")
    if at is None:
        raise Malformed("An event of Stripe says when it was created, but nothing came.", field="created")
    message = Message(inner(sent, "data", "object"), at, parts.clock(), by)
    if text_of(sent, "type") == "invoice.deleted":
        return _deleted(parts, message)
    return mirror(parts, message)


def mirror(parts: Services, message: Message) -> Told:
    """Take in an object; of a kind that is not mirrored, or a mere preview without an id, it is ignored."""
    kind = message.thing.get("object")
    take = _KINDS.get(kind) if isinstance(kind, str) else None
    if take is None or not message.thing.get("id"):
        return Told(IGNORED)
    told = Told(SKIPPED)
    for left in reversed(range(_TRIES)):
        told.remarks.clear()
        try:
            told.outcome = take(parts, message, told.remarks.append)
        except Conflict:
            # Another message about the same object was quicker; what it wrote is read now.
            if not left:
                raise
        else:
            break
    return told


def name(sent: Thing, names: Names) -> None:
    """Add what an object or event will ask for to what is read ahead."""
    try:
        thing = inner(sent, "data", "object") if sent.get("object") == "event" else sent
        own = name_of(thing, "id") or ""
        known = {"subscription": names.subscriptions, "invoice": names.invoices}.get(str(thing.get("object")))
        if known is None:
            return
        known.add(own)
        names.sources.add(_source(own))
        names.subscriptions.add(invoices.subscription_of(thing))
        names.customers.add(_owner(thing))
        names.makes_customers = True
    except Malformed:
        # It is said when the object is taken in.
        return


def _subscription(parts: Services, message: Message, say: prices.Say) -> str:
    thing, store = message.thing, parts.store
    name = needed(thing, "id")
    before = store.subscriptions.by_external_id(name)
    status = subscriptions.status_of(thing)
    if status is None:
        say(f"The subscription {name} waits for its first payment; it is mirrored once that has come.")
        return SKIPPED
    if (before is not None and before.status == "CANCELED" != status) or not _claimed(parts, name, message):
        return STALE
    if status == "TRIAL" and before is not None and before.status != "TRIAL":
        say(f"The subscription {name} is in a trial again, which counts as PAUSED.")
        status = "PAUSED"
    currency = currency_of(thing) if thing.get("currency") else _first_currency(thing)
    found = prices.terms(listed(thing, "items"), currency, parts.catalog.meter, say)
    fields = subscriptions.fields(thing, status, message.at, say)
    fields |= {"plan_id": _plan(parts, found, message).id, "quantity": found.quantity}
    if before is None:
        start = subscriptions.started(thing)
        fields |= {"external_id": name, "start_date": when(start), "customer_id": _customer(parts, thing, message)}
        fields["effective_at"] = when(_effective(thing, fields, message, start))
        return outcome(subscription_rules.create(store, fields, message.now, message.by), None)
    since = store.subscriptions.history(before.pk)[-1].at
    fields["effective_at"] = when(_effective(thing, fields, message, since))
    return outcome(subscription_rules.change(store, before, fields, message.now, message.by), before)


def _effective(thing: Thing, fields: dict[str, Any], message: Message, since: int) -> int:
    """From when on it counts: an end from when it ended, everything else from the message on."""
    ended = instant_of(thing, "ended_at") if fields["status"] == "CANCELED" else None
    if fields["status"] == "CANCELED" and text_of(thing, "status") == "incomplete_expired":
        return since
    return max(since, message.counts_from if ended is None else min(ended, message.now))


def _first_currency(thing: Thing) -> str:
    """The currency of an older subscription, which does not say its own."""
    for item in listed(thing, "items"):
        return currency_of(inner(item, "price") or inner(item, "plan"))
    return currency_of(thing)


def _plan(parts: Services, found: prices.Terms, message: Message) -> Plan:
    known = parts.store.plans.by_external_id(found.plan["external_id"])
    return known or plan_rules.create(parts.store, parts.catalog.meter, found.plan, message.now, message.by)


def _price(parts: Services, message: Message, say: prices.Say) -> str:
    found = prices.single(message.thing, parts.catalog.meter, say)
    if found is None:
        return SKIPPED
    before = parts.store.plans.by_external_id(found.plan["external_id"])
    if before is None:
        return outcome(_plan(parts, found, message), None)
    if not _claimed(parts, needed(message.thing, "id"), message):
        return STALE
    named = {"name": found.plan["name"]}
    return outcome(plan_rules.change(parts.store, parts.catalog.meter, before, named, message.now, message.by), before)


def _invoice(parts: Services, message: Message, say: prices.Say) -> str:
    thing, store = message.thing, parts.store
    name = needed(thing, "id")
    before = store.invoices.by_external_id(name)
    if invoices.is_credit(thing):
        say(f"The invoice {name} gives back more than it asks for: nothing is due, and it is not mirrored.")
        return SKIPPED
    fields = invoices.fields(thing)
    if (before is not None and _is_behind(before, fields["status"])) or not _claimed(parts, name, message):
        return STALE
    if before is None or before.status == "DRAFT":
        fields["lines"] = invoices.lines(thing, fields["subtotal"])
    if before is not None:
        return outcome(invoice_rules.change(store, before, fields, message.now, message.by), before)
    fields |= {"external_id": name} | _billed(parts, thing, message)
    return outcome(invoice_rules.create(store, fields, message.now, message.by), None)


def _is_behind(before: Invoice, status: str) -> bool:
    known, sent = invoices.RANKS[before.status], invoices.RANKS[status]
    return sent < known or (sent == known and status != before.status)


def _billed(parts: Services, thing: Thing, message: Message) -> dict[str, Any]:
    """The subscription of a new invoice, else its customer."""
    name = invoices.subscription_of(thing)
    if name is None:
        return {"customer_id": _customer(parts, thing, message)}
    found: Subscription | None = parts.store.subscriptions.by_external_id(name)
    if found is None:
        raise NotFound(
            f"The invoice {needed(thing, 'id')} is of the subscription {text.show(name)}, which is not here yet; "
            "it is taken when it is sent again after that.",
            field="subscription",
        )
    return {"subscription_id": found.id}


def _deleted(parts: Services, message: Message) -> Told:
    """A draft that was thrown away."""
    before = parts.store.invoices.by_external_id(needed(message.thing, "id"))
    if before is None or before.status != "DRAFT":
        return Told("unchanged" if before is None else STALE)
    invoice_rules.delete(parts.store, before, message.now, message.by)
    return Told("changed")


def _claimed(parts: Services, name: str, message: Message) -> bool:
    return parts.store.mirrored.claim(_source(name), message.at)


def _source(name: str) -> str:
    return f"stripe:{name}"


def _customer(parts: Services, thing: Thing, message: Message) -> str:
    """Whose it is here: as metadata say, else by Stripe's own id; made if it is new, as for an event of usage."""
    whole, own = expanded(thing, "customer"), _owner(thing)
    if own is None:
        raise Malformed("A subscription or invoice of Stripe has its customer, but none came.", field="customer")
    found = parts.store.customers.find(own)
    if found is None and not parts.settings["AUTO_CREATE_CUSTOMERS"]:
        raise NotFound(f"No customer has the id or external id {text.show(own)}.", field="customer")
    if found is not None:
        return found.id
    called = text_of(whole, "name") or text_of(thing, "customer_name")
    reached = text_of(whole, "email") or text_of(thing, "customer_email")
    fields = {"external_id": own, "name": tidy(called, "") or None, "email": reached}
    try:
        return customers.create(parts.store, fields, message.now, message.by).id
    except Conflict:
        raise
    except FluxrateError:
        # An address that is none for us keeps nobody away.
        return customers.create(parts.store, fields | {"email": None}, message.now, message.by).id


def _owner(thing: Thing) -> str | None:
    return note_of(thing, CUSTOMER) or note_of(expanded(thing, "customer"), CUSTOMER) or id_of(thing, "customer")


_KINDS: dict[str, Callable[[Services, Message, prices.Say], str]] = {
    "subscription": _subscription,
    "invoice": _invoice,
    "price": _price,
    "plan": _price,
}
