"""The tables of billing within one transaction of many changes (see `work`), with the methods that they always have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fluxrate.core.errors import Conflict
from fluxrate.core.model import Customer, Note
from fluxrate.core.revenue.model import Invoice, Plan, State, Subscription
from fluxrate.core.store import billing, mirrored
from fluxrate.core.store import customers as customer_table
from fluxrate.core.store import subscriptions as subscription_table
from fluxrate.core.store.billing import invoice_of, new_invoice, new_plan, plan_of
from fluxrate.core.store.customers import customer_of, new_customer
from fluxrate.core.store.schema import customers, invoices, plans, subscriptions
from fluxrate.core.store.subscriptions import new_subscription, subscription_of
from fluxrate.core.store.trail import Trail
from fluxrate.core.store.work import Lookups, Work


@dataclass(slots=True)
class Names:
    """What changes will ask for: ids or external ids of records, and `sources` of versions (see `mirrored`).

    `makes_customers` says that customers are made that are not there.
    """

    customers: set[object] = field(default_factory=set)
    plans: set[object] = field(default_factory=set)
    subscriptions: set[object] = field(default_factory=set)
    invoices: set[object] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    makes_customers: bool = False


class Together:
    """The tables within one transaction; `outside` makes the customers that cannot wait for its end."""

    def __init__(self, work: Work, outside: customer_table.Customers) -> None:
        self.customers = _Customers(work, outside)
        self.plans = _Plans(work)
        self.subscriptions = _Subscriptions(work)
        self.invoices = _Invoices(work)
        self.mirrored = _Mirrored(work)
        self.trail = Trail(work)

    def ahead(self, names: Names) -> None:
        """Read in one go what will be asked for one by one; what is not named is read when it is asked for."""
        self.customers.ahead(names.customers, makes=names.makes_customers)
        for lookups, wanted in (
            (self.plans.lookups, names.plans),
            (self.subscriptions.lookups, names.subscriptions),
            (self.invoices.lookups, names.invoices),
        ):
            lookups.ahead(wanted)
        self.mirrored.ahead(names.sources)


class _Customers(customer_table.Customers):
    def __init__(self, work: Work, outside: customer_table.Customers) -> None:
        super().__init__(work)
        self._work = work
        self._outside = outside
        self._alone = work.dialect == "sqlite"
        """Whether nobody else makes customers before the end of the transaction."""
        self.lookups = Lookups(work, customers, customer_of)

    def ahead(self, names: Iterable[object], *, makes: bool) -> None:
        """Read those that are named, before anything else is read or changed if missing ones are made."""
        wanted = set(names)
        self.lookups.ahead(wanted)
        if makes and not self._alone and any(isinstance(ref, str) and self.find(ref) is None for ref in wanted):
            # A batch of events makes customers, too: of two transactions that each make several each could wait for
            # what the other has made. It holds the counter meanwhile, and now this one does.
            self._work.hold()
            self._alone = True
            self.lookups.forget()
            self.lookups.ahead(wanted)

    def find(self, ref: str) -> Customer | None:
        return self.lookups.find(ref)

    def by_external_id(self, text: str) -> Customer | None:
        return self.lookups.named(text)

    def create(
        self, *, external_id: str, name: str | None, email: str | None, now: int, note: Note | None = None
    ) -> Customer:
        if not self._alone:
            # In a transaction of its own, so that nobody waits for it; see `ahead`.
            made = self._outside.create(external_id=external_id, name=name, email=email, now=now, note=note)
            self.lookups.known(made, made.id, made.external_id)
            return made
        if self.lookups.named(external_id) is not None:
            raise Conflict(f"The external_id {external_id!r} is taken by another customer.", field="external_id")
        row = self._work.add(customers, new_customer(external_id, now) | {"name": name, "email": email})
        self._work.note(note)
        self.edition = object()
        return self.lookups.keep(row)


class _Plans(billing.Plans):
    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._work = work
        # Held: what a subscription is put on must be as it was read when the subscription is there.
        self.lookups = Lookups(work, plans, plan_of, held=True)

    def find(self, ref: str) -> Plan | None:
        return self.lookups.find(ref)

    def by_external_id(self, text: str) -> Plan | None:
        return self.lookups.named(text)

    def create(self, values: Mapping[str, Any], now: int, note: Note | None = None) -> Plan:
        row = self._work.add(plans, new_plan(values, now))
        self._work.note(note)
        return self.lookups.keep(row)

    def update(
        self, pk: int, changes: Mapping[str, Any], now: int, note: Note | None = None, *, unused: Sequence[str] = ()
    ) -> Plan:
        made = super().update(pk, changes, now, unused=unused)
        self._work.note(note)
        self.lookups.known(made, made.id, made.external_id)
        return made


class _Subscriptions(subscription_table.Subscriptions):
    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._work = work
        self.lookups = Lookups(work, subscriptions, subscription_of)

    def find(self, ref: str) -> Subscription | None:
        return self.lookups.find(ref)

    def by_external_id(self, text: str) -> Subscription | None:
        return self.lookups.named(text)

    def create(
        self, values: Mapping[str, Any], history: Sequence[State], now: int, note: Note | None = None
    ) -> Subscription:
        row = self._work.add(subscriptions, new_subscription(values, now))
        made = self.lookups.keep(row)
        self._work.add_states(
            (made.pk, state.at, state.status, state.plan_pk, state.quantity, state.discount) for state in history
        )
        self._work.note(note)
        return made

    def update(
        self,
        before: Subscription,
        changes: Mapping[str, Any],
        history: Sequence[State],
        now: int,
        note: Note | None = None,
    ) -> Subscription:
        made = super().update(before, changes, history, now)
        self._work.note(note)
        self.lookups.known(made, made.id, made.external_id)
        return made


class _Invoices(billing.Invoices):
    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._work = work
        self.lookups = Lookups(work, invoices, invoice_of)

    def find(self, ref: str) -> Invoice | None:
        return self.lookups.find(ref)

    def by_external_id(self, text: str) -> Invoice | None:
        return self.lookups.named(text)

    def create(self, values: Mapping[str, Any], now: int, note: Note | None = None) -> Invoice:
        row = self._work.add(invoices, new_invoice(values, now))
        self._work.note(note)
        return self.lookups.keep(row)

    def update(self, before: Invoice, changes: Mapping[str, Any], now: int, note: Note | None = None) -> Invoice:
        made = super().update(before, changes, now)
        self._work.note(note)
        self.lookups.known(made, made.id, made.external_id)
        return made

    def delete(self, pk: int, note: Note | None = None) -> None:
        super().delete(pk, note)
        self.lookups.forget()


class _Mirrored(mirrored.Mirrored):
    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._work = work
        self._newest: dict[str, int | None] = {}

    def ahead(self, sources: Iterable[str]) -> None:
        """Read the versions of these records that are known."""
        missing = sorted(set(sources) - self._newest.keys())
        if missing:
            self._newest.update(dict.fromkeys(missing))
            self._newest.update(self._work.asked(mirrored.NEWEST, missing))

    def claim(self, source: str, at: int) -> bool:
        self.ahead((source,))
        newest = self._newest[source]
        if newest is None or newest < at:
            # Whether it still is so is seen when the claim goes in.
            self._newest[source] = at
            self._work.claim(source, at)
            return True
        return newest == at
