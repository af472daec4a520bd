"""Revenue figures over the API: the documented keys, currencies apart, exact amounts, ages from the due date."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
import time_machine

from tests.api.test_billing import invoice, plan, subscription
from tests.callers import Api, exact, problem

NOON = "2025-06-15T12:00:00Z"


@pytest.fixture
def api(app):
    with time_machine.travel(NOON, tick=False):
        api = Api(app)
        for name in ("acme", "globex"):
            assert api.post("/customers", {"external_id": name}).status_code == 201
        yield api


def test_mrr_of_a_subscription_that_grows_and_goes(api):
    """Each movement stands at the day of its change, the five add up, and the keys are the documented ones."""
    plan(api)
    subscription(api, start_date="2025-06-02")
    api.patch("/subscriptions/s1", {"quantity": 3, "effective_at": "2025-06-04"})
    api.patch("/subscriptions/s1", {"discount_percent": "50", "effective_at": "2025-06-05"})
    api.patch("/subscriptions/s1", {"status": "CANCELED", "canceled_at": "2025-06-06T08:00:00Z"})
    api.patch("/subscriptions/s1", {"status": "ACTIVE", "quantity": 1, "effective_at": "2025-06-07"})
    response = api.get("/revenue/mrr", start_date="2025-06-01", end_date="2025-06-07")
    body = exact(response)
    assert list(body) == ["data", "period_start", "period_end", "timezone"]
    assert (body["period_start"], body["period_end"]) == ("2025-06-01T00:00:00Z", "2025-06-07T23:59:59Z")
    (usd,) = body["data"]
    assert {"currency", "mrr", "arr", "active_subscriptions", "grouped_data"} <= set(usd)
    named = ("mrr", "new", "expansion", "contraction", "churn", "reactivation", "active_subscriptions")
    rows = {point["period"]: tuple(point[name] for name in named) for point in usd["grouped_data"]}
    assert {period: tuple(map(str, row)) for period, row in rows.items()} == {
        "2025-06-01": ("0.00", "0.00", "0.00", "0.00", "0.00", "0.00", "0"),
        "2025-06-02": ("10.50", "10.50", "0.00", "0.00", "0.00", "0.00", "1"),
        "2025-06-03": ("10.50", "0.00", "0.00", "0.00", "0.00", "0.00", "1"),
        "2025-06-04": ("31.50", "0.00", "21.00", "0.00", "0.00", "0.00", "1"),
        "2025-06-05": ("15.75", "0.00", "0.00", "-15.75", "0.00", "0.00", "1"),
        "2025-06-06": ("0.00", "0.00", "0.00", "0.00", "-15.75", "0.00", "0"),
        "2025-06-07": ("5.25", "0.00", "0.00", "0.00", "0.00", "5.25", "1"),
    }
    assert (usd["mrr"], usd["arr"], usd["arpa"]) == (Decimal("5.25"), Decimal("63.00"), Decimal("5.25"))
    assert usd["churn_rate"] is usd["net_revenue_retention"] is None
    later = exact(api.get("/revenue/mrr", start_date="2025-06-05", end_date="2025-06-07"))["data"][0]
    assert (later["opening_mrr"], later["net_revenue_retention"]) == (Decimal("31.50"), Decimal("0.166667"))
    assert later["churn_rate"] == 0


def test_currencies_are_never_added(api):
    """Each currency has its own series with its own places, and can be asked for alone."""
    plan(api)
    plan(api, "yen", currency="JPY", charges=[{"charge_type": "FIXED", "amount": 1200}])
    subscription(api, start_date="2025-06-02")
    subscription(api, "s2", plan_id="yen", customer_id="globex", start_date="2025-06-03")
    found = exact(api.get("/revenue/mrr", start_date="2025-06-01", end_date="2025-06-07", group_by="month"))["data"]
    assert [(each["currency"], str(each["mrr"])) for each in found] == [("JPY", "1200"), ("USD", "10.50")]
    assert [each["currency"] for each in api.get("/revenue/mrr", currency="jpy").json["data"]] == ["JPY"]
    assert api.get("/revenue/mrr", currency="EUR").json["data"] == []
    table = api.get("/revenue/mrr", start_date="2025-06-06", end_date="2025-06-07", format="csv")
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0][:4] == ["currency", "period", "mrr", "new"]
    assert [row[:3] for row in rows[1:]] == [
        ["JPY", "2025-06-06", "1200"], ["JPY", "2025-06-07", "1200"],
        ["USD", "2025-06-06", "10.50"], ["USD", "2025-06-07", "10.50"],
    ]  # fmt: skip


def test_the_day_of_a_change_is_that_of_the_zone(api):
    """22:30 in UTC is the next day in Berlin, and the points follow."""
    plan(api)
    subscription(api, start_date="2025-06-02T22:30:00Z")
    days = {"start_date": "2025-06-01", "end_date": "2025-06-04"}
    for zone, first in (("UTC", "2025-06-02"), ("Europe/Berlin", "2025-06-03")):
        points = api.get("/revenue/mrr", **days, timezone=zone).json["data"][0]["grouped_data"]
        assert next(point["period"] for point in points if point["mrr"]) == first


def test_figures_follow_every_change_at_once(api):
    """What is kept between two questions is given up when a subscription is changed, added or deleted."""
    plan(api)
    mrr = lambda: sum(each["mrr"] for each in exact(api.get("/revenue/mrr", end_date="2025-06-15"))["data"])  # noqa: E731
    assert mrr() == 0
    subscription(api)
    assert mrr() == Decimal("10.50")
    api.patch("/subscriptions/s1", {"quantity": 2})
    assert mrr() == Decimal("21.00")
    subscription(api, "s2")
    assert mrr() == Decimal("31.50")
    api.call("DELETE", "/subscriptions/s2")
    assert mrr() == Decimal("21.00")


def test_what_is_at_risk(api):
    """Balances of OPEN invoices of subscriptions by days past due in the zone; the rest is not counted."""
    plan(api)
    subscription(api, start_date="2025-01-01")
    due = {"a": "2025-06-15", "b": "2025-06-14", "c": "2025-05-15", "d": "2025-05-16", "e": "2025-01-31"}
    for number, (name, day) in enumerate(due.items(), 1):
        invoice(
            api, name, due_date=day, issue_date="2025-01-01", total=f"{number}.25", subtotal=f"{number}.25", lines=[]
        )
    api.patch("/invoices/e", {"amount_paid": "5.00"})
    invoice(api, "draft", status="DRAFT")
    invoice(api, "paid", status="PAID")
    invoice(api, "gone", status="UNCOLLECTIBLE", lines=[], subtotal="7.00")
    invoice(api, "loose", subscription_id=None, customer_id="acme", currency="USD")
    body = exact(api.get("/revenue/at-risk"))
    (usd,) = body["data"]
    assert [
        (each["from_days"], each["to_days"], str(each["amount_due"]), each["invoices"]) for each in usd["buckets"]
    ] == [
        (None, 0, "1.25", 1),
        (1, 30, "6.50", 2),
        (31, 60, "3.25", 1),
        (61, 90, "0.00", 0),
        (91, None, "0.25", 1),
    ]
    figures = {name: str(usd[name]) for name in ("amount_due", "subscriptions", "mrr", "uncollectible", "invoices")}
    assert figures == {
        "amount_due": "11.25", "subscriptions": "1", "mrr": "10.50", "uncollectible": "7.00", "invoices": "5",
    }  # fmt: skip
    first = usd["items"][0]
    assert (first["due_date"], first["days_past_due"], str(first["amount_due"])) == ("2025-01-31", 135, "0.25")
    assert first["subscription_id"] == api.get("/subscriptions/s1").json["id"]
    assert first["invoice_id"] == api.get("/invoices/e").json["id"]
    tomorrow = exact(api.get("/revenue/at-risk", timezone="Pacific/Kiritimati"))["data"][0]
    assert [each["invoices"] for each in tomorrow["buckets"]] == [0, 2, 2, 0, 1]
    may = api.get("/revenue/at-risk", start_date="2025-05-01", end_date="2025-05-31", limit=1).json["data"][0]
    assert (may["invoices"], len(may["items"]), may["amount_due"]) == (2, 1, 7.5)
    (risky,) = exact(api.get("/revenue/at-risk/subscriptions"))["data"]
    names = ("amount_due", "invoices", "subscriptions", "mrr")
    assert [risky[name] for name in names] == [usd[name] for name in names]
    (item,) = risky["items"]
    assert [str(item[name]) for name in ("amount_due", "invoices", "days_past_due", "mrr")] == [
        "11.25", "5", "135", "10.50",
    ]  # fmt: skip
    rows = list(csv.reader(io.StringIO(api.get("/revenue/at-risk", format="csv").text)))
    assert rows[0] == [
        "currency", "invoice_id", "subscription_id", "customer_id", "customer_external_id", "amount_due", "due_date",
        "days_past_due", "mrr",
    ]  # fmt: skip
    assert [row[5] for row in rows[1:]] == ["0.25", "3.25", "4.25", "2.25", "1.25"]


def test_what_movements_are_made_of(api):
    """Each change with what it did, adding up to the movement; and the subscriptions that a point adds up from."""
    plan(api)
    subscription(api, start_date="2025-06-02")
    subscription(api, "s2", customer_id="globex", quantity=2, start_date="2025-06-03T09:00:00Z")
    api.patch("/subscriptions/s1", {"quantity": 3, "effective_at": "2025-06-04"})
    days = {"start_date": "2025-06-01", "end_date": "2025-06-07"}
    body = exact(api.get("/revenue/mrr/changes", **days))
    assert list(body) == ["data", "period_start", "period_end", "timezone"]
    (usd,) = body["data"]
    assert (usd["currency"], str(usd["amount"]), usd["count"]) == ("USD", "52.50", 3)
    one = api.get("/subscriptions/s1").json
    told = [(each["customer_external_id"], each["at"], each["kind"]) for each in usd["items"]]
    assert told == [
        ("acme", "2025-06-02T00:00:00Z", "new"),
        ("globex", "2025-06-03T09:00:00Z", "new"),
        ("acme", "2025-06-04T00:00:00Z", "expansion"),
    ]
    last = usd["items"][-1]
    assert (str(last["mrr_before"]), str(last["mrr"]), str(last["amount"])) == ("10.50", "31.50", "21.00")
    assert (last["subscription_id"], last["customer_id"]) == (one["id"], one["customer_id"])
    new = exact(api.get("/revenue/mrr/changes", kind="new", limit=1, **days))["data"][0]
    assert (str(new["amount"]), new["count"], len(new["items"])) == ("31.50", 2, 1)
    rows = list(csv.reader(io.StringIO(api.get("/revenue/mrr/changes", format="csv", **days).text)))
    assert rows[0][:4] == ["currency", "subscription_id", "customer_id", "customer_external_id"]
    assert sum(Decimal(row[-1]) for row in rows[1:]) == Decimal("52.50")

    found = exact(api.get("/revenue/mrr/subscriptions", end_date="2025-06-07"))
    (usd,) = found["data"]
    assert (str(usd["mrr"]), usd["active_subscriptions"], found["period_end"]) == ("52.50", 2, "2025-06-07T23:59:59Z")
    assert [(str(each["mrr"]), each["since"]) for each in usd["items"]] == [
        ("31.50", "2025-06-04T00:00:00Z"),
        ("21.00", "2025-06-03T09:00:00Z"),
    ]
    rows = list(csv.reader(io.StringIO(api.get("/revenue/mrr/subscriptions", format="csv").text)))
    assert [row[-2] for row in rows] == ["mrr", "31.50", "21.00"]
    assert exact(api.get("/revenue/mrr/subscriptions", end_date="2025-06-02"))["data"][0]["mrr"] == Decimal("10.50")


def test_what_the_headline_figures_start_from(api):
    """The figures of the window's start stand beside those of its end, with what the rates are made of."""
    plan(api)
    subscription(api, start_date="2025-05-02", quantity=2)
    subscription(api, "s2", customer_id="globex", start_date="2025-05-02")
    api.patch("/subscriptions/s1", {"quantity": 1, "effective_at": "2025-06-04"})
    api.patch("/subscriptions/s2", {"status": "CANCELED", "canceled_at": "2025-06-05T00:00:00Z"})
    (usd,) = exact(api.get("/revenue/mrr", start_date="2025-06-01", end_date="2025-06-07"))["data"]
    names = ("opening_mrr", "opening_active_subscriptions", "opening_arpa", "lost_subscriptions", "retained_mrr")
    assert [str(usd[name]) for name in names] == ["31.50", "2", "15.75", "1", "10.50"]
    assert (str(usd["churn_rate"]), str(usd["net_revenue_retention"])) == ("0.5", "0.333333")


def test_usage_decline(api):
    """A customer whose usage stopped is listed with what their subscriptions carry, and the rule is printed."""
    plan(api)
    subscription(api, start_date="2025-05-02")
    token = api.meter()["meter_token"]
    for days in range(24):
        for customer in ("acme", "globex"):
            day = f"2025-{5 if days < 18 else 6:02}-{days + 14 if days < 18 else days - 17:02}T10:00:00Z"
            api.track(token, customer, timestamp=day, quantity=4)
    for day in range(8, 15):
        api.track(token, "globex", timestamp=f"2025-06-{day:02}T10:00:00Z", quantity=4)
    body = exact(api.get("/revenue/decline"))
    (fallen,) = body["data"]
    assert fallen["customer_external_id"] == "acme"
    assert [str(fallen[name]) for name in ("usage", "baseline", "baseline_usage", "change")] == ["0", "12", "96", "-1"]
    assert fallen["mrr"] == [{"currency": "USD", "mrr": Decimal("10.50")}]
    assert (body["period_start"], body["period_end"]) == ("2025-06-08T00:00:00Z", "2025-06-14T23:59:59Z")
    assert (body["count"], body["baseline_start"]) == (1, "2025-04-13T00:00:00Z")
    assert "less than half" in body["rule"]
    assert api.get("/revenue/decline", end_date="2025-06-07").json["count"] == 0
    assert api.get("/revenue/decline", meter_id="calls", as_of=1).json["count"] == 0
    rows = list(csv.reader(io.StringIO(api.get("/revenue/decline", format="csv").text)))
    assert [row[4] for row in rows] == ["customer_external_id", "acme"]
    problem(api.get("/revenue/decline", meter_id="nothing"), 404, "nothing")


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("mrr", {"currency": "XXX"}, "ISO 4217"),
        ("mrr", {"group_by": "fortnight"}, "fortnight"),
        ("mrr", {"as_of": "3"}, "as_of"),
        ("mrr", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, "start_date"),
        ("at-risk", {"limit": "0"}, "limit"),
        ("at-risk", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, "start_date"),
        ("at-risk", {"timezone": "Mars"}, "timezone"),
        ("mrr/changes", {"kind": "growth"}, "growth"),
        ("mrr/changes", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, "start_date"),
        ("mrr/subscriptions", {"end_date": "soon"}, "end_date"),
        ("mrr/subscriptions", {"limit": "10001"}, "limit"),
        ("decline", {"start_date": "2025-06-02"}, "start_date"),
        ("decline", {"as_of": "999"}, "as_of"),
    ],
)
def test_a_question_that_makes_no_sense(api, path, query, said):
    problem(api.get(f"/revenue/{path}", **query), 422, said)
