"""Plans, subscriptions with their history, and invoices in a store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import COMMAND_LINE, Note
from fluxrate.core.revenue.model import Charge, Invoice, Line, Plan, State, Subscription, Tier
from fluxrate.core.store import Store
from tests.contracts.store_case import NOW, StoreCase, together

TIERS = (Tier(Decimal("100.5"), Decimal("0.0025"), 5), Tier(None, Decimal("0.001")))
CHARGES = (
    Charge("FIXED", "Grundgebühr 中", amount=1250),
    Charge("USAGE", "calls", "INACTIVE", meter_id="m", tier_mode="volume", tiers=TIERS),
)


def note(action: str) -> Note:
    return Note(COMMAND_LINE, action, None, NOW)


def make_plan(store: Store, external_id: str | None = "gold", **fields: Any) -> Plan:
    values = {"name": "Gold", "plan_type": "HYBRID", "billing_interval": "month", "interval_count": 1}
    values |= {"currency": "USD", "trial_days": 14, "charges": CHARGES, "external_id": external_id}
    return store.plans.create(values | fields, NOW, note("plan.created"))


def make_subscription(
    store: Store, plan: Plan, external_id: str | None = "sub-1", customer: str = "c-sub"
) -> Subscription:
    found = store.customers.by_external_id(customer)
    if found is None:
        found = store.customers.create(external_id=customer, name=None, email=None, now=NOW)
    values = {"external_id": external_id, "customer_pk": found.pk, "plan_pk": plan.pk, "status": "ACTIVE"}
    values |= {"quantity": 2, "discount": 0, "currency": plan.currency, "start": NOW - 9, "trial_end": NOW - 5}
    history = [State(NOW - 9, "TRIAL", plan.pk, 2), State(NOW - 5, "ACTIVE", plan.pk, 2)]
    return store.subscriptions.create(values, history, NOW, note("subscription.created"))


def make_invoice(store: Store, subscription: Subscription, external_id: str | None = "in-1", **fields: Any) -> Invoice:
    values = {"customer_pk": subscription.customer_pk, "subscription_pk": subscription.pk, "status": "OPEN"}
    values |= {"currency": "USD", "subtotal": 100, "tax": 9, "total": 109, "amount_due": 109, "amount_paid": 9}
    values |= {"issue_date": 20_000, "due_date": 20_030, "lines": (Line("Zeile ü", -5, "1.5"), Line("x", 105))}
    return store.invoices.create(values | {"external_id": external_id} | fields, NOW, note("invoice.created"))


def fill_billing(store: Store) -> None:
    """A plan, a subscription of the customer c1 with a history, an invoice, a version that was told."""
    make_invoice(store, make_subscription(store, make_plan(store), customer="c1"))
    store.mirrored.claim("stripe:sub_1", NOW)


class BillingContract(StoreCase):
    def test_what_has_changed_among_all_subscriptions(self, store: Store) -> None:
        """Every change gives another edition, and versions that tell which rows; these come with their histories."""
        plan = make_plan(store)
        editions = [store.subscriptions.edition_of_rows()]
        first, second = (make_subscription(store, plan, name) for name in ("sub-1", "sub-2"))
        editions.append(store.subscriptions.edition_of_rows())
        assert store.subscriptions.versions() == {first.pk: 1, second.pk: 1}
        changed = store.subscriptions.update(first, {"period_start": NOW}, [], NOW)
        editions.append(store.subscriptions.edition_of_rows())
        state = State(NOW, "PAUSED", plan.pk, 2)
        second = store.subscriptions.update(second, {"status": "PAUSED"}, [state], NOW)
        editions.append(store.subscriptions.edition_of_rows())
        assert store.subscriptions.versions() == {first.pk: 2, second.pk: 2}
        found = {row.pk: (row, history) for row, history in store.subscriptions.by_pks([first.pk, second.pk, 99_999])}
        assert found[first.pk] == (changed, store.subscriptions.history(first.pk))
        assert found[second.pk] == (second, store.subscriptions.history(second.pk))
        assert found[second.pk][1][-1] == state
        store.subscriptions.delete(second.pk)
        make_subscription(store, plan, "sub-2")
        editions.append(store.subscriptions.edition_of_rows())
        assert len(set(editions)) == len(editions)
        assert store.subscriptions.by_pks([]) == []

    def test_what_is_billed_comes_back_as_it_was_given(self, store: Store) -> None:
        """Every field of plan, subscription, history and invoice, by id in any case and by external id."""
        plan = make_plan(store)
        subscription = make_subscription(store, plan)
        invoice = make_invoice(store, subscription)
        assert plan.charges == CHARGES
        assert invoice.lines == (Line("Zeile ü", -5, "1.5"), Line("x", 105))
        for table, made in (
            (store.plans, plan),
            (store.subscriptions, subscription),
            (store.invoices, invoice),
        ):
            assert table.find(made.id.upper()) == table.find(made.external_id) == made
            assert table.find("nope") is table.find("a\0b") is None
            assert table.ids_of([made.pk, 999]) == {made.pk: made.id}
            assert table.list(page=1, page_size=5) == ([made], 1)
        assert store.plans.by_external_id("gold") == plan
        assert store.plans.by_external_id(plan.id) is None
        assert store.subscriptions.by_external_id("sub-1") == subscription
        assert store.invoices.by_external_id("in-1") == invoice
        assert [state.status for state in store.subscriptions.history(subscription.pk)] == ["TRIAL", "ACTIVE"]
        both = [(subscription.pk, NOW - ago, status, plan.pk, 2, 0) for ago, status in ((9, "TRIAL"), (5, "ACTIVE"))]
        last = store.subscriptions.edition()[1]
        assert store.subscriptions.histories() == store.subscriptions.histories(0, last) == both
        assert store.subscriptions.histories(last - 1) == store.subscriptions.histories(last - 1, last) == both[1:]
        assert store.subscriptions.histories(0, last - 1) == both[:1]
        assert store.subscriptions.customers([subscription.pk, 999]) == {subscription.pk: subscription.customer_pk}
        assert [
            row.action for row in store.trail.list(0, NOW + 1, actor=None, action=None, page=1, page_size=9)[0]
        ] == [
            "invoice.created",
            "subscription.created",
            "plan.created",
        ]

    def test_an_external_id_of_billing_is_given_once(self, store: Store) -> None:
        """A second of the same external id is a Conflict that names the field; without one there are many."""
        plan = make_plan(store)
        subscription = make_subscription(store, plan)
        make_invoice(store, subscription)
        for again in (
            lambda: make_plan(store),
            lambda: make_subscription(store, plan),
            lambda: make_invoice(store, subscription),
        ):
            with pytest.raises(Conflict, match="is taken") as refused:
                again()
            assert refused.value.field == "external_id"
        assert store.subscriptions.edition()[0] == 2
        for _ in range(2):
            make_invoice(store, make_subscription(store, make_plan(store, None), None), None)

    def test_a_used_plan_keeps_what_figures_are_made_of(self, store: Store) -> None:
        """Money may change while no subscription was ever on the plan, and not after; a name always."""
        plan = make_plan(store)
        changed = store.plans.update(plan.pk, {"currency": "EUR", "charges": ()}, NOW + 1, unused=["currency"])
        assert (changed.currency, changed.charges, changed.updated_at) == ("EUR", (), NOW + 1)
        make_subscription(store, changed)
        with pytest.raises(Conflict, match="currency cannot change"):
            store.plans.update(plan.pk, {"currency": "USD"}, NOW + 2, unused=["currency"])
        assert store.plans.update(plan.pk, {"name": "Silver"}, NOW + 3).currency == "EUR"
        with pytest.raises(Conflict, match="hangs on"):
            store.plans.delete(plan.pk)
        with pytest.raises(NotFound):
            store.plans.update(99, {"name": "x"}, NOW)

    def test_a_change_decided_on_an_older_version_is_refused(self, store: Store) -> None:
        """Of several changes of one version exactly one is made, and one state added."""
        before = make_subscription(store, make_plan(store))
        refused = []

        def change(number: int) -> None:
            state = State(NOW + number, "PAUSED", before.plan_pk, number)
            try:
                store.subscriptions.update(before, {"status": "PAUSED", "quantity": number}, [state], NOW)
            except Conflict as why:
                refused.append(why.detail)

        together(4, change)
        assert len(refused) == 3
        after = store.subscriptions.find("sub-1")
        assert after is not None
        history = store.subscriptions.history(before.pk)
        assert (after.version, len(history), history[-1].quantity) == (2, 3, after.quantity)
        invoice = make_invoice(store, after)
        store.invoices.update(invoice, {"amount_paid": 109}, NOW)
        with pytest.raises(Conflict, match="in the meantime"):
            store.invoices.update(invoice, {"amount_paid": 0}, NOW)

    def test_nothing_is_deleted_that_something_hangs_on(self, store: Store) -> None:
        """A subscription goes with its history once it has no invoices, then its customer and plan."""
        plan = make_plan(store)
        subscription = make_subscription(store, plan)
        invoice = make_invoice(store, subscription)
        for delete in (
            lambda: store.subscriptions.delete(subscription.pk),
            lambda: store.customers.delete(subscription.customer_pk),
        ):
            with pytest.raises(Conflict):
                delete()
        store.invoices.delete(invoice.pk)
        edition = store.subscriptions.edition()
        store.subscriptions.delete(subscription.pk)
        assert store.subscriptions.histories() == []
        assert store.subscriptions.edition() != edition
        store.plans.delete(plan.pk)
        store.customers.delete(subscription.customer_pk)
        for table in (store.plans, store.subscriptions, store.invoices):
            with pytest.raises(NotFound):
                table.delete(1)

    def test_lists_of_billing_are_narrowed(self, store: Store) -> None:
        """By customer, plan, subscription and status, the newest first."""
        plan = make_plan(store)
        first, second = make_subscription(store, plan), make_subscription(store, plan, "sub-2", "other")
        paid = make_invoice(store, first, "in-1", status="PAID", amount_paid=109)
        lost = make_invoice(store, second, "in-2", status="UNCOLLECTIBLE", currency="EUR", due_date=20_100)
        opened = make_invoice(store, second, "in-3")
        one = {"page": 1, "page_size": 9}
        assert store.subscriptions.list(**one)[0] == [second, first]
        assert store.subscriptions.list(**one, customer_pk=first.customer_pk)[0] == [first]
        assert store.subscriptions.list(**one, status="PAUSED") == ([], 0)
        assert store.invoices.list(**one, subscription_pk=second.pk)[0] == [opened, lost]
        assert store.invoices.list(**one, status="PAID")[0] == [paid]
        assert store.invoices.list(**one, currency="EUR")[0] == [lost]
        assert store.invoices.list(**one, first_day=20_000, last_day=20_000)[1] == 3
        assert store.invoices.list(**one, first_day=20_001)[1] == store.invoices.list(**one, last_day=19_999)[1] == 0
        assert store.subscriptions.list(**one, currency="USD", plan_pk=plan.pk)[0] == [second, first]
        assert store.subscriptions.list(**one, currency="EUR")[0] == []
        assert store.plans.list(**one, plan_type="HYBRID", currency="USD")[0] == [plan]
        assert store.plans.list(**one, plan_type="FIXED")[0] == []
        assert sorted(row[0] for row in store.invoices.unpaid()) == [lost.pk, opened.pk]
        assert [row[0] for row in store.invoices.unpaid(currency="EUR")] == [lost.pk]
        assert [row[0] for row in store.invoices.unpaid(first_day=20_030, last_day=20_099)] == [opened.pk]

    def test_every_row_of_billing_comes_once(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read some at a time, the newest first; what is added meanwhile is left out."""
        monkeypatch.setattr("fluxrate.core.store.named.PIECE", 2)
        subscription = make_subscription(store, make_plan(store))
        made = [make_invoice(store, subscription, f"in-{number}", status="OPEN") for number in range(5)]
        make_invoice(store, subscription, "paid", status="PAID", amount_paid=109)
        found = []
        for rows in store.invoices.in_pieces(status="OPEN"):
            found += rows
            make_invoice(store, subscription, None)
        assert found == made[::-1]
        assert [*store.subscriptions.in_pieces(status="ACTIVE")] == [[subscription]]
        assert [*store.plans.in_pieces(currency="EUR")] == []

    def test_of_a_mirrored_record_the_newest_version_counts(self, store: Store) -> None:
        """An older one is not to be taken, the same one is again; each record for itself, and whoever asks at once."""
        assert [store.mirrored.claim("a", at) for at in (20, 10, 20, 30, 20)] == [True, False, True, True, False]
        assert store.mirrored.claim("b", 10)
        together(4, lambda number: store.mirrored.claim("c", number))
        assert [store.mirrored.claim("c", at) for at in (2, 3)] == [False, True]
