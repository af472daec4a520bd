"""Priced usage over the API: the documented keys and figures, periods as they are billed, and refusals."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
import time_machine

from tests.api.test_billing import TIERS, plan, subscription
from tests.callers import Api, exact, problem

NOON = "2025-06-15T12:00:00Z"
FIXED = {"charge_type": "FIXED", "name": "Base", "amount": "10.50"}
CALLS = {"charge_type": "USAGE", "name": "Calls", "meter_id": "calls", "tier_mode": "graduated", "tiers": TIERS}


@pytest.fixture
def api(app):
    with time_machine.travel(NOON, tick=False):
        api = Api(app)
        for name in ("acme", "globex"):
            assert api.post("/customers", {"external_id": name}).status_code == 201
        api.meter(unit="calls")
        plan(api, plan_type="HYBRID", charges=[FIXED, CALLS])
        yield api


def track(api: Api, day: str, quantity: str, customer: str = "acme") -> None:
    api.track("calls", customer, quantity, timestamp=f"{day}T10:00:00Z")


def test_the_usage_of_the_period_that_runs(api):
    """By charge and tier, rounded once; what is outside the period, or of another customer, is not in it."""
    subscription(api, start_date="2025-01-01")
    for day, quantity in (("2025-05-31", "7000"), ("2025-06-01", "900"), ("2025-06-10", "110.5")):
        track(api, day, quantity)
    track(api, "2025-06-02", "5000", "globex")
    response = api.get("/subscriptions/s1/usage")
    body = exact(response)
    assert list(body) == [
        "subscription_id", "currency", "period_start", "period_end", "running", "total", "charges", "as_of",
    ]  # fmt: skip
    assert response.headers["X-Fluxrate-As-Of"] == str(body["as_of"]) == "4"
    assert (body["period_start"], body["period_end"]) == ("2025-06-01T00:00:00Z", "2025-06-30T23:59:59Z")
    assert (body["running"], str(body["total"]), body["currency"]) == (True, "7.51", "USD")
    (charge,) = body["charges"]
    assert (charge["name"], charge["meter_name"], charge["unit"]) == ("Calls", "calls", "calls")
    assert (str(charge["usage"]), str(charge["amount"])) == ("1010.5", "7.51")
    assert charge["period_end"] == "2025-06-15T11:59:59Z"
    assert [tuple(map(str, tier.values())) for tier in charge["tiers"]] == [
        ("0", "1000", "1000", "0.0025", "0.00", "2.5"),
        ("1000", "None", "10.5", "0.001", "5.00", "5.0105"),
    ]
    before = exact(api.get("/subscriptions/s1/usage", at="2025-05-20"))
    assert (before["period_start"], before["running"], str(before["total"])) == ("2025-05-01T00:00:00Z", False, "13.50")
    assert exact(api.get("/subscriptions/s1/usage", as_of=2))["charges"][0]["usage"] == 900
    rows = list(csv.reader(io.StringIO(api.get("/subscriptions/s1/usage", format="csv").text)))
    assert rows[0] == [
        "currency", "plan_id", "name", "meter_id", "meter_name", "unit", "period_start", "period_end", "usage",
        "amount", "tier_above", "tier_up_to", "tier_quantity", "tier_unit_price", "tier_flat_amount", "tier_amount",
    ]  # fmt: skip
    assert [row[8:] for row in rows[1:]] == [
        ["1010.5", "7.51", "0", "1000", "1000", "0.0025", "0.00", "2.5"],
        ["1010.5", "7.51", "1000", "", "10.5", "0.001", "5.00", "5.0105"],
    ]


def test_a_pause_and_a_change_of_plan(api):
    """Usage in a pause is free; each plan prices what fell under it; quantity and discount do not touch usage."""
    plan(api, "flat", plan_type="USAGE", charges=[CALLS | {"unit_price": "1", "tiers": [], "tier_mode": None}])
    subscription(api, start_date="2025-06-01", quantity=7, discount_percent="50")
    api.patch("/subscriptions/s1", {"status": "PAUSED", "effective_at": "2025-06-03"})
    api.patch("/subscriptions/s1", {"status": "ACTIVE", "effective_at": "2025-06-05"})
    api.patch("/subscriptions/s1", {"plan_id": "flat", "effective_at": "2025-06-08"})
    for day in range(1, 11):
        track(api, f"2025-06-{day:02}", "300")
    body = exact(api.get("/subscriptions/s1/usage"))
    assert [(str(line["usage"]), str(line["amount"])) for line in body["charges"]] == [
        ("1500", "8.00"),
        ("900", "900.00"),
    ]
    assert str(body["total"]) == "908.00"
    assert [line["period_start"][:10] for line in body["charges"]] == ["2025-06-01", "2025-06-08"]


def test_a_trial_is_free_and_without_usage_there_is_no_tier(api):
    subscription(api, start_date="2025-06-10", trial_end="2025-06-20")
    track(api, "2025-06-11", "5000")
    body = exact(api.get("/subscriptions/s1/usage"))
    assert (body["period_start"][:10], body["period_end"][:10]) == ("2025-06-10", "2025-06-19")
    assert (body["charges"], str(body["total"])) == ([], "0.00")
    subscription(api, "s2", start_date="2025-06-10", customer_id="globex")
    (line,) = exact(api.get("/subscriptions/s2/usage"))["charges"]
    assert (line["usage"], str(line["amount"]), line["tiers"]) == (0, "0.00", [])


def test_usage_revenue_stands_where_its_period_ended(api):
    """By month in the zone, each currency apart, and without the period that runs."""
    plan(api, "yen", currency="JPY", plan_type="USAGE", charges=[{**CALLS, "tiers": [{"unit_price": "2.5"}]}])
    subscription(api, start_date="2025-04-01")
    subscription(api, "s2", plan_id="yen", customer_id="globex", start_date="2025-05-10")
    for day, quantity in (("2025-04-30", "1000"), ("2025-05-01", "2000"), ("2025-06-01", "99")):
        track(api, day, quantity)
    track(api, "2025-05-20", "3", "globex")
    response = api.get("/revenue/usage", start_date="2025-04-01", end_date="2025-06-15", group_by="month")
    body = exact(response)
    assert list(body) == ["data", "period_start", "period_end", "timezone", "as_of"]
    assert response.headers["X-Fluxrate-As-Of"] == "4"
    yen, usd = body["data"]
    assert (yen["currency"], str(yen["usage_revenue"])) == ("JPY", "8")
    assert [tuple(map(str, row.values())) for row in usd["grouped_data"]] == [
        ("2025-04-01", "2.50", "1"),
        ("2025-05-01", "8.50", "1"),
        ("2025-06-01", "0.00", "0"),
    ]
    assert str(usd["usage_revenue"]) == "11.00"
    berlin = exact(api.get("/revenue/usage", start_date="2025-04-01", timezone="Europe/Berlin", group_by="month"))
    rows = {row["period"]: str(row["usage_revenue"]) for row in berlin["data"][1]["grouped_data"]}
    assert rows == {"2025-04-01": "0.00", "2025-05-01": "2.50", "2025-06-01": "8.50"}
    assert [each["currency"] for each in api.get("/revenue/usage", currency="jpy").json["data"]] == ["JPY"]
    table = list(csv.reader(io.StringIO(api.get("/revenue/usage", start_date="2025-06-09", format="csv").text)))
    assert table[0] == ["currency", "period", "usage_revenue", "billing_periods"]
    assert ["JPY", "2025-06-09", "8", "1"] in table
    assert api.get("/revenue/mrr").json["data"][1]["mrr"] == 10.5


def test_usage_revenue_and_forecast_as_they_were_known(api):
    """What arrives or is voided later changes none of the four answers as of before; MRR knows no such moment."""
    subscription(api, start_date="2025-04-01")
    track(api, "2025-05-03", "1000")
    track(api, "2025-06-03", "500")
    asked = {
        "/revenue/usage": {"start_date": "2025-04-01", "group_by": "month"},
        "/revenue/usage/periods": {"start_date": "2025-04-01"},
        "/revenue/forecast": {},
        "/revenue/forecast/subscriptions": {},
    }
    known = {path: exact(api.get(path, **query)) for path, query in asked.items()}
    first = api.get("/meters/calls/events", order="asc", start_date="2025-05-01").json["data"][0]
    with time_machine.travel("2025-06-15T12:05:00Z", tick=False):
        track(api, "2025-05-04", "7000")
        track(api, "2025-06-04", "7000")
        assert api.post(f"/events/{first['id']}/void", {"reason": "Sent twice."}).status_code == 200
    for path, query in asked.items():
        assert exact(api.get(path, **query))["data"] != known[path]["data"], path
        response = api.get(path, **query, as_of=2)
        assert (exact(response), response.headers["X-Fluxrate-As-Of"]) == (known[path], "2")
        table = api.get(path, **query, as_of=2, format="csv")
        assert (table.headers["X-Fluxrate-As-Of"], len(table.text.splitlines()) > 1) == ("2", True)
        with time_machine.travel("2025-06-15T12:05:00Z", tick=False):
            then = api.get(path, **query, as_of="2025-06-15T14:01:00", timezone="Europe/Berlin")
            assert exact(then) == exact(api.get(path, **query, as_of=2, timezone="Europe/Berlin"))
        for wrong in ("6", "2025-06-17", "soon", "-1"):
            problem(api.get(path, **query, as_of=wrong), 422, "as_of")
    problem(api.get("/revenue/mrr", as_of=2), 422, "as_of")


def test_what_lies_ahead_and_what_of_it_is_certain(api):
    """Half of the month has passed with 100 a day: as much again is expected, and the next month whole."""
    subscription(api, start_date="2025-01-01", quantity=2)
    for day in range(19, 32):
        track(api, f"2025-05-{day}", "100")
    for day in range(1, 16):
        track(api, f"2025-06-{day:02}", "100")
    response = api.get("/revenue/forecast")
    body = exact(response)
    assert list(body) == ["data", "timezone", "as_of"]
    assert response.headers["X-Fluxrate-As-Of"] == "28"
    (usd,) = body["data"]
    assert (usd["currency"], str(usd["mrr"])) == ("USD", "21.00")
    # 1,500 so far and 100 a day for 15.5 days more; 3,100 in July.
    assert {name: str(value) for name, value in usd["current"].items()} == {
        "subscriptions": "1", "fixed": "21.00", "usage": "9.55", "total": "30.55", "certain": "29.00",
        "certain_share": "0.949264",
    }  # fmt: skip
    assert {name: str(value) for name, value in usd["next"].items()} == {
        "subscriptions": "1", "fixed": "21.00", "usage": "9.60", "total": "30.60", "certain": "21.00",
        "certain_share": "0.686275",
    }  # fmt: skip
    june = exact(api.get("/revenue/forecast", end_date="2025-06-30"))["data"][0]
    assert (june["current"], june["next"]["subscriptions"]) == (usd["current"], 0)
    july = exact(api.get("/revenue/forecast", start_date="2025-07-01", timezone="America/New_York"))["data"][0]
    assert (july["current"]["subscriptions"], july["next"]) == (0, usd["next"])
    assert july["current"]["certain_share"] is None
    assert api.get("/revenue/forecast", currency="EUR").json["data"] == []
    rows = list(csv.reader(io.StringIO(api.get("/revenue/forecast", format="csv").text)))
    assert rows == [
        ["currency", "billing_period", "mrr", "subscriptions", "fixed", "usage", "total", "certain", "certain_share"],
        ["USD", "current", "21.00", "1", "21.00", "9.55", "30.55", "29.00", "0.949264"],
        ["USD", "next", "21.00", "1", "21.00", "9.60", "30.60", "21.00", "0.686275"],
    ]


def test_it_follows_every_change_at_once(api):
    """What is kept between two questions is given up when a subscription is changed, added or deleted."""
    ahead = lambda: [  # noqa: E731
        (each["current"]["fixed"], each["current"]["usage"]) for each in exact(api.get("/revenue/forecast"))["data"]
    ]
    assert ahead() == []
    subscription(api, start_date="2025-06-01")
    assert ahead() == [(Decimal("10.50"), 0)]
    track(api, "2025-06-02", "400")
    assert ahead() == [(Decimal("10.50"), Decimal("2.07"))]
    api.patch("/subscriptions/s1", {"current_period_start": "2025-06-01", "current_period_end": "2025-06-16"})
    assert ahead() == [(Decimal("10.50"), Decimal("1.03"))]
    api.patch("/subscriptions/s1", {"status": "CANCELED", "canceled_at": "2025-06-14"})
    assert ahead() == [(0, 1)]
    api.call("DELETE", "/subscriptions/s1")
    assert ahead() == []


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/subscriptions/nope/usage", {}, 404, "nope"),
        ("/subscriptions/s1/usage", {"at": "yesterday"}, 422, "at is"),
        ("/subscriptions/s1/usage", {"as_of": "x"}, 422, "as_of"),
        ("/subscriptions/s1/usage", {"start_date": "2025-01-01"}, 422, "start_date"),
        ("/revenue/usage", {"currency": "XXX"}, 422, "ISO 4217"),
        ("/revenue/usage", {"group_by": "fortnight"}, 422, "fortnight"),
        ("/revenue/usage", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, 422, "start_date"),
        ("/revenue/forecast", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, 422, "start_date"),
        ("/revenue/forecast", {"timezone": "Mars"}, 422, "timezone"),
        ("/revenue/forecast", {"end_date": "soon"}, 422, "end_date"),
    ],
)
def test_a_question_that_makes_no_sense(api, path, query, status, said):
    subscription(api)
    problem(api.get(path, **query), status, said)


def test_far_instants(api):
    """The first period is asked for by any instant before it, and there is one at the end of what can be asked."""
    subscription(api, start_date="2025-06-01")
    assert api.get("/subscriptions/s1/usage", at="1970-01-01").json["period_start"] == "2025-06-01T00:00:00Z"
    assert api.get("/subscriptions/s1/usage", at="2999-12-31").status_code == 200
    weekly = {"billing_interval": "week", "interval_count": 365, "name": "Long"}
    plan(api, "long", plan_type="HYBRID", charges=[CALLS], **weekly)
    subscription(api, "s2", plan_id="long", start_date="2025-06-01")
    assert api.get("/subscriptions/s2/usage", at="2999-12-31T23:59:59Z").status_code == 200
