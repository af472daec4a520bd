"""Reading usage: the documented answers key by key, exact figures on the wire, and the calendar that cuts them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine

from tests.callers import Api, exact, problem

EVENTS = (
    ("acme", "1.5", "2025-01-01T00:00:00Z"),
    ("acme", "0.25", "2025-01-01T23:59:59.999999Z"),
    ("globex", "100", "2025-01-02T00:00:00Z"),
    ("acme", "3", "2025-01-15T12:00:00Z"),
    ("initech", "7.1", "2025-01-31T23:59:59Z"),
    ("initech", "9", "2025-02-01T00:00:00Z"),
)
JANUARY = {"start_date": "2025-01-01", "end_date": "2025-01-31"}


@pytest.fixture(scope="module")
def api(module_app):
    """A meter `calls` (SUM) and one of each other aggregation with the same six events of three customers."""
    api = Api(module_app)
    for kind in ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT"):
        name = "calls" if kind == "SUM" else kind.lower()
        api.meter(name, kind, property_name="user")
        for customer, quantity, timestamp in EVENTS:
            api.track(name, customer, quantity, timestamp=timestamp, metadata={"user": customer[:1]})
    return api


def usage(api: Api, meter: str = "calls", **query):
    response = api.get(f"/meters/{meter}/usage", **query)
    assert response.status_code == 200, response.text
    return exact(response)


def test_the_usage_answer_has_the_documented_keys_and_types(api):
    """`GET /meters/{meter}/usage` answers with exactly the keys of the contract, each of its type."""
    body = usage(api, **JANUARY)
    assert list(body) == [
        "meter_id", "total_usage", "event_count", "unique_customers", "period_start", "period_end",
        "aggregation_type", "metric", "timezone", "as_of", "grouped_data",
    ]  # fmt: skip
    UUID(body["meter_id"])
    assert body["total_usage"] == Decimal("111.85")
    assert body["event_count"] == 5
    assert body["unique_customers"] == 3
    assert (body["period_start"], body["period_end"]) == ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59Z")
    assert (body["aggregation_type"], body["metric"], body["timezone"]) == ("SUM", "SUM", "UTC")
    assert type(body["as_of"]) is int
    assert len(body["grouped_data"]) == 31
    assert body["grouped_data"][0] == {"period": "2025-01-01", "usage": Decimal("1.75"), "event_count": 2}


def test_figures_are_json_numbers_with_the_exact_decimal_text(api):
    """A figure is written as a number with its own digits, without trailing zeros, never as a float or a string."""
    text = api.get("/meters/calls/usage", **JANUARY).text
    assert '"total_usage":111.85,' in text
    assert '"usage":1.75,' in text
    assert '"usage":100,' in text
    assert '"usage":0,' in text


def test_figures_beyond_the_reach_of_floats_keep_every_digit(make_app):
    """Sums larger than 2^63 and finer than a float can say come out exactly."""
    api = Api(make_app("large"))
    api.meter("large", decimals=18)
    for _ in range(3):
        api.track("large", quantity="9.223372036854775807", timestamp="2025-01-01T00:00:00Z")
    api.meter("whole", decimals=0)
    for _ in range(2):
        api.track("whole", quantity="9223372036854775807", timestamp="2025-01-01T00:00:00Z")
    assert '"total_usage":27.670116110564327421,' in api.get("/meters/large/usage", **JANUARY).text
    assert '"total_usage":18446744073709551614,' in api.get("/meters/whole/usage", **JANUARY).text


@pytest.mark.parametrize(
    ("meter", "written"),
    [("count", "5"), ("max", "100"), ("min", "0.25"), ("avg", "22.37"), ("last", "7.1"), ("unique_count", "3")],
)
def test_the_total_is_taken_over_the_events_of_the_window(api, meter, written):
    """Each aggregation's total is that of all events of the window, not of its buckets."""
    assert f'"total_usage":{written},' in api.get(f"/meters/{meter}/usage", group_by="week", **JANUARY).text


@pytest.mark.parametrize(
    ("meter", "empty"),
    [("calls", 0), ("count", 0), ("unique_count", 0), ("max", None), ("min", None), ("avg", None), ("last", None)],
)
def test_a_window_without_events_has_the_empty_value(api, meter, empty):
    """Nothing adds up to 0, but has no largest, smallest, mean or latest value."""
    body = usage(api, meter, start_date="2024-01-01", end_date="2024-01-02")
    assert body["total_usage"] == empty
    assert [bucket["usage"] for bucket in body["grouped_data"]] == [empty, empty]
    assert (body["event_count"], body["unique_customers"]) == (0, 0)


def test_a_meter_is_named_by_id_name_or_token(api):
    """Id, meter_name and meter_token lead to the same meter; an id in capitals too."""
    meter = api.get("/meters/calls").json
    references = [meter["id"], meter["meter_name"], meter["meter_token"], meter["id"].upper()]
    assert {usage(api, reference, **JANUARY)["meter_id"] for reference in references} == {meter["id"]}


def test_a_day_belongs_whole_to_a_date_only_end(api):
    """A date as the end covers its last microsecond, and nothing of the next day."""
    assert usage(api, start_date="2025-01-31", end_date="2025-01-31")["total_usage"] == Decimal("7.1")
    assert usage(api, start_date="2025-01-01", end_date="2025-01-01")["total_usage"] == Decimal("1.75")


def test_a_window_is_half_open(api):
    """An event at the start counts, one at the end does not."""
    body = usage(api, start_date="2025-01-02T00:00:00Z", end_date="2025-02-01T00:00:00Z")
    assert body["event_count"] == 3
    assert body["period_end"] == "2025-01-31T23:59:59Z"


def test_dates_are_those_of_the_zone(api):
    """A date starts at its local midnight, and so do the buckets, and the answer tells local time."""
    body = usage(api, timezone="America/New_York", start_date="2025-01-01", end_date="2025-01-01")
    assert body["total_usage"] == Decimal("100.25")
    assert body["period_start"] == "2025-01-01T00:00:00-05:00"
    assert body["period_end"] == "2025-01-01T23:59:59-05:00"
    assert body["timezone"] == "America/New_York"
    hours = usage(api, timezone="Asia/Kathmandu", start_date="2025-01-01", end_date="2025-01-01", group_by="hour")
    assert hours["grouped_data"][0]["period"] == "2025-01-01T00:00:00+05:45"
    assert len(hours["grouped_data"]) == 24


def test_a_datetime_without_offset_is_in_the_zone(api):
    """Clock times without offset are local; with one they are instants, also when the plus sign became a space."""
    query = {"timezone": "America/New_York", "start_date": "2025-01-01T19:00:00"}
    assert usage(api, **query, end_date="2025-01-01T20:00:00")["total_usage"] == 100
    instants = {"start_date": "2025-01-02T05:30:00+05:30", "end_date": "2025-01-02T05:31:00 05:30"}
    assert usage(api, **instants)["total_usage"] == 100


@pytest.mark.parametrize(
    ("group_by", "periods"),
    [
        ("week", ["2024-12-30", "2025-01-06", "2025-01-13", "2025-01-20", "2025-01-27"]),
        ("month", ["2025-01-01"]),
        ("quarter", ["2025-01-01"]),
        ("year", ["2025-01-01"]),
    ],
)
def test_buckets_are_those_of_the_calendar(api, group_by, periods):
    """Weeks are named by their Monday, longer buckets by their first day, also where the window cuts them."""
    assert [bucket["period"] for bucket in usage(api, group_by=group_by, **JANUARY)["grouped_data"]] == periods


def test_a_parameter_left_empty_was_not_said(api):
    """As a form sends what nobody filled in: each has its default."""
    empty = dict.fromkeys(("group_by", "fill", "timezone", "compare", "metric", "as_of", "format"), "")
    assert usage(api, **empty, **JANUARY) == usage(api, **JANUARY)


def test_hours_and_minutes_are_instants(api):
    """The label of an hour or minute is its start in RFC 3339."""
    one_day = {"start_date": "2025-01-01", "end_date": "2025-01-01"}
    hours = usage(api, group_by="hour", **one_day)["grouped_data"]
    minutes = usage(api, group_by="minute", **one_day)["grouped_data"]
    assert (hours[0]["period"], hours[-1]["period"]) == ("2025-01-01T00:00:00Z", "2025-01-01T23:00:00Z")
    assert (len(minutes), minutes[-1]["period"]) == (1440, "2025-01-01T23:59:00Z")
    assert hours[-1]["usage"] == minutes[-1]["usage"] == Decimal("0.25")


def test_fill_none_leaves_out_empty_buckets(api):
    """`fill=none` lists only buckets with events; the total stays."""
    body = usage(api, fill="none", **JANUARY)
    assert [bucket["period"] for bucket in body["grouped_data"]] == [
        "2025-01-01",
        "2025-01-02",
        "2025-01-15",
        "2025-01-31",
    ]
    assert body["total_usage"] == Decimal("111.85")


def test_the_buckets_of_a_sum_add_up_to_the_total(api):
    """No event falls between two buckets, whatever the grouping."""
    for group_by in ("minute", "hour", "day", "week", "month", "quarter", "year"):
        body = usage(api, group_by=group_by, start_date="2025-01-01", end_date="2025-01-20", timezone="Asia/Kolkata")
        assert sum(bucket["usage"] for bucket in body["grouped_data"]) == body["total_usage"] == Decimal("104.75")


def test_customer_id_repeats(api):
    """Several customers, by id or external id, are any of them; the same one twice counts once."""
    globex = api.get("/customers/globex").json
    assert usage(api, customer_id="acme", **JANUARY)["total_usage"] == Decimal("4.75")
    both = usage(api, customer_id=["acme", globex["id"], "globex"], **JANUARY)
    assert (both["total_usage"], both["unique_customers"], both["event_count"]) == (Decimal("104.75"), 2, 4)


def test_metric_replaces_the_meters_own(api):
    """`metric=` answers with any registered metric, says so, and keeps the meter's own name beside it."""
    body = usage(api, metric="MAX", **JANUARY)
    assert (body["total_usage"], body["metric"], body["aggregation_type"]) == (100, "MAX", "SUM")


def test_the_default_window_is_the_last_30_days(api, make_app):
    """Without dates the window ends now and starts at the same local time 30 days before."""
    with time_machine.travel(datetime(2025, 4, 10, 12, 30, 15, tzinfo=UTC), tick=False):
        body = usage(api)
        assert (body["period_start"], body["period_end"]) == ("2025-03-11T12:30:15Z", "2025-04-10T12:30:14Z")
        assert len(body["grouped_data"]) == 31
        # Clocks went forward in between.
        local = usage(api, timezone="Europe/Berlin")
        assert local["period_start"] == "2025-03-11T14:30:15+01:00"
        assert usage(api, end_date="2025-03-31")["period_start"] == "2025-03-02T00:00:00Z"


def test_an_event_sent_without_a_time_is_in_the_default_window(app):
    """What has just been acknowledged is in the next answer that ends now."""
    api = Api(app)
    api.meter()
    for count in range(1, 4):
        api.track()
        assert usage(api)["total_usage"] == count


def test_every_answer_says_what_it_covers(api):
    """The header X-Fluxrate-As-Of and `as_of` of the body are the newest ingest sequence."""
    newest = 7 * len(EVENTS)
    for path in (
        "/meters/calls/usage", "/meters/calls/stats", "/customers/acme/usage", "/meters/calls/events", "/usage",
        "/usage/aggregate?meter_id=calls", "/meters/calls/customers", "/metrics", "/meters", "/meters/calls",
        "/customers", "/customers/acme", "/plans", "/plans?format=csv", "/subscriptions", "/invoices", "/api-keys",
        "/audit", "/revenue/mrr", "/revenue/mrr?format=csv", "/revenue/at-risk", "/revenue/forecast", "/revenue/usage",
    ):  # fmt: skip
        response = api.call("GET", path)
        assert response.headers["X-Fluxrate-As-Of"] == str(newest), path


def test_the_aggregate_is_the_usage_answer_without_buckets(api):
    """`GET /usage/aggregate` gives the same figures as the usage of its meter, and no `grouped_data`."""
    body = exact(api.get("/usage/aggregate", meter_id="calls", customer_id="acme", **JANUARY))
    whole = usage(api, customer_id="acme", **JANUARY)
    del whole["grouped_data"]
    assert body == whole
    problem(api.get("/usage/aggregate", **JANUARY), 422, "meter_id is missing")


def test_the_stats_answer_has_the_documented_keys_and_types(api):
    """`GET /meters/{meter}/stats` tells a meter's whole life and its figures of today, this week and this month."""
    with time_machine.travel(datetime(2025, 1, 31, 23, 59, 59, 500_000, tzinfo=UTC), tick=False):
        body = exact(api.get("/meters/calls/stats"))
    assert list(body) == [
        "meter_id", "total_events", "unique_customers", "first_event_date", "last_event_date",
        "today_usage", "this_week_usage", "this_month_usage",
    ]  # fmt: skip
    assert (body["total_events"], body["unique_customers"]) == (6, 3)
    assert (body["first_event_date"], body["last_event_date"]) == ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z")


def test_today_week_and_month_start_at_local_midnight(api):
    """The day, the week (from Monday) and the month of the stats are those of the zone."""
    with time_machine.travel(datetime(2025, 1, 2, 3, 0, tzinfo=UTC), tick=False):
        here, there = (exact(api.get("/meters/max/stats", timezone=zone)) for zone in ("UTC", "America/New_York"))
    assert (here["today_usage"], there["today_usage"]) == (100, 100)
    with time_machine.travel(datetime(2025, 2, 3, tzinfo=UTC), tick=False):
        body = exact(api.get("/meters/calls/stats"))
    assert (body["today_usage"], body["this_week_usage"], body["this_month_usage"]) == (0, 0, 9)


def test_the_stats_of_a_meter_without_events_are_empty(api):
    """A fresh meter has no first and last event, and the empty value everywhere else."""
    api.meter("fresh", "LAST")
    body = exact(api.get("/meters/fresh/stats"))
    assert (body["total_events"], body["unique_customers"]) == (0, 0)
    assert body["first_event_date"] is body["last_event_date"] is body["today_usage"] is None


def test_the_customers_usage_answer_has_the_documented_keys_and_types(api):
    """`GET /customers/{customer}/usage` tells every meter of one customer over one window."""
    body = exact(api.get("/customers/acme/usage", group_by="month", meter_id=["calls", "max"], **JANUARY))
    assert {"customer_id", "period_start", "period_end", "data"} <= set(body)
    assert body["customer_id"] == api.get("/customers/acme").json["id"]
    assert (body["period_start"], body["period_end"]) == ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59Z")
    assert body["data"][0] == {
        "meter_id": api.get("/meters/calls").json["id"],
        "meter_name": "calls",
        "aggregation_type": "SUM",
        "unit": None,
        "total_usage": Decimal("4.75"),
        "event_count": 3,
        "grouped_data": [{"period": "2025-01-01", "usage": Decimal("4.75"), "event_count": 3}],
    }
    assert [row["meter_name"] for row in body["data"]] == ["calls", "max"]


def test_a_customer_without_a_choice_of_meters_is_told_about_all(api):
    """Without `meter_id` every meter is listed, also those the customer never used."""
    body = exact(api.get("/customers/globex/usage", **JANUARY))
    assert len(body["data"]) == api.get("/meters").json["meta"]["total"]
    assert len(body["data"][0]["grouped_data"]) == 31


def test_the_metrics_are_listed_with_their_plugin(api):
    """`GET /metrics` lists what can aggregate a meter, and whether buckets combine."""
    rows = {row["name"]: row for row in api.get("/metrics").json["data"]}
    assert list(rows) == ["SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT"]
    assert rows["SUM"] == {"name": "SUM", "label": rows["SUM"]["label"], "plugin": "metrics", "combines": True}
    assert rows["UNIQUE_COUNT"]["combines"] is False


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_date": "2025-13-01"}, "start_date"),
        ({"end_date": "yesterday"}, "end_date"),
        ({"start_date": "2025-02-01", "end_date": "2025-01-31"}, "start_date"),
        ({"start_date": "2025-01-01T00:00:00Z", "end_date": "2025-01-01T00:00:00Z"}, "start_date"),
        ({"start_date": "2999-01-01"}, "start_date"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "/etc/localtime"}, "timezone"),
        ({"timezone": "utc\0"}, "timezone"),
        ({"group_by": "days"}, "group_by"),
        ({"group_by": ["day", "hour"]}, "group_by"),
        ({"fill": "null"}, "fill"),
        ({"metric": "sum"}, "metric"),
        ({"group_by": "minute", "start_date": "2024-01-01", "end_date": "2024-12-31"}, "group_by"),
        ({"as_of": "-1"}, "as_of"),
        ({"as_of": "1000000"}, "as_of"),
        ({"as_of": "9" * 30}, "as_of"),
        ({"as_of": "٣"}, "as_of"),
        ({"page": "1"}, "page"),
        ({"customer": "acme"}, "customer"),
        ({"min_quantity": "1"}, "min_quantity"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named(api, query, field):
    """A wrong, repeated or unknown parameter is a 422 that names it and says what came."""
    body = problem(api.get("/meters/calls/usage", **query), 422, field)
    assert list(body["errors"]) == [field]


def test_an_answer_holds_at_most_50_000_buckets(api):
    """A window of more buckets is refused with both numbers, and the largest allowed one is answered."""
    minutes = timedelta(minutes=50_000)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    whole = {"group_by": "minute", "start_date": "2024-01-01", "end_date": (start + minutes).isoformat()}
    assert len(usage(api, **whole)["grouped_data"]) == 50_000
    whole["end_date"] = (start + minutes + timedelta(seconds=1)).isoformat()
    sentence = problem(api.get("/meters/calls/usage", **whole), 422, "group_by")["detail"]
    assert re.search(r"50,?001", sentence)
    assert re.search(r"50,?000", sentence)


def test_what_does_not_exist_is_a_404_that_names_it(api):
    """An unknown meter or customer, in the path or as a filter, is not found; an empty filter is no filter for all."""
    for path in ("/meters/nope", "/meters/nope/usage", "/meters/nope/stats", "/meters/nope/events"):
        problem(api.get(path), 404, "'nope'")
    problem(api.get("/usage", meter_id="nope"), 404, "'nope'")
    problem(api.get("/usage/aggregate", meter_id="nope"), 404, "'nope'")
    for path in ("/customers/nope", "/customers/nope/usage"):
        problem(api.get(path), 404, "'nope'")
    for path in ("/meters/calls/usage", "/meters/calls/events", "/usage"):
        problem(api.get(path, customer_id=["acme", "nope"]), 404, "'nope'")
        problem(api.get(path, customer_id=""), 404, "''")
    problem(api.get("/customers/acme/usage", meter_id=["calls", ""]), 404, "''")
