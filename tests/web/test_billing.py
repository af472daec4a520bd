"""Subscriptions and invoices on pages: a customer's own, a subscription with its history, an invoice with its lines."""

from __future__ import annotations

import html as entities
import re
from datetime import datetime

import pytest

from fluxrate.core.revenue import invoices, subscriptions
from tests.web.bills import bill, plan, subscribe, tiered, turn
from tests.web.conftest import instance_in, visible


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    made = instance_in(tmp_path_factory.mktemp("billing"))
    made.customer("acme", "Acme Limited")
    made.customer("bare", None)
    plan(made, "gold")
    plan(made, "grand", "1000.00", name="Grand")
    subscribe(made, "s1", "acme", "gold", 100, quantity=2)
    turn(made, "s1", 60, plan_id="grand", quantity=1)
    turn(made, "s1", 20, discount_percent="12.5")
    turn(made, "s1", 10, status="PAST_DUE")
    for i in range(12):
        bill(made, f"old-{i}", "s1", "1.00", 300 - i, status="PAID")
    bill(made, "late", "s1", "850.00", 3, tax="20.50", amount_paid="100.00")
    yield made
    made.services.close()


def test_a_customers_page_lists_what_they_are_on_and_what_they_owe(billed):
    text = visible(billed.client.get("/customers/acme").text)
    assert "Grand Past due 1" in text
    assert "875.00 USD" in text
    assert "late Open 3 days late" in text
    assert "870.50 USD 770.50 USD" in text
    assert "The latest 10 of 13; a subscription lists all of its own." in text
    bare = visible(billed.client.get("/customers/bare").text)
    assert "Subscriptions" not in bare
    assert "Invoices" not in bare


def test_a_subscription_with_its_history(billed):
    """Each change with the MRR from then on, the latest first; ids of both kinds lead there."""
    found = subscriptions.find(billed.services.store, "s1")
    page = billed.client.get(f"/subscriptions/{found.id}").text
    assert page == billed.client.get("/subscriptions/s1").text
    text = visible(page)
    assert "MRR 875.00 USD Status Past due Quantity 1 Discount 12.5 %" in text
    history = visible(page.split('id="history-title"')[1].split("</section>")[0])
    told = re.findall(r"(Past due|Active) (Gold|Grand) × (\d)(?:, 12.5 % off)? ([0-9.,]+) ([−+0-9.,]+)", history)
    assert told == [
        ("Past due", "Grand", "1", "875.00", "0"),
        ("Active", "Grand", "1", "875.00", "−125.00"),
        ("Active", "Grand", "1", "1,000.00", "+800.00"),
        ("Active", "Gold", "2", "200.00", "+200.00"),
    ]
    assert "old-11" in text
    assert billed.client.get("/subscriptions/nothing").status_code == 404
    assert billed.client.get("/subscriptions/s1?page=7").status_code == 200


def test_the_usage_of_a_billing_period_with_its_tiers(tmp_path):
    """Of the period that is asked about, tier by tier; its usage leads to its events, and so on to other periods."""
    made = instance_in(tmp_path)
    calls, acme = made.meter("calls", "API calls", unit="calls"), made.customer("acme", "Acme")
    tiered(made, "t", "calls")
    subscribe(made, "s", "acme", "t", 0, start_date="2025-01-01")
    subscribe(made, "flat", "acme", "t", 0, start_date="2025-01-01")
    turn(made, "flat", 0, status="PAUSED", effective_at="2025-01-11")
    turn(made, "flat", 0, status="ACTIVE", effective_at="2025-01-21")
    for date in ("2025-01-05", "2025-01-15", "2025-01-25", "2025-02-01"):
        moment = datetime.fromisoformat(f"{date}T00:00:00+00:00")
        made.send(calls, acme, 60, ago=made.services.clock() - int(moment.timestamp() * 1e6))
    html = usage_of(made, "s", period="2025-01-31")
    assert "Usage, 1 Jan – 31 Jan 2025" in visible(html)
    assert rows(html) == [
        ["Calls API calls", "180 calls", "", "35.00"],
        ["Up to 100", "100", "0.25", "25"],
        ["Above 100", "80", "0.1 + 2.00", "10"],
        ["Usage of the period", "", "", "35.00"],
    ]
    assert "This is the first billing period" in html
    log = made.client.get(link(html, "/logs")).text
    assert re.search("3 (?:of [0-9,]+ )?events", visible(log))
    assert "Sum 180" in visible(log)
    following = usage_of(made, link(html, "/subscriptions"))
    assert rows(following)[0] == ["Calls API calls", "60 calls", "", "15.00"]
    assert rows(usage_of(made, link(following, "/subscriptions"))) == rows(html)
    paused = usage_of(made, "flat", period="2025-01-31")
    assert rows(paused)[0] == ["Calls API calls , with a pause", "120 calls", "", "29.00"]
    assert "/logs" not in paused, "the events of the pause are not billed, and no link leaves them out"
    assert 'id="usage"' in made.client.get("/subscriptions/s").text
    wrong = made.client.get("/subscriptions/s?period=soon")
    assert wrong.status_code == 422
    assert "period is" in visible(wrong.text)
    made.services.close()


def usage_of(made, path: str, **query: str) -> str:
    path = path if path.startswith("/") else f"/subscriptions/{path}"
    answer = made.client.get(path, query_string=query or None)
    assert answer.status_code == 200
    return answer.text.split('id="usage"')[1].split("</section>")[0]


def rows(html: str) -> list[list[str]]:
    body = html.split("</thead>")[1]
    return [[visible(cell) for cell in re.findall("<td.*?</td>", row, re.DOTALL)] for row in body.split("<tr")[1:]]


def link(html: str, path: str) -> str:
    return entities.unescape(re.search(f'href="({path}[^"]*)"', html).group(1))


def test_a_plan_without_usage_has_no_section_for_it(billed):
    assert 'id="usage"' not in billed.client.get("/subscriptions/s1").text


def test_an_invoice_with_its_lines(billed):
    found = invoices.find(billed.services.store, "late")
    text = visible(billed.client.get(f"/invoices/{found.id}").text)
    assert "Balance 770.50 USD 3 days past due Status Open" in text
    assert "Base 850.00 Subtotal 850.00 Tax 20.50 Total 870.50 Paid 100.00 Balance 770.50" in text
    assert billed.client.get("/invoices/nothing").status_code == 404


def test_strangers_have_to_sign_in(billed):
    client = billed.app.test_client()
    for path in ("/revenue", "/revenue/changes", "/subscriptions/s1", "/invoices/late"):
        assert client.get(path).status_code in (302, 303)
