"""Forecasts over the API: the documented keys, whole buckets as history, exact decimals, and why there is none."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from fluxrate.core.model import NewEvent
from tests.callers import Api, exact, parts_of, problem

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)
"""A Sunday."""
WEEK = (50, 60, 70, 60, 50, 20, 10)


@pytest.fixture(scope="module")
def api(module_app):
    """Ninety days of two customers on three meters, a week like another but for a little that is not."""
    with time_machine.travel(NOON, tick=False):
        api = Api(module_app)
        parts = parts_of(module_app)
        for name in ("acme", "globex"):
            api.post("/customers", {"external_id": name})
        meters = [
            api.meter("calls", decimals=2),
            api.meter("visits", "COUNT"),
            api.meter("peak", "MAX"),
            api.meter("people", "UNIQUE_COUNT", property_name="who"),
            api.meter("empty"),
            api.meter("sparse", "MAX"),
        ]
        pks = [parts.catalog.meter(meter["id"]).pk for meter in meters]
        customers = {name: parts.store.customers.by_external_id(name).pk for name in ("acme", "globex")}
        events = []
        for ago in range(90):
            day = (NOON - timedelta(days=ago)).replace(hour=8)
            for share, name in ((1, "acme"), (2, "globex")):
                quantity = WEEK[day.weekday()] * share * 100 + (ago * 7919 % 500)
                meta = f'{{"who": "{name}{ago % 3}", "region": "{"eu" if share == 1 else "us"}"}}'
                at = int(day.timestamp()) * 1_000_000
                sent = pks[:4] if ago % 5 else [*pks[:4], pks[5]]
                events += [NewEvent(pk, customers[name], name, at, quantity, None, meta) for pk in sent]
        parts.ingest.store(events)
        yield api


def ahead(api, meter="calls", **query):
    response = api.get(f"/meters/{meter}/forecast", **query)
    assert response.status_code == 200, response.text
    return exact(response)


def test_a_forecast_says_what_it_is(api):
    """The keys, the method, its error and those of the others, the interval around each figure, and the total."""
    response = api.get("/meters/calls/forecast", horizon=7)
    found = exact(response)
    assert list(found) == [
        "meter_id", "aggregation_type", "group_by", "timezone", "as_of", "period_start", "period_end", "method",
        "season", "interval", "backtest", "history", "total_usage", "total_lower", "total_upper", "grouped_data",
    ]  # fmt: skip
    assert response.headers["X-Fluxrate-As-Of"] == str(found["as_of"])
    assert (found["period_start"], found["period_end"]) == ("2025-06-15T00:00:00Z", "2025-06-21T23:59:59Z")
    assert [row["period"] for row in found["grouped_data"]] == [f"2025-06-{day}" for day in range(15, 22)]
    assert found["history"] == {
        "period_start": "2025-03-19T00:00:00Z", "period_end": "2025-06-14T23:59:59Z", "buckets": 88,
    }  # fmt: skip
    test = found["backtest"]
    assert (test["origins"], test["horizon"]) == (50, 7)
    assert {"method": found["method"], "mase": test["mase"]} in test["methods"]
    assert [one["mase"] for one in test["methods"]] == sorted(one["mase"] for one in test["methods"])
    assert {one["method"] for one in test["methods"]} == {
        "holt_winters", "seasonal_naive", "exponential_smoothing", "naive", "mean",
    }  # fmt: skip
    for row in found["grouped_data"]:
        assert 0 <= row["lower"] < row["usage"] < row["upper"]
        assert all(value == round(value, 2) for value in (row["lower"], row["usage"], row["upper"]))
    assert found["total_usage"] == sum(row["usage"] for row in found["grouped_data"])
    assert found["total_lower"] < found["total_usage"] < found["total_upper"]
    sunday, monday = found["grouped_data"][0]["usage"], found["grouped_data"][1]["usage"]
    assert (found["season"], sunday < 40, 150 < monday < 160) == (7, True, True)


def test_only_whole_buckets_are_history(api):
    """The day that runs and the one in which usage began are left out; a past end gives what would have been said."""
    found = ahead(api, end_date="2025-05-31", horizon=1)
    assert found["period_start"] == "2025-06-01T00:00:00Z"
    assert found["history"]["period_end"] == "2025-05-31T23:59:59Z"
    assert ahead(api, end_date="2025-05-31T23:00:00Z", horizon=1)["period_start"] == "2025-05-31T00:00:00Z"
    assert ahead(api, end_date="2030-01-01", horizon=1)["period_start"] == "2025-06-15T00:00:00Z"
    zone = ahead(api, timezone="Pacific/Kiritimati", horizon=1)
    assert zone["period_start"] == "2025-06-16T00:00:00+14:00"


def test_weeks_and_months(api):
    """Calendar buckets of the zone, as in reading usage; too little history for a season of a year."""
    found = ahead(api, group_by="week", horizon=2)
    assert [row["period"] for row in found["grouped_data"]] == ["2025-06-09", "2025-06-16"]
    assert (found["season"], found["history"]["buckets"]) == (None, 11)
    months = ahead(api, group_by="month", timezone="America/New_York", horizon=36)
    assert (months["period_start"], months["period_end"]) == ("2025-06-01T00:00:00-04:00", "2028-05-31T23:59:59-04:00")
    assert (months["history"]["buckets"], months["method"], months["backtest"]["mase"]) == (2, "mean", None)
    assert (months["backtest"]["origins"], months["grouped_data"][0]["lower"], months["total_lower"]) == (0, None, None)
    assert [len(ahead(api, group_by=group)["grouped_data"]) for group in ("day", "week", "month")] == [30, 12, 6]


def test_of_some_of_the_usage(api):
    """A customer, several, and a metadata value: history is theirs alone."""
    both, one, other = (
        ahead(api, horizon=7, **query)["total_usage"]
        for query in ({}, {"customer_id": "acme"}, {"customer_id": "globex"})
    )
    assert one < other < both
    assert ahead(api, horizon=7, **{"meta.region": "eu"})["total_usage"] == one
    assert ahead(api, horizon=7, customer_id=["acme", "globex"])["total_usage"] == both


@pytest.mark.parametrize(("meter", "adds"), [("visits", True), ("peak", False), ("people", False)])
def test_other_metrics_are_series_of_bucket_values(api, meter, adds):
    """What does not add up has no total; what counts things has no decimals."""
    found = ahead(api, meter, horizon=3)
    assert (found["total_usage"] is not None) is adds
    if meter != "peak":
        assert [row["usage"] for row in found["grouped_data"]] == [2, 2, 2]
    else:
        assert max(row["usage"] for row in found["grouped_data"]) < Decimal(150)


def test_the_same_again_after_more_has_come(api):
    """With `as_of` and `end_date` the answer stays, whatever arrives later."""
    before = ahead(api, end_date="2025-06-14", horizon=5)
    with time_machine.travel(NOON, tick=False):
        api.track("calls", "acme", "9999", timestamp="2025-06-10T00:00:00Z")
    query = {"end_date": "2025-06-14", "horizon": 5}
    assert ahead(api, **query) != before
    assert ahead(api, **query, as_of=before["as_of"]) == before


def test_as_a_table(api):
    rows = list(csv.reader(io.StringIO(api.get("/meters/calls/forecast", horizon=2, format="csv").text)))
    found = ahead(api, horizon=2)
    assert rows[0] == ["period", "usage", "lower", "upper", "method"]
    assert [row[0] for row in rows[1:]] == ["2025-06-15", "2025-06-16"]
    assert [Decimal(row[1]) for row in rows[1:]] == [row["usage"] for row in found["grouped_data"]]
    assert {row[4] for row in rows[1:]} == {found["method"]}


@pytest.mark.parametrize(
    ("meter", "query", "status", "said"),
    [
        ("empty", {}, 400, "none of them has an event"),
        ("calls", {"customer_id": "acme", "meta.region": "us"}, 400, "none of them has an event"),
        ("calls", {"end_date": "1970-01-02"}, 400, "none of them has an event"),
        ("sparse", {}, 400, "The MAX of a day without events is unknown"),
        ("calls", {"group_by": "hour"}, 422, "day, week, month, but hour came"),
        ("calls", {"group_by": "fortnight"}, 422, "fortnight"),
        ("calls", {"horizon": "0"}, 422, "horizon"),
        ("calls", {"horizon": "105", "group_by": "week"}, 422, "from 1 to 104 by week, but 105 came"),
        ("calls", {"start_date": "2025-01-01"}, 422, "start_date"),
        ("calls", {"customer_id": "nobody"}, 404, "nobody"),
        ("nothing", {}, 404, "nothing"),
    ],
)
def test_what_cannot_be_foretold(api, meter, query, status, said):
    problem(api.get(f"/meters/{meter}/forecast", **query), status, said)
