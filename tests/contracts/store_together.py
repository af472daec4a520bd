"""Many changes of billing records in one transaction of a store."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text

from fluxrate.core.errors import Conflict
from fluxrate.core.model import COMMAND_LINE, Note
from fluxrate.core.revenue.model import Line, State
from fluxrate.core.store import Names, Store, Undone
from tests.contracts.store_billing import make_invoice, make_plan, make_subscription, note
from tests.contracts.store_case import NOW, StoreCase

TABLES = ("customers", "plans", "subscriptions", "subscription_states", "invoices", "mirrored", "audit")
ODD = 'Zeile "ü"\\ {NULL,中} \' $1 %s ?'


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables of billing but for the random ids, in the order of their keys."""
    found = {}
    with store.read() as connection:
        for table in TABLES:
            rows = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")).mappings()
            found[table] = [{name: cell for name, cell in row.items() if name != "id"} for row in rows]
    return found


def work(store: Store, start: int = 0) -> None:
    """A bit of everything that an import does: new records, found by their names, and changed."""
    customer = store.customers.create(
        external_id=f"c{start}", name=ODD, email=None, now=NOW, note=note("customer.created")
    )
    plan = make_plan(store, f"plan-{start}", name=ODD)
    for number in range(start, start + 70):
        made = make_subscription(store, plan, f"sub-{number}", customer=customer.external_id)
        assert store.subscriptions.by_external_id(f"sub-{number}") == made == store.subscriptions.find(made.id.upper())
        assert store.mirrored.claim(f"stripe:{number}", NOW + number)
        assert not store.mirrored.claim(f"stripe:{number}", NOW + number - 1)
        invoice = make_invoice(store, made, f"in-{number}", lines=(Line(ODD, 5), Line("x", -5, "0.5")))
        if number % 9 == 0:
            paid = {"status": "PAID", "amount_paid": 109}
            assert store.invoices.update(invoice, paid, NOW + 1, note("invoice.updated")).version == 2
            state = State(NOW, "PAUSED", plan.pk, 3)
            changes = {"status": "PAUSED", "quantity": 3}
            store.subscriptions.update(made, changes, [state], NOW + 1, note("subscription.updated"))
            known = store.subscriptions.by_external_id(f"sub-{number}")
            assert known is not None
            assert (known.version, known.status) == (2, "PAUSED")
            assert [each.status for each in store.subscriptions.history(made.pk)] == ["TRIAL", "ACTIVE", "PAUSED"]
    store.plans.update(plan.pk, {"name": "Silver"}, NOW, note("plan.updated"))
    assert store.plans.find(f"plan-{start}") == store.plans.by_external_id(f"plan-{start}")
    draft = store.invoices.by_external_id(f"in-{start}")
    assert draft is not None
    store.invoices.delete(draft.pk, note("invoice.deleted"))
    assert store.invoices.find(f"in-{start}") is None


class TogetherContract(StoreCase):
    def test_together_as_one_by_one(self, store: Store) -> None:
        """What is done within one transaction leaves the same rows, with keys in the same order, as without."""
        work(store)
        alone = everything(store)
        assert len(alone["invoices"]) == 69
        with store.write() as connection:
            for table in reversed(TABLES):
                connection.execute(text(f"DELETE FROM {table}"))
        with store.together() as (within, _):
            work(within)
        found = everything(store)
        for table, rows in alone.items():
            # Keys go on from where they were: compared is how far each is from the first.
            assert [shifted(row, rows[0]) for row in rows] == [shifted(row, found[table][0]) for row in found[table]]

    def test_nothing_is_there_before_the_end_or_after_an_error(self, store: Store, url: str) -> None:
        """Others see all of it or nothing, and are not kept from reading meanwhile."""
        before = everything(store)
        other = Store(url)
        with pytest.raises(ZeroDivisionError), store.together() as (within, _):  # noqa: PT012 (what is within fails)
            made = make_plan(within)
            within.plans.update(made.pk, {"name": "Silver"}, NOW, note("plan.updated"))
            assert everything(other) == before
            raise ZeroDivisionError
        assert everything(store) == before
        with store.together() as (within, _):
            make_plan(within)
        assert [plan.external_id for plan in other.plans.all()] == ["gold"]
        other.close()

    def test_what_is_read_ahead_is_what_would_be_found(self, store: Store) -> None:
        """By id or external id; what names nothing, or cannot name anything, is None."""
        made = make_subscription(store, make_plan(store), "sub-ü")
        invoice = make_invoice(store, made)
        store.mirrored.claim("stripe:a", NOW)
        billed: set[object] = {made.id, "sub-ü", "\0", "\ud800"}
        names = Names({"c-sub", None, "nobody"}, {"gold", 7}, billed, {"in-1"}, {"stripe:a"})
        with store.together() as (within, ahead):
            ahead(names)
            assert within.subscriptions.find(made.id) == within.subscriptions.find("sub-ü") == made
            assert within.subscriptions.by_external_id(made.id) is None
            assert within.invoices.find(invoice.id) == within.invoices.by_external_id("in-1") == invoice
            for table in (within.subscriptions, within.plans, within.customers):
                assert [table.find(ref) for ref in ("nobody", "\0", "\ud800", "x" * 36)] == [None] * 4
            found = within.customers.find("c-sub")
            assert found == within.customers.by_external_id("c-sub") == store.customers.find("c-sub")
            assert within.plans.find("gold") == store.plans.find("gold")
            assert [within.mirrored.claim("stripe:a", NOW + n) for n in (-1, 0, 2, 1)] == [False, True, True, False]
        assert not store.mirrored.claim("stripe:a", NOW + 1)

    def test_a_conflict_undoes_all(self, store: Store) -> None:
        """A taken external id, a row that has gone or changed, a plan in use: nothing of the transaction is there."""
        plan = make_plan(store)
        made = make_subscription(store, plan)
        changed = store.subscriptions.update(made, {"period_start": NOW}, [], NOW)
        before = everything(store)

        def undone(do: Any) -> None:
            with pytest.raises(Undone), store.together() as (within, _):  # noqa: PT012
                make_plan(within, "other")
                do(within)
            assert everything(store) == before

        undone(lambda within: make_plan(within, "gold"))
        undone(lambda within: make_invoice(within, made, "in-1") and make_invoice(within, made, "in-1"))
        undone(lambda within: within.subscriptions.update(made, {"quantity": 3}, [], NOW))
        undone(lambda within: within.plans.update(plan.pk, {"currency": "EUR"}, NOW, unused=["currency"]))
        undone(lambda within: within.invoices.delete(77))
        gone = make_subscription(store, plan, "gone")
        store.subscriptions.delete(gone.pk)
        before = everything(store)
        undone(lambda within: make_invoice(within, gone))
        assert changed.version == 2

    def test_customers_made_within(self, store: Store) -> None:
        """A customer that somebody else has is a Conflict there too; made ones are known to the store afterwards."""
        store.customers.create(external_id="a", name=None, email=None, now=NOW)
        edition = store.customers.edition
        with store.together() as (within, _):
            with pytest.raises(Conflict):
                within.customers.create(external_id="a", name=None, email=None, now=NOW)
            within.customers.create(external_id="b", name=None, email=None, now=NOW, note=note("customer.created"))
        assert store.customers.edition is not edition
        assert store.customers.find("b") is not None

    def test_another_writer_meets_no_half(self, store: Store, url: str) -> None:
        """Who writes the same at the same moment waits for the end, or it is undone; nothing is there twice."""
        other, started, rows = Store(url), threading.Event(), list(range(40))
        outcomes: list[str] = []

        def write() -> None:
            started.wait()
            for number in rows:
                try:
                    make_plan(other, f"p{number}")
                    outcomes.append("other")
                except Conflict:
                    outcomes.append("first")

        thread = threading.Thread(target=write)
        thread.start()
        undone = False
        try:
            with store.together() as (within, _):
                for number in rows:
                    make_plan(within, f"p{number}")
                    started.set()
        except Undone:
            undone = True
        thread.join()
        other.close()
        assert sorted(str(plan.external_id) for plan in store.plans.all()) == sorted(f"p{number}" for number in rows)
        assert set(outcomes) == ({"other"} if undone else {"first"})
        made = [row["target"] for row in everything(store)["audit"] if row["action"] == "plan.created"]
        assert len(made) == len(rows)

    def test_a_note_alone(self, store: Store) -> None:
        """The trail within the transaction is that of the transaction."""
        with store.together() as (within, _):
            within.trail.add(Note(COMMAND_LINE, "import.started", "x", NOW))
        assert [row["action"] for row in everything(store)["audit"]] == ["import.started"]


def shifted(row: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """The row with its keys as distances from those of the first."""
    keys = [name for name in row if name.endswith("pk") and row[name] is not None]
    return row | {name: row[name] - first[name] for name in keys}
