"""`GET /meters/{meter}/customers`: the customers of a window by usage, key by key, judged by the slow reference."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests import reference
from tests.callers import Api, exact, problem

WINDOW = {"start_date": "2025-01-01", "end_date": "2025-01-31"}
START, END = (reference.micros(text) for text in ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"))
KINDS = ("SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT")
ADDITIVE = ("SUM", "COUNT")
CUSTOMERS = [f"c{number:02}" for number in range(14)]


@pytest.fixture(scope="module")
def world(module_app):
    """A meter of each kind with the same 120 events of fourteen customers, who were not created in order of name."""
    api = Api(module_app)
    for name in reversed(CUSTOMERS):
        api.post("/customers", {"external_id": name, "name": name.title() if name < "c07" else None})
    rng = random.Random(3)
    sent = [
        {
            "customer_external_id": rng.choice(CUSTOMERS),
            "quantity": rng.choice(("1", "2.25", "10")),
            "timestamp": (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=rng.randint(-200, 900))).isoformat(),
            "metadata": {"user_id": rng.choice("abc"), "region": rng.choice(("eu", "us"))},
        }
        for _ in range(120)
    ]
    for kind in KINDS:
        api.meter(kind.lower(), kind)
        mine = [event | {"meter_name": kind.lower()} for event in sent]
        assert api.post("/events", mine).json["accepted"] == 120
    events = [
        reference.Event(
            ts=reference.micros(event["timestamp"]),
            seq=seq,
            quantity=Decimal(event["quantity"]),
            customer=event["customer_external_id"],
            property=event["metadata"]["user_id"],
            meta=reference.texts(event["metadata"]),
        )
        for seq, event in enumerate(sent, 1)
    ]
    return api, events


def top(api: Api, meter: str = "sum", **query: Any) -> dict[str, Any]:
    response = api.get(f"/meters/{meter}/customers", **{**WINDOW, **query})
    assert response.status_code == 200, response.text
    return exact(response)


def expected(api: Api, events: list[reference.Event], kind: str, limit: int) -> dict[str, Any]:
    """What the answer should have of these events."""
    mine = [event for event in events if START <= event.ts < END]
    ranked = reference.ranking(mine, kind, 2, list(reversed(CUSTOMERS)))
    total = reference.figure(kind, mine, 2)
    details = {row["external_id"]: row for row in api.get("/customers", page_size=100).json["data"]}
    return {
        "total_usage": total,
        "customers": len(ranked),
        "data": [
            {
                "rank": rank,
                "customer": {name: details[customer][name] for name in ("id", "external_id", "name")},
                "usage": usage,
                "event_count": count,
                "share": reference.share(usage, total) if kind in ADDITIVE else None,
            }
            for rank, (customer, usage, count) in enumerate(ranked[:limit], 1)
        ],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_are_those_of_the_reference(world, kind):
    """Largest first, equal ones in the order they were created; a share where parts make up a whole."""
    api, events = world
    for limit in (1, 10, 1_000):
        body = top(api, kind.lower(), limit=limit)
        assert {name: body[name] for name in ("total_usage", "customers", "data")} == expected(api, events, kind, limit)
    assert len(body["data"]) == body["customers"]


def test_the_answer_has_the_documented_keys_and_types(world):
    """Key by key; ten rows unless said."""
    api, _ = world
    body = top(api)
    assert list(body) == [
        "meter_id", "total_usage", "customers", "period_start", "period_end", "aggregation_type", "timezone", "as_of",
        "data",
    ]  # fmt: skip
    assert body["meter_id"] == api.get("/meters/sum").json["id"]
    assert (body["period_start"], body["period_end"]) == ("2025-01-01T00:00:00Z", "2025-01-31T23:59:59Z")
    assert (body["aggregation_type"], body["timezone"]) == ("SUM", "UTC")
    assert (len(body["data"]), body["customers"]) == (10, 14)
    row = body["data"][0]
    assert list(row) == ["rank", "customer", "usage", "event_count", "share"]
    assert list(row["customer"]) == ["id", "external_id", "name"]
    UUID(row["customer"]["id"])
    response = api.get("/meters/sum/customers", **WINDOW)
    assert response.headers["X-Fluxrate-As-Of"] == str(body["as_of"])


def test_the_rows_as_they_are_written(make_app):
    """The very text: shares without zeros at their end, exact figures, an unnamed customer as null."""
    api = Api(make_app("written"))
    api.meter(decimals=6)
    for customer, quantity in (("acme", "2"), ("bolt", "0.000001"), ("cove", "1")):
        api.track(customer=customer, quantity=quantity, timestamp="2025-01-01T00:00:00Z")
    acme, bolt, cove = (api.get(f"/customers/{name}").json["id"] for name in ("acme", "bolt", "cove"))
    text = api.get("/meters/calls/customers", **WINDOW).text
    assert '"total_usage":3.000001,"customers":3,' in text
    assert text.partition('"data":')[2] == (
        f'[{{"rank":1,"customer":{{"id":"{acme}","external_id":"acme","name":null}},"usage":2,"event_count":1,'
        f'"share":0.666666}},'
        f'{{"rank":2,"customer":{{"id":"{cove}","external_id":"cove","name":null}},"usage":1,"event_count":1,'
        f'"share":0.333333}},'
        f'{{"rank":3,"customer":{{"id":"{bolt}","external_id":"bolt","name":null}},"usage":0.000001,"event_count":1,'
        f'"share":0}}]}}'
    )
    only = api.get("/meters/calls/customers", customer_id="acme", **WINDOW).text
    assert '"share":1}]}' in only


def test_filters_and_as_of_narrow_the_rows(world):
    """Customers, metadata and a sequence say which events count."""
    api, events = world
    mine = [event for event in events if event.customer in CUSTOMERS[:5] and event.meta["region"] == "eu"]
    body = top(api, customer_id=CUSTOMERS[:5], **{"meta.region": "eu"})
    assert {name: body[name] for name in ("total_usage", "customers", "data")} == expected(api, mine, "SUM", 10)
    body = top(api, as_of=50)
    early = [event for event in events if event.seq <= 50]
    assert {name: body[name] for name in ("total_usage", "customers", "data")} == expected(api, early, "SUM", 10)
    assert body["as_of"] == 50


def test_a_window_is_that_of_the_zone(world):
    """Dates are local ones, told back with their offset."""
    api, _ = world
    body = top(api, timezone="Asia/Kolkata")
    assert body["period_start"] == "2025-01-01T00:00:00+05:30"
    assert body["timezone"] == "Asia/Kolkata"


def test_a_window_without_events_has_no_rows(world):
    """Nothing is ranked, and the total is that of nothing."""
    api, _ = world
    body = top(api, start_date="2020-01-01", end_date="2020-01-02")
    assert (body["data"], body["customers"], body["total_usage"]) == ([], 0, 0)
    assert top(api, "max", start_date="2020-01-01", end_date="2020-01-02")["total_usage"] is None


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"limit": "0"}, "limit", "from 1 to 1000, but '0' came"),
        ({"limit": "1001"}, "limit", "from 1 to 1000, but '1001' came"),
        ({"limit": "ten"}, "limit", "from 1 to 1000"),
        ({"limit": ["1", "2"]}, "limit", "is given once"),
        ({"group_by": "day"}, "group_by", "unknown"),
        ({"fill": "none"}, "fill", "unknown"),
        ({"metric": "MAX"}, "metric", "unknown"),
        ({"page": "2"}, "page", "unknown"),
        ({"format": "pdf"}, "format", "json, csv"),
        ({"as_of": "99999"}, "as_of", "at most"),
    ],
)
def test_what_cannot_be_read_is_named(world, query, field, said):
    """A 422 in one sentence."""
    api, _ = world
    body = problem(api.get("/meters/sum/customers", **query), 422, field, said)
    assert list(body["errors"]) == [field]


def test_what_does_not_exist_is_a_404(world):
    """An unknown meter, or customer as a filter."""
    api, _ = world
    problem(api.get("/meters/nope/customers"), 404, "'nope'")
    problem(api.get("/meters/sum/customers", customer_id="nope"), 404, "'nope'")
