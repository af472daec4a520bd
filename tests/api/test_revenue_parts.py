"""What revenue figures are made of, over the API: each list adds up to its figure, with a limit and as a table too."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
import schemathesis
import time_machine
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.api.test_billing import TIERS, plan, subscription
from tests.callers import ROOT, Api, exact, problem

NOON = "2025-06-15T12:00:00Z"
WINDOW = {"start_date": "2025-05-20", "end_date": "2025-06-14"}
FIXED = {"charge_type": "FIXED", "name": "Base", "amount": "10.50"}
CALLS = {"charge_type": "USAGE", "name": "Calls", "meter_id": "calls", "tier_mode": "graduated", "tiers": TIERS}


@pytest.fixture(scope="module")
def api(module_app):
    """Two currencies; of four subscriptions in USD one is lost, one halved, one free at the start and one new."""
    with time_machine.travel(NOON, tick=False):
        api = Api(module_app)
        for name in ("acme", "globex", "airy"):
            assert api.post("/customers", {"external_id": name}).status_code == 201
        api.meter(unit="calls")
        plan(api, plan_type="HYBRID", charges=[FIXED, CALLS])
        plan(api, "yen", currency="JPY", plan_type="USAGE", charges=[{**CALLS, "tiers": [{"unit_price": "2.5"}]}])
        subscription(api, "s1", start_date="2025-01-01", quantity=2)
        subscription(api, "s2", start_date="2025-01-10", customer_id="globex")
        subscription(api, "s3", start_date="2025-01-01", customer_id="globex", discount_percent="100")
        subscription(api, "s4", start_date="2025-06-02", customer_id="airy", quantity=4)
        subscription(api, "y1", start_date="2025-04-10", customer_id="airy", plan_id="yen")
        api.patch("/subscriptions/s1", {"quantity": 1, "effective_at": "2025-06-04"})
        api.patch("/subscriptions/s2", {"status": "CANCELED", "canceled_at": "2025-06-05T00:00:00Z"})
        api.patch("/subscriptions/s3", {"discount_percent": "0", "effective_at": "2025-06-06"})
        for month in (4, 5, 6):
            for day in range(1, 16 if month == 6 else 29):
                for place, customer in enumerate(("acme", "globex", "airy"), 1):
                    stamp = f"2025-{month:02}-{day:02}T10:00:00Z"
                    api.track("calls", customer, str(25 * place * month), timestamp=stamp)
        yield api


def asked(api: Api, path: str, **query):
    """The answer in full, which is also held against what the reference says of it."""
    response = api.get(f"/revenue/{path}", **query)
    assert response.status_code == 200, response.text
    schema = schemathesis.openapi.from_wsgi("/openapi.json", api.app)
    case = schema[f"{ROOT}/revenue/{path}"]["GET"].Case()
    response_schema_conformance(None, schemathesis.Response.from_any(response), case)
    return exact(response)


def of(body, currency: str):
    return next(each for each in body["data"] if each["currency"] == currency)


def table(api: Api, path: str, **query):
    """The header and the rows of the table, which is named by the list."""
    response = api.get(f"/revenue/{path}", format="csv", **query)
    header, *rows = csv.reader(io.StringIO(response.text))
    return header, [dict(zip(header, row, strict=True)) for row in rows], response


def total(items, name: str) -> Decimal:
    return sum((Decimal(item[name]) for item in items), Decimal(0))


def test_the_customers_that_arpa_is_made_of(api):
    """Each with what its subscriptions carry, the largest first; together they are MRR and customers of the point."""
    body = asked(api, "mrr/customers", end_date="2025-06-14")
    assert list(body) == ["data", "period_end", "timezone"]
    usd, figure = of(body, "USD"), of(exact(api.get("/revenue/mrr", **WINDOW)), "USD")
    told = [(one["customer_external_id"], str(one["mrr"]), one["active_subscriptions"]) for one in usd["items"]]
    assert told == [("airy", "42.00", 1), ("acme", "10.50", 1), ("globex", "10.50", 1)]
    assert total(usd["items"], "mrr") == usd["mrr"] == figure["mrr"]
    assert (usd["active_customers"], usd["arpa"]) == (figure["active_customers"], figure["arpa"]) == (3, 21)
    before = of(asked(api, "mrr/customers", end_date="2025-05-19"), "USD")
    assert [one["active_subscriptions"] for one in before["items"]] == [1, 2]
    assert before["arpa"] == figure["opening_arpa"] == Decimal("15.75")
    some = of(asked(api, "mrr/customers", end_date="2025-06-14", limit=1), "USD")
    assert (some["items"], some["mrr"]) == (usd["items"][:1], usd["mrr"])
    header, rows, response = table(api, "mrr/customers", currency="usd", end_date="2025-06-14")
    assert header == ["currency", "customer_id", "customer_external_id", "mrr", "active_subscriptions"]
    assert total(rows, "mrr") == usd["mrr"]
    assert 'filename="mrr-customers-2025-06-14.csv"' in response.headers["Content-Disposition"]


def test_the_subscriptions_that_churn_and_retention_are_made_of(api):
    """Those active at the start: the lost ones first. Who carried nothing then is not retained, though it pays now."""
    body = asked(api, "mrr/retention", **WINDOW)
    usd, figure = of(body, "USD"), of(exact(api.get("/revenue/mrr", **WINDOW)), "USD")
    names = ("customer_external_id", "opening_mrr", "mrr", "retained_mrr", "lost")
    assert [tuple(str(one[name]) for name in names) for one in usd["items"]] == [
        ("globex", "10.50", "0.00", "0.00", "True"),
        ("acme", "21.00", "10.50", "10.50", "False"),
        ("globex", "0.00", "10.50", "0.00", "False"),
    ]
    for name in (
        "opening_active_subscriptions", "lost_subscriptions", "churn_rate", "opening_mrr", "retained_mrr",
        "net_revenue_retention",
    ):  # fmt: skip
        assert usd[name] == figure[name]
    assert (str(usd["churn_rate"]), str(usd["net_revenue_retention"])) == ("0.333333", "0.333333")
    for lost, count in (("true", 1), ("false", 2)):
        some = of(asked(api, "mrr/retention", lost=lost, **WINDOW), "USD")
        assert [str(one["lost"]).lower() for one in some["items"]] == [lost] * count
        assert some["count"] == count
        assert some["churn_rate"] == usd["churn_rate"]
    header, rows, _ = table(api, "mrr/retention", currency="USD", **WINDOW)
    assert header[-4:] == ["opening_mrr", "mrr", "retained_mrr", "lost"]
    assert [row["lost"] for row in rows] == ["true", "false", "false"]
    assert total(rows, "retained_mrr") / total(rows, "opening_mrr") == Decimal(1) / 3


def test_the_billing_periods_that_usage_revenue_is_made_of(api):
    """Those that ended in the window, and in each bucket of it, with the usage that the subscription itself tells."""
    body = asked(api, "usage/periods", **WINDOW)
    assert list(body) == ["data", "period_start", "period_end", "timezone", "as_of"]
    figures = exact(api.get("/revenue/usage", group_by="week", **WINDOW))
    assert body["as_of"] == figures["as_of"]
    assert [each["currency"] for each in body["data"]] == [each["currency"] for each in figures["data"]]
    for each, figure in zip(body["data"], figures["data"], strict=True):
        assert total(each["items"], "usage_revenue") == each["usage_revenue"] == figure["usage_revenue"] > 0
        assert len(each["items"]) == each["billing_periods"]
        assert each["billing_periods"] == sum(row["billing_periods"] for row in figure["grouped_data"])
        for one in each["items"]:
            told = exact(api.get(f"/subscriptions/{one['subscription_id']}/usage", at=one["period_start"]))
            assert (told["period_start"], told["period_end"], told["total"]) == (
                one["period_start"], one["period_end"], one["usage_revenue"],
            )  # fmt: skip
    usd = of(body, "USD")
    assert {one["customer_external_id"] for one in usd["items"]} == {"acme", "globex"}
    some = of(asked(api, "usage/periods", limit=1, **WINDOW), "USD")
    assert (some["items"], some["usage_revenue"]) == (usd["items"][:1], usd["usage_revenue"])
    header, rows, response = table(api, "usage/periods", currency="USD", timezone="Europe/Berlin", **WINDOW)
    assert header == [
        "currency", "subscription_id", "customer_id", "customer_external_id", "period_start", "period_end",
        "usage_revenue",
    ]  # fmt: skip
    assert total(rows, "usage_revenue") == usd["usage_revenue"]
    assert rows[0]["period_start"].endswith("+02:00")
    assert response.headers["X-Fluxrate-As-Of"] == str(body["as_of"])


@pytest.mark.parametrize("dates", [{}, {"end_date": "2025-06-30"}, {"start_date": "2025-07-01"}])
def test_the_billing_periods_that_the_forecast_is_made_of(api, dates):
    """Each subscription's current and next one, which add up to every figure of the forecast."""
    with time_machine.travel(NOON, tick=False):
        body, figures = asked(api, "forecast/subscriptions", **dates), exact(api.get("/revenue/forecast", **dates))
        assert list(body) == ["data", "timezone", "as_of"]
        for each, figure in zip(body["data"], figures["data"], strict=True):
            for name in ("currency", "mrr", "current", "next"):
                assert each[name] == figure[name]
            assert each["count"] == len(each["items"])
            for period in ("current", "next"):
                mine = [one for one in each["items"] if one["billing_period"] == period]
                assert len(mine) == figure[period]["subscriptions"]
                for part in ("fixed", "usage", "total", "certain"):
                    assert total(mine, part) == figure[period][part]
                some = asked(api, "forecast/subscriptions", billing_period=period, currency=each["currency"], **dates)
                assert some["data"][0]["items"] == mine
        assert sum(each["count"] for each in body["data"]) >= 2
        header, rows, _ = table(api, "forecast/subscriptions", limit=1, currency="USD", **dates)
        assert header[4:] == ["billing_period", "period_start", "period_end", "fixed", "usage", "total", "certain"]
        assert len(rows) == 1


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("mrr/customers", {"start_date": "2025-06-01"}, "start_date"),
        ("mrr/customers", {"limit": "0"}, "limit"),
        ("mrr/retention", {"lost": "maybe"}, "lost is one of true, false"),
        ("mrr/retention", {"start_date": "2025-06-02", "end_date": "2025-06-01"}, "start_date"),
        ("usage/periods", {"group_by": "day"}, "group_by"),
        ("usage/periods", {"currency": "XXX"}, "ISO 4217"),
        ("forecast/subscriptions", {"billing_period": "last"}, "billing_period is one of current, next"),
        ("forecast/subscriptions", {"limit": "10001"}, "limit"),
    ],
)
def test_a_question_that_makes_no_sense(api, path, query, said):
    problem(api.get(f"/revenue/{path}", **query), 422, said)
