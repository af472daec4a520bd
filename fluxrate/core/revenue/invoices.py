"""The rules of an invoice: which statuses follow which, what its amounts have to do with each other, what stays fixed.

An amount that is not sent follows from the others: the subtotal is the sum of the lines, the total the subtotal and the
tax, the amount due the total; of a PAID invoice all is paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fluxrate.core import text
from fluxrate.core.errors import Conflict, NotFound, RuleBroken
from fluxrate.core.model import COMMAND_LINE, By, Note
from fluxrate.core.revenue import money, subscriptions
from fluxrate.core.revenue.model import INVOICE_STATUSES, Invoice, Line
from fluxrate.core.revenue.words import day, one_of
from fluxrate.core.store import Store
from fluxrate.core.zones import day_of

NEXT = {
    "DRAFT": ("OPEN", "PAID", "VOID", "UNCOLLECTIBLE"),
    "OPEN": ("PAID", "VOID", "UNCOLLECTIBLE"),
    "UNCOLLECTIBLE": ("PAID", "VOID"),
    "PAID": (),
    "VOID": (),
}
"""Which status may follow which: what was issued is no draft again, and PAID and VOID are the end."""

_FIXED = ("customer_pk", "subscription_pk", "currency", "subtotal", "tax", "total", "lines")
"""What stays as it was issued: a mistake is voided and a new invoice made."""
_AMOUNTS = ("subtotal", "tax", "total", "amount_due", "amount_paid")


def create(store: Store, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> Invoice:
    """A new invoice; raises RuleBroken, Malformed, NotFound (customer, subscription) or Conflict (id taken)."""
    external_id = fields.get("external_id")
    if external_id is not None:
        text.identifier(external_id, "external_id")
    values = _sent(store, fields, None)
    values["status"] = values.get("status", "DRAFT")
    values |= {"subscription_pk": values.get("subscription_pk"), "lines": values.get("lines", ())}
    today = day_of("UTC", now)
    values.setdefault("issue_date", min(today, values.get("due_date", today)))
    values.setdefault("due_date", values["issue_date"])
    if "customer_pk" not in values:
        raise RuleBroken(
            "An invoice names its customer_id or its subscription_id, but neither came.", field="customer_id"
        )
    _fill(values)
    _check(values)
    said = {"status": values["status"], "currency": values["currency"]}
    note = Note(by, "invoice.created", None if external_id is None else f"invoice:{external_id}", now, said)
    return store.invoices.create(values | {"external_id": external_id}, now, note)


def change(store: Store, before: Invoice, fields: Mapping[str, Any], now: int, by: By) -> Invoice:
    """Change the named fields; what is the same already changes nothing. Raises RuleBroken, Malformed, NotFound or
    Conflict.
    """
    sent = _sent(store, fields, before)
    status = sent.get("status", before.status)
    if status != before.status and status not in NEXT[before.status]:
        may = " or ".join(NEXT[before.status]) or "nothing else"
        raise RuleBroken(f"An invoice that is {before.status} becomes {may}, but {status} came.", field="status")
    kept = {name: getattr(before, name) for name in (*_FIXED, *_AMOUNTS, "status", "issue_date", "due_date")}
    if before.status == "DRAFT":
        _forget(kept, sent)
    if status == "PAID" and "amount_paid" not in sent:
        del kept["amount_paid"]
    values = kept | sent
    _fill(values)
    _check(values)
    changed = {name: value for name, value in values.items() if value != getattr(before, name)}
    fixed = [name for name in _FIXED if name in changed]
    if fixed and before.status != "DRAFT":
        raise RuleBroken(f"An invoice that is {before.status} keeps its {', '.join(fixed)}.", field=_wire(fixed[0]))
    if not changed:
        return before
    said: dict[str, object] = {"fields": list(map(_wire, changed))}
    if "status" in changed:
        said["status"] = {"from": before.status, "to": status}
    note = Note(by, "invoice.updated", f"invoice:{before.external_id or before.id}", now, said)
    return store.invoices.update(before, changed, now, note)


def upsert(
    store: Store, external_id: str, fields: Mapping[str, Any], now: int, by: By
) -> tuple[Invoice, Invoice | None]:
    """Change the invoice of this external id, or make it; gives it, and what it was before (None: it is new)."""
    before = store.invoices.by_external_id(text.identifier(external_id, "external_id"))
    if before is None:
        try:
            return create(store, dict(fields) | {"external_id": external_id}, now, by), None
        except Conflict:
            # Somebody made it a moment ago.
            before = store.invoices.by_external_id(external_id)
            if before is None:
                raise
    return change(store, before, fields, now, by), before


def delete(store: Store, invoice: Invoice, now: int, by: By) -> None:
    """Remove a DRAFT; what was issued is voided instead (RuleBroken)."""
    if invoice.status != "DRAFT":
        raise RuleBroken(
            f"Only a DRAFT is deleted, but this invoice is {invoice.status}; make it VOID.", field="status"
        )
    target = f"invoice:{invoice.external_id or invoice.id}"
    store.invoices.delete(invoice.pk, Note(by, "invoice.deleted", target, now))


def find(store: Store, reference: str) -> Invoice:
    """The invoice of an id or external id; raises NotFound."""
    found = store.invoices.find(reference)
    if found is None:
        raise NotFound(f"No invoice has the id or external id {text.show(reference)}.", field="invoice_id")
    return found


def _sent(store: Store, fields: Mapping[str, Any], before: Invoice | None) -> dict[str, Any]:
    """The fields that were sent, read and under the names they are stored by."""
    values: dict[str, Any] = {}
    if "status" in fields:
        values["status"] = one_of("status", fields["status"], INVOICE_STATUSES)
    if fields.get("subscription_id") is not None:
        found = subscriptions.find(store, fields["subscription_id"])
        values |= {"subscription_pk": found.pk, "customer_pk": found.customer_pk, "currency": found.currency}
    if "customer_id" in fields:
        _set(values, "customer_pk", subscriptions.customer_pk(store, fields["customer_id"]), "customer_id")
    if "currency" in fields:
        _set(values, "currency", money.check_currency(fields["currency"]), "currency")
    elif "currency" not in values:
        if before is None:
            raise RuleBroken(
                "An invoice names its currency or its subscription_id, but neither came.", field="currency"
            )
        values["currency"] = before.currency
    currency = values["currency"]
    for name in _AMOUNTS:
        if name in fields:
            values[name] = money.parse(fields[name], currency, name)
    for name in ("issue_date", "due_date"):
        if name in fields:
            values[name] = day(fields[name], name)
    if "lines" in fields:
        values["lines"] = tuple(_line(each, f"lines.{n}", currency) for n, each in enumerate(fields["lines"]))
    return values


def _set(values: dict[str, Any], name: str, value: object, field: str) -> None:
    """Keep a value that has to be that of the subscription, if there is one."""
    if values.setdefault(name, value) != value:
        raise RuleBroken(f"An invoice has the {field} of its subscription, but another one came.", field=field)


def _line(sent: Mapping[str, Any], path: str, currency: str) -> Line:
    quantity = sent.get("quantity")
    if quantity is not None:
        money.price(quantity, f"{path}.quantity")
    described = text.clean(sent["description"], f"{path}.description")
    return Line(described, money.parse(sent["amount"], currency, f"{path}.amount", signed=True), quantity)


def _forget(kept: dict[str, Any], sent: Mapping[str, Any]) -> None:
    """Of a draft, amounts that follow from one that was sent anew follow from it again."""
    chain: Sequence[str] = ("lines", "subtotal", "tax", "total", "amount_due")
    first = next((place for place, name in enumerate(chain) if name in sent), len(chain))
    for name in chain[first + 1 :]:
        if name != "tax":
            kept.pop(name, None)


def _fill(values: dict[str, Any]) -> None:
    """The amounts that were not sent."""
    values.setdefault("subtotal", sum(line.amount for line in values["lines"]))
    values.setdefault("tax", 0)
    values.setdefault("total", values["subtotal"] + values["tax"])
    values.setdefault("amount_due", values["total"])
    values.setdefault("amount_paid", values["amount_due"] if values["status"] == "PAID" else 0)


def _check(values: Mapping[str, Any]) -> None:
    def shown(name: str) -> str:
        return f"{money.amount(values[name], values['currency'])} {values['currency']}"

    if values["subtotal"] < 0:
        raise RuleBroken(
            f"The lines add up to a subtotal that is not negative, but to {shown('subtotal')}.", field="lines"
        )
    for name in ("subtotal", "total", "amount_due"):
        if values[name] > money.MOST:
            raise RuleBroken(f"{name} is too large: {shown(name)}.", field=name)
    if values["total"] > values["subtotal"] + values["tax"]:
        raise RuleBroken(
            f"total is at most subtotal and tax together, less with a discount, but {shown('total')} is more.",
            field="total",
        )
    if values["amount_paid"] > values["amount_due"]:
        raise RuleBroken(
            f"amount_paid is at most amount_due ({shown('amount_due')}), but {shown('amount_paid')} came.",
            field="amount_paid",
        )
    if values["status"] == "PAID" and values["amount_paid"] < values["amount_due"]:
        raise RuleBroken(
            f"Of a PAID invoice all is paid, but of {shown('amount_due')} only {shown('amount_paid')}.",
            field="amount_paid",
        )
    if values["due_date"] < values["issue_date"]:
        raise RuleBroken("due_date is not before issue_date, but it is.", field="due_date")


def _wire(name: str) -> str:
    return name.replace("_pk", "_id")
