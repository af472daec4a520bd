"""Plans, subscriptions and invoices over the API: mirrored as the biller has them, refused where they make no sense."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from tests.callers import Api, exact, problem

FIXED = {"charge_type": "FIXED", "name": "Base", "amount": "10.50"}
TIERS = [
    {"up_to": "1000", "unit_price": "0.0025"},
    {"up_to": None, "unit_price": "0.001", "flat_amount": "5"},
]


def sent(response, *statuses: int):
    assert response.status_code in (statuses or (200, 201)), response.text
    return exact(response)


def plan(api: Api, external_id: str = "gold", **fields):
    body = {"external_id": external_id, "name": "Gold", "plan_type": "FIXED", "currency": "USD", "charges": [FIXED]}
    return sent(api.post("/plans", body | fields), 201)


def subscription(api: Api, external_id: str = "s1", **fields):
    body = {"customer_id": "acme", "plan_id": "gold"}
    return sent(api.call("PUT", f"/subscriptions/by-external-id/{external_id}", json=body | fields))


def invoice(api: Api, external_id: str = "i1", **fields):
    body = {"subscription_id": "s1", "status": "OPEN", "lines": [{"description": "Base", "amount": "10.50"}]}
    return sent(api.call("PUT", f"/invoices/by-external-id/{external_id}", json=body | fields))


@pytest.fixture
def api(api):
    api.post("/customers", {"external_id": "acme"})
    return api


def latest(api: Api):
    return api.get("/audit").json["data"][0]


def test_a_plan_with_every_kind_of_charge(api):
    """A plan is answered as it was made, prices with every digit, and found by both ids."""
    meter = api.meter()
    usage = {"charge_type": "USAGE", "name": "Calls", "meter_id": "calls"}
    charges = [
        FIXED,
        usage | {"unit_price": "0.000000000001", "status": "INACTIVE"},
        usage | {"tier_mode": "graduated", "tiers": TIERS},
    ]
    made = plan(api, plan_type="HYBRID", billing_interval="year", interval_count=2, trial_days=14, charges=charges)
    assert api.get("/plans/gold").json == api.get(f"/plans/{made['id']}").json == api.get("/plans").json["data"][0]
    first, second, third = made["charges"]
    assert (str(first["amount"]), first["status"], first["tiers"]) == ("10.50", "ACTIVE", [])
    assert (second["meter_id"], second["unit_price"], second["status"]) == (meter["id"], Decimal("1E-12"), "INACTIVE")
    assert [(tier["up_to"], str(tier["unit_price"]), str(tier["flat_amount"])) for tier in third["tiers"]] == [
        (1000, "0.0025", "0.00"),
        (None, "0.001", "5.00"),
    ]
    assert (latest(api)["action"], latest(api)["target"]) == ("plan.created", "plan:gold")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"currency": "XXX"}, 422, "ISO 4217"),
        ({"plan_type": "GOLD"}, 422, "HYBRID"),
        ({"billing_interval": "fortnight"}, 422, "week"),
        ({"interval_count": 0}, 422, "interval_count"),
        ({"charges": [FIXED | {"amount": "1.005"}]}, 422, "2 decimal places"),
        ({"charges": [FIXED | {"amount": "-1"}]}, 422, "not negative"),
        ({"charges": [FIXED | {"amount": 0.1234567890123456}]}, 422, "as a text"),
        ({"charges": [FIXED | {"amount": "99999999999999"}]}, 422, "at most"),
        ({"charges": [FIXED | {"amount": True}]}, 422, "amount"),
        ({"charges": [FIXED | {"unit_price": "1"}]}, 400, "unit_price"),
        ({"charges": [{"charge_type": "FIXED"}]}, 400, "amount is missing"),
        ({"charges": [{"charge_type": "USAGE", "meter_id": "calls", "unit_price": "1"}]}, 400, "HYBRID"),
        ({"plan_type": "USAGE", "charges": [{"charge_type": "USAGE", "meter_id": "no", "unit_price": "1"}]}, 404, "no"),
        ({"plan_type": "USAGE", "charges": [{"charge_type": "USAGE", "meter_id": "calls"}]}, 400, "tiers"),
        (
            {"plan_type": "USAGE", "charges": [{"charge_type": "USAGE", "meter_id": "calls", "tiers": TIERS}]},
            400,
            "tier_mode",
        ),
        (
            {
                "plan_type": "USAGE",
                "charges": [{"charge_type": "USAGE", "meter_id": "calls", "tiers": TIERS[::-1], "tier_mode": "volume"}],
            },
            400,
            "go up",
        ),
    ],
)
def test_a_plan_that_makes_no_sense_is_not_made(api, change, status, said):
    api.meter()
    body = {"name": "Gold", "plan_type": "FIXED", "currency": "USD", "charges": [FIXED]}
    problem(api.post("/plans", body | change), status, said)
    assert api.get("/plans").json["data"] == []


def test_a_plan_in_use_keeps_its_prices(api):
    """While nobody is on it everything may change; then only what no figure is made of, and it cannot be deleted."""
    plan(api)
    assert sent(api.patch("/plans/gold", {"charges": [FIXED | {"amount": 12}]}))["charges"][0]["amount"] == 12
    assert sent(api.patch("/plans/gold", {"currency": "JPY", "charges": []}))["currency"] == "JPY"
    problem(api.patch("/plans/gold", {"plan_type": "USAGE", "charges": [FIXED | {"amount": 1}]}), 400, "FIXED")
    subscription(api)
    problem(api.patch("/plans/gold", {"billing_interval": "year"}), 409, "make a new plan")
    assert sent(api.patch("/plans/gold", {"name": "Old", "billing_interval": "month"}))["name"] == "Old"
    problem(api.call("DELETE", "/plans/gold"), 409, "hangs on")
    plan(api, "unused")
    assert sent(api.call("DELETE", "/plans/unused"))["external_id"] == "unused"
    assert latest(api)["action"] == "plan.deleted"
    problem(api.get("/plans/unused"), 404, "'unused'")


def test_an_upsert_changes_what_differs_and_nothing_twice(api):
    """The first PUT creates, the same again adds no state and no note, a change adds both."""
    plan(api)
    body = {"customer_id": "acme", "plan_id": "gold", "start_date": "2025-01-01", "quantity": 2}
    put = lambda **more: api.call("PUT", "/subscriptions/by-external-id/s1", json=body | more)  # noqa: E731
    made = sent(put(), 201)
    before = latest(api)["id"]
    assert sent(put(), 200) == made
    assert latest(api)["id"] == before
    after = sent(put(quantity=3, effective_at="2025-02-01"), 200)
    assert [(state["effective_at"], state["quantity"]) for state in after["history"]] == [
        ("2025-01-01T00:00:00Z", 2),
        ("2025-02-01T00:00:00Z", 3),
    ]
    assert api.get("/subscriptions/s1").json == api.get(f"/subscriptions/{made['id']}").json
    del after["history"]
    assert exact(api.get("/customers/acme/subscriptions"))["data"] == [after]
    assert api.get("/subscriptions", customer_id="acme", plan_id="gold", status="ACTIVE").json["meta"]["total"] == 1
    assert api.get("/subscriptions", status="PAUSED").json["data"] == []
    assert (latest(api)["action"], latest(api)["details"]) == ("subscription.updated", {"fields": ["quantity"]})


@pytest.mark.parametrize(
    ("fields", "history"),
    [
        ({}, [("2025-01-01", "ACTIVE")]),
        ({"status": "TRIAL"}, [("2025-01-01", "TRIAL")]),
        ({"trial_end": "2025-01-15"}, [("2025-01-01", "TRIAL"), ("2025-01-15", "ACTIVE")]),
        (
            {"status": "CANCELED", "trial_end": "2025-01-15", "canceled_at": "2025-03-01"},
            [("2025-01-01", "TRIAL"), ("2025-01-15", "ACTIVE"), ("2025-03-01", "CANCELED")],
        ),
        (
            {"status": "CANCELED", "trial_end": "2025-01-15", "canceled_at": "2025-01-10"},
            [("2025-01-01", "TRIAL"), ("2025-01-10", "CANCELED")],
        ),
        (
            {"status": "PAUSED", "effective_at": "2025-02-01"},
            [("2025-01-01", "ACTIVE"), ("2025-02-01", "PAUSED")],
        ),
    ],
)
def test_the_history_of_what_is_first_heard_of_late(api, fields, history):
    """A subscription that was there before it was mirrored has the history that its dates tell."""
    plan(api)
    made = subscription(api, start_date="2025-01-01", **fields)
    assert [(state["effective_at"][:10], state["status"]) for state in made["history"]] == history
    assert made["status"] == history[-1][1]


NEXT = {
    "TRIAL": {"ACTIVE", "PAST_DUE", "PAUSED", "CANCELED"},
    "ACTIVE": {"PAST_DUE", "PAUSED", "CANCELED"},
    "PAST_DUE": {"ACTIVE", "PAUSED", "CANCELED"},
    "PAUSED": {"ACTIVE", "PAST_DUE", "CANCELED"},
    "CANCELED": {"ACTIVE"},
}


def test_every_transition_of_a_subscription(api):
    """From each status to each other one: made, or refused with what may follow, and then nothing has changed."""
    plan(api)
    for before, allowed in NEXT.items():
        for after in NEXT:
            name = f"{before}-{after}"
            subscription(api, name, status=before, start_date="2025-01-01")
            response = api.patch(f"/subscriptions/{name}", {"status": after})
            if after == before or after in allowed:
                assert sent(response)["status"] == after
            else:
                problem(response, 400, before, f"{after} came")
                assert api.get(f"/subscriptions/{name}").json["status"] == before
    back = api.get("/subscriptions/CANCELED-ACTIVE").json
    assert (back["canceled_at"], back["status"]) == (None, "ACTIVE")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"quantity": 2, "effective_at": "2024-12-31"}, 400, "or later"),
        ({"quantity": 2, "effective_at": "2999-01-01"}, 400, "or before"),
        ({"plan_id": "yen"}, 400, "stays in its currency"),
        ({"plan_id": "nope"}, 404, "'nope'"),
        ({"canceled_at": "2025-02-01"}, 400, "CANCELED"),
        ({"trial_end": "2024-02-01"}, 422, "start_date"),
        ({"current_period_start": "2025-02-01", "current_period_end": "2025-02-01"}, 422, "current_period_end"),
        ({"discount_percent": "100.1"}, 422, "0 to 100"),
        ({"discount_percent": "0.00001"}, 422, "places"),
        ({"quantity": -1}, 422, "quantity"),
        ({"quantity": 1.5}, 422, "quantity"),
        ({"status": "GONE"}, 422, "TRIAL"),
        ({"customer_id": "acme"}, 422, "unknown here"),
    ],
)
def test_a_change_that_makes_no_sense(api, change, status, said):
    plan(api)
    plan(api, "yen", currency="JPY", charges=[])
    before = subscription(api, start_date="2025-01-01")
    problem(api.patch("/subscriptions/s1", change), status, said)
    assert exact(api.get("/subscriptions/s1")) == before


def test_a_subscription_stays_with_its_customer_and_start(api):
    plan(api)
    api.post("/customers", {"external_id": "other"})
    subscription(api, start_date="2025-01-01")
    put = lambda **body: api.call("PUT", "/subscriptions/by-external-id/s1", json={"plan_id": "gold"} | body)  # noqa: E731
    problem(put(customer_id="other"), 400, "customer")
    problem(put(customer_id="acme", start_date="2025-01-02"), 400, "start_date")
    problem(put(customer_id="nobody"), 404, "'nobody'")
    problem(api.post("/subscriptions", {"customer_id": "acme", "plan_id": "gold", "external_id": "s1"}), 409, "'s1'")


def test_amounts_that_follow_from_the_others(api):
    """The subtotal is the sum of the lines, the total has the tax, all of it is due, and all of a PAID one is paid."""
    plan(api)
    subscription(api)
    lines = [{"description": "Base", "amount": "10.50"}, {"description": "Credit", "amount": "-0.25", "quantity": "1"}]
    made = invoice(api, lines=lines, tax="1.95", status="DRAFT")
    names = ("subtotal", "tax", "total", "amount_due", "amount_paid", "balance")
    assert [str(made[name]) for name in names] == ["10.25", "1.95", "12.20", "12.20", "0.00", "12.20"]
    assert (made["currency"], made["customer_external_id"]) == ("USD", "acme")
    redone = sent(api.patch("/invoices/i1", {"lines": lines[:1]}))
    assert [str(redone[name]) for name in names] == ["10.50", "1.95", "12.45", "12.45", "0.00", "12.45"]
    sent(api.patch("/invoices/i1", {"status": "OPEN"}))
    paid = sent(api.patch("/invoices/i1", {"status": "PAID"}))
    assert [str(paid[name]) for name in names] == ["10.50", "1.95", "12.45", "12.45", "12.45", "0.00"]
    assert exact(api.get("/customers/acme/invoices"))["data"] == exact(api.get("/invoices"))["data"] == [paid]
    assert latest(api)["details"]["status"] == {"from": "OPEN", "to": "PAID"}
    before = latest(api)["id"]
    invoice(api, lines=lines[:1], tax="1.95", status="PAID")
    assert latest(api)["id"] == before


INVOICE_NEXT = {
    "DRAFT": {"OPEN", "PAID", "VOID", "UNCOLLECTIBLE"},
    "OPEN": {"PAID", "VOID", "UNCOLLECTIBLE"},
    "PAID": set(),
    "VOID": set(),
    "UNCOLLECTIBLE": {"PAID", "VOID"},
}


def test_every_transition_of_an_invoice(api):
    """From each status to each other one: made, or refused with what may follow."""
    plan(api)
    subscription(api)
    for before, allowed in INVOICE_NEXT.items():
        for after in INVOICE_NEXT:
            invoice(api, f"{before}-{after}", status=before)
            response = api.patch(f"/invoices/{before}-{after}", {"status": after})
            if after == before or after in allowed:
                assert sent(response)["status"] == after
            else:
                problem(response, 400, before, f"{after} came")


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"total": "20.00"}, 400, "at most subtotal and tax"),
        ({"amount_paid": "10.51"}, 400, "amount_paid is at most"),
        ({"status": "PAID", "amount_paid": "1"}, 400, "all is paid"),
        ({"due_date": "2025-01-01", "issue_date": "2025-01-02"}, 400, "due_date"),
        ({"due_date": "soon"}, 422, "due_date"),
        ({"currency": "EUR"}, 400, "subscription"),
        ({"subscription_id": None, "customer_id": "acme"}, 400, "currency"),
        ({"subscription_id": None, "currency": "USD"}, 400, "customer_id"),
        ({"lines": [{"description": "x", "amount": "-1"}]}, 400, "not negative"),
        ({"lines": [{"description": "", "amount": "1"}]}, 400, "description"),
        ({"subscription_id": "nope"}, 404, "'nope'"),
        ({"status": "SENT"}, 422, "DRAFT"),
    ],
)
def test_an_invoice_that_makes_no_sense_is_not_made(api, change, status, said):
    plan(api)
    subscription(api)
    body = {"subscription_id": "s1", "status": "OPEN", "lines": [{"description": "Base", "amount": "10.50"}]}
    problem(api.call("PUT", "/invoices/by-external-id/i1", json=body | change), status, said)
    assert api.get("/invoices").json["data"] == []


def test_what_was_issued_stays(api):
    """An OPEN invoice keeps its amounts and is not deleted; a DRAFT is."""
    plan(api)
    subscription(api)
    invoice(api)
    problem(api.patch("/invoices/i1", {"tax": "1.00", "total": "11.50"}), 400, "keeps its")
    problem(api.call("DELETE", "/invoices/i1"), 400, "VOID")
    problem(api.call("DELETE", "/subscriptions/s1"), 409, "hangs on")
    invoice(api, "i2", status="DRAFT")
    sent(api.call("DELETE", "/invoices/i2"))
    assert api.get("/invoices", subscription_id="s1", status="OPEN").json["meta"]["total"] == 1
    problem(api.get("/invoices/i2"), 404, "'i2'")


def table(response) -> list[dict[str, str]]:
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text)))


def test_lists_are_narrowed(api):
    """By status, plan, currency, customer and, of invoices, subscription and date of issue."""
    plan(api)
    plan(api, "euro", currency="EUR")
    subscription(api)
    subscription(api, "s2", plan_id="euro", status="PAUSED")
    invoice(api, issue_date="2025-01-31", due_date="2025-02-28")
    invoice(api, "i2", subscription_id="s2", issue_date="2025-02-01", due_date="2025-02-28", status="PAID")

    def ids(path: str, **query: str) -> list[str]:
        return [row["external_id"] for row in sent(api.get(path, **query))["data"]]

    assert ids("/plans", currency="eur") == ids("/plans", plan_type="FIXED", currency="EUR") == ["euro"]
    assert ids("/plans", plan_type="USAGE") == []
    for path in ("/subscriptions", "/customers/acme/subscriptions"):
        assert ids(path) == ["s2", "s1"]
        assert ids(path, currency="EUR") == ids(path, plan_id="euro") == ids(path, status="PAUSED") == ["s2"]
    for path in ("/invoices", "/customers/acme/invoices"):
        assert ids(path) == ["i2", "i1"]
        assert ids(path, currency="USD") == ids(path, subscription_id="s1") == ids(path, status="OPEN") == ["i1"]
        assert ids(path, end_date="2025-01-31") == ids(path, start_date="2025-01-01", end_date="2025-01-31") == ["i1"]
        assert ids(path, start_date="2025-02-01") == ["i2"]
        problem(api.get(path, start_date="2025-02-02", end_date="2025-02-01"), 422, "start_date")
        problem(api.get(path, currency="XYZ"), 422, "ISO 4217")
        problem(api.get(path, subscription_id="nope"), 404, "'nope'")
    problem(api.get("/plans", plan_type="GOLD"), 422, "HYBRID")


def test_lists_as_tables(api):
    """Every row that matches with the fields of the JSON list; what a spreadsheet would run stands behind an
    apostrophe; a page of it cannot be asked for.
    """
    plan(api, name="=HYPERLINK(1)")
    subscription(api, "@s1", quantity=3)
    for number in range(25):
        lines = [{"description": "=1+1", "amount": "10.50"}]
        invoice(api, f"i{number}", subscription_id="@s1", lines=lines, issue_date="2025-01-01")
    for path, count in (("/plans", 1), ("/subscriptions", 1), ("/customers/acme/invoices", 25), ("/invoices", 25)):
        rows = table(api.get(path, format="csv"))
        first = exact(api.get(path))["data"][0]
        assert len(rows) == count
        assert list(rows[0]) == list(first)
        for name, value in first.items():
            if isinstance(value, list):
                assert json.loads(rows[0][name], parse_float=Decimal) == value
            else:
                shown = "" if value is None else str(value)
                assert rows[0][name] == (f"'{shown}" if shown[:1] in ("=", "@") else shown)
        problem(api.get(path, format="csv", page=1), 422, "page")
    assert len(table(api.get("/invoices", format="csv", status="PAID"))) == 0
