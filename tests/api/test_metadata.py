"""Filters by metadata: any of a key's values, all of the keys, nested ones by their path."""

from __future__ import annotations

import pytest

from fluxrate.core.columns.coding import MOST_KEYS
from tests.callers import Api, problem

WINDOW = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
REGIONS = ("eu", "us", "ap", None)


@pytest.fixture(scope="module")
def api(module_app):
    """60 events, one a minute: four regions (one of them unsaid), two plans inside a nested object, a number."""
    api = Api(module_app)
    api.meter()
    batch = [
        {
            "meter_name": "calls",
            "customer_external_id": f"c{i % 5}",
            "quantity": str(i + 1),
            "timestamp": f"2025-03-01T00:{i:02}:00Z",
            "metadata": {
                **({"region": REGIONS[i % 4]} if REGIONS[i % 4] else {}),
                "account": {"plan": "pro" if i % 3 else "free"},
                "shard": i % 2,
            },
        }
        for i in range(60)
    ]
    assert api.post("/events", batch).json["accepted"] == 60
    return api


CASES = [
    ({"meta.region": "eu"}, lambda i: i % 4 == 0),
    ({"meta.region": ["eu", "us"]}, lambda i: i % 4 in (0, 1)),
    ({"meta.region": "eu", "meta.shard": "0"}, lambda i: i % 4 == 0),
    ({"meta.region": "us", "meta.shard": "0"}, lambda i: False),
    ({"meta.account.plan": "free"}, lambda i: i % 3 == 0),
    ({"meta.account.plan": "free", "customer_id": ["c0", "c1"]}, lambda i: i % 3 == 0 and i % 5 in (0, 1)),
    ({"meta.region": "nowhere"}, lambda i: False),
    ({"meta.nobody.sent.this": "x"}, lambda i: False),
]


@pytest.mark.parametrize(("query", "fits"), CASES)
def test_a_filter_counts_the_events_that_have_the_values(api, query, fits):
    """The same events in the usage, as one figure, and in both lists."""
    mine = [i for i in range(60) if fits(i)]
    usage = api.get("/meters/calls/usage", **WINDOW, **query, group_by="month").json
    assert (usage["event_count"], usage["total_usage"]) == (len(mine), sum(i + 1 for i in mine))
    assert usage["unique_customers"] == len({i % 5 for i in mine})
    whole = api.get("/usage/aggregate", **WINDOW, **query, meter_id="calls").json
    assert whole["total_usage"] == usage["total_usage"]
    for path in ("/meters/calls/events", "/usage"):
        found = api.get(path, **WINDOW, **query, page_size=100).json
        assert found["meta"]["total"] == len(mine)
        assert [row["quantity"] for row in found["data"]] == [str(i + 1) for i in reversed(mine)]


def test_a_call_that_takes_no_such_filter_refuses_it(api):
    """A filter that does nothing would answer a wrong figure."""
    assert problem(api.get("/meters/calls/stats", **{"meta.region": "eu"}), 422)
    assert problem(api.get("/customers/c0/usage", **{"meta.region": "eu"}), 422)
    assert problem(api.get("/meters/calls/usage", **{"meta.": "eu"}), 422)
    assert problem(api.get("/meters/calls/usage", **{"meta.\0": "eu"}), 422)


def test_a_key_beyond_those_indexed_is_refused_by_name(make_app):
    """Rather than answered as if nobody had sent it."""
    api = Api(make_app())
    api.meter()
    for number in range(MOST_KEYS + 1):
        api.track("calls", "c", "1", metadata={f"k{number}": "v"})
    assert api.get("/meters/calls/usage", **{"meta.k0": "v"}).json["event_count"] == 1
    assert f"k{MOST_KEYS}" in problem(api.get("/meters/calls/usage", **{f"meta.k{MOST_KEYS}": "v"}), 400)["detail"]
