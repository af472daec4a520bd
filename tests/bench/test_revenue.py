"""The billing records of the benchmark are ones that our rules would make; its page changes in one part only."""

from __future__ import annotations

from collections import Counter

import pytest

from bench import billing, report
from bench.places import DOCS
from bench.results import AskedRevenue, Revenue
from tests.instances import NOW, open_instance


@pytest.fixture
def parts(tmp_path, monkeypatch):
    for name, count in (("SUBSCRIPTIONS", 60), ("INVOICES", 400), ("CUSTOMERS", 20), ("EVENTS", 90)):
        monkeypatch.setattr(billing, name, count)
    made = open_instance(tmp_path)
    billing.fill(made, NOW)
    yield made
    made.store.close()


def test_records_are_whole(parts):
    """Each subscription is what its last state says, in its plan's currency; each invoice is of its customer."""
    plans = {plan.pk: plan for plan in parts.store.plans.all()}
    rows, total = parts.store.subscriptions.list(page=1, page_size=100)
    assert total == 60
    for row in rows:
        history = parts.store.subscriptions.history(row.pk)
        last = history[-1]
        assert (row.status, row.plan_pk, row.quantity, row.discount) == (
            last.status, last.plan_pk, last.quantity, last.discount,
        )  # fmt: skip
        assert [state.at for state in history] == sorted(state.at for state in history)
        assert history[0].at == row.start
        assert {plans[state.plan_pk].currency for state in history} == {row.currency}
        assert (row.canceled_at is not None) == (row.status == "CANCELED")
    owners = {row.pk: (row.customer_pk, row.currency) for row in rows}
    billed, total = parts.store.invoices.list(page=1, page_size=500)
    assert total == 400
    assert all(owners[row.subscription_pk] == (row.customer_pk, row.currency) for row in billed)
    assert all(row.balance == (0 if row.status == "PAID" else row.total) for row in billed)
    assert 20 < Counter(row.status for row in billed)["OPEN"] < 60


def test_it_is_the_same_every_time(parts, tmp_path):
    again = open_instance(tmp_path / "again")
    billing.fill(again, NOW)
    for one, other in zip(parts.revenue.steps(), again.revenue.steps(), strict=True):
        assert one.mrr.tolist() == other.mrr.tolist()
    again.store.close()


def test_only_its_own_part_of_the_page_is_written_anew():
    """A figure over the goal is marked; the rest of the page stays to the last letter."""
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    asked = [AskedRevenue("SQLite", "at risk", 0.05, 0.06), AskedRevenue("SQLite", "MRR", 0.05, 0.11)]
    made = report.with_revenue(page, Revenue(10, 20, asked))
    assert "| at risk |       50.0 |           60.0 |          met |" in made
    assert "| MRR     |       50.0 |            110 |   **missed** |" in made
    heading, end = "## Revenue\n", "## Left out\n"
    assert made.split(heading)[0] == page.split(heading)[0]
    assert made.split(end)[1] == page.split(end)[1]
    assert report.with_revenue(made, Revenue(10, 20, asked)) == made
