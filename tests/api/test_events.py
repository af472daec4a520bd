"""Lists of events: the documented item, exact totals, filters, and pages that stay steady while events arrive."""

from __future__ import annotations

import math
from itertools import chain
from uuid import UUID

import pytest

from fluxrate.core.model import seq_of
from tests.callers import Api, exact, problem

WINDOW = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
ITEM = [
    "id", "meter_id", "customer_id", "customer_external_id", "quantity", "timestamp", "ingested_at", "created_at",
    "idempotency_key", "voided", "void", "meta_data",
]  # fmt: skip


@pytest.fixture(scope="module")
def api(module_app):
    """130 events of three customers on `calls`, two minutes apart, and one event on `other`."""
    api = Api(module_app)
    api.meter()
    api.meter("other", decimals=0)
    batch = [
        {
            "meter_name": "calls",
            "customer_external_id": f"c{i % 3}",
            "quantity": f"{i + 1}.50",
            "timestamp": f"2025-03-01T{i * 2 // 60:02}:{i * 2 % 60:02}:00Z",
            "idempotency_key": f"k{i}",
            "metadata": {"n": i, "nested": {"list": [1.5, None, True]}},
        }
        for i in range(130)
    ]
    assert api.post("/events", batch).json["accepted"] == 130
    api.track("other", "c0", "7", timestamp="2025-03-01T00:00:00Z")
    return api


def events(api: Api, path: str = "/meters/calls/events", **query):
    response = api.get(path, **{**WINDOW, **query})
    assert response.status_code == 200, response.text
    return response.json


def test_an_item_has_the_documented_keys_and_types(api):
    """An event of a list carries exactly the keys of the contract; `quantity` is a plain decimal text."""
    row = events(api, page_size=1)["data"][0]
    assert sorted(row) == sorted(ITEM)
    for key in ("id", "meter_id", "customer_id"):
        UUID(row[key])
    assert row["meter_id"] == api.get("/meters/calls").json["id"]
    assert row["customer_id"] == api.get("/customers/c0").json["id"]
    assert (row["customer_external_id"], row["quantity"], row["idempotency_key"]) == ("c0", "130.5", "k129")
    assert row["timestamp"] == "2025-03-01T04:18:00Z"
    assert row["ingested_at"] == row["created_at"] != row["timestamp"]
    assert row["meta_data"] == {"n": 129, "nested": {"list": [1.5, None, True]}}
    assert (row["voided"], row["void"]) == (False, None)


def test_an_event_without_key_and_metadata_has_null_and_an_empty_object(api):
    """Every key is always there, so that a client never has to ask whether it is."""
    (row,) = events(api, "/meters/other/events")["data"]
    assert (row["idempotency_key"], row["meta_data"], row["quantity"]) == (None, {}, "7")


def test_the_envelope_tells_page_and_exact_total(api):
    """`meta` has page, page_size, total and total_pages, and the sequence the list is as of."""
    body = events(api)
    assert list(body) == ["data", "meta"]
    assert body["meta"] == {"page": 1, "page_size": 50, "total": 130, "total_pages": 3, "as_of": 131}
    assert len(body["data"]) == 50


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("page_size", [1, 7, 50, 130, 1000])
def test_pages_hold_every_event_once_in_order(api, order, page_size):
    """All pages together are all events, newest first unless asked otherwise."""
    if page_size == 1:
        assert events(api, page_size=1, page=130, order=order)["data"][0]["quantity"] == (
            "1.5" if order == "desc" else "130.5"
        )
        return
    pages = list(api.pages("/meters/calls/events", page_size=page_size, order=order, **WINDOW))
    assert len(pages) == math.ceil(130 / page_size)
    keys = [row["idempotency_key"] for row in chain.from_iterable(page["data"] for page in pages)]
    assert keys == [f"k{i}" for i in sorted(range(130), reverse=order == "desc")]


def test_a_page_beyond_the_last_is_empty(api):
    """Asking past the end is no error: there is nothing, and the total is still told."""
    for order in ("desc", "asc"):
        body = events(api, page=4, order=order)
        assert (body["data"], body["meta"]["total"]) == ([], 130)
        assert events(api, page=1_000_000_000, page_size=1000, order=order)["data"] == []


def test_equal_times_stand_in_order_of_arrival(app):
    """Events of the same instant are listed by their ingest sequence, the last arrival first."""
    api = Api(app)
    api.meter()
    ids = [api.track(timestamp="2025-03-01T00:00:00Z")["id"] for _ in range(5)]
    assert [row["id"] for row in events(api)["data"]] == ids[::-1]
    assert [row["id"] for row in events(api, order="asc")["data"]] == ids
    assert [seq_of(id) for id in ids] == [1, 2, 3, 4, 5]


def test_the_filters_narrow_list_and_total(api):
    """Customer, quantities and window each narrow the list, and the total with it."""
    assert events(api, customer_id="c1")["meta"]["total"] == 43
    assert events(api, customer_id=["c1", "c2"])["meta"]["total"] == 86
    assert events(api, min_quantity="130.5")["meta"]["total"] == 1
    assert events(api, min_quantity="130.51")["meta"]["total"] == 0
    assert events(api, max_quantity="10")["meta"]["total"] == 9
    assert events(api, min_quantity="10.5", max_quantity="12.5")["meta"]["total"] == 3
    assert events(api, min_quantity="0.000000000000000000000001")["meta"]["total"] == 130
    assert events(api, max_quantity="9" * 36)["meta"]["total"] == 130
    narrow = {"start_date": "2025-03-01T01:00:00Z", "end_date": "2025-03-01T01:10:00Z"}
    assert events(api, **narrow)["meta"]["total"] == 5
    assert events(api, **narrow, customer_id="c0", min_quantity="33")["meta"]["total"] == 1


def test_usage_lists_the_events_of_all_meters(api):
    """`GET /usage` is the same list over all meters, or those that are named."""
    assert events(api, "/usage")["meta"]["total"] == 131
    assert events(api, "/usage", meter_id="other")["meta"]["total"] == 1
    both = events(api, "/usage", meter_id=["other", "calls", "calls"], order="asc", page_size=2)
    assert both["meta"]["total"] == 131
    assert {row["idempotency_key"] for row in both["data"]} == {"k0", None}


def test_passing_as_of_back_keeps_later_pages_steady(app):
    """While events arrive, pages with the first page's as_of hold exactly the events of that moment, each once."""
    api = Api(app)
    api.meter()
    before = [api.track(timestamp=f"2025-03-01T00:{i:02}:00Z")["id"] for i in range(10)]
    first = events(api, page_size=4)
    seen = first["data"]
    for page in (2, 3):
        api.track(timestamp="2025-03-02T00:00:00Z")
        api.track(timestamp="2025-03-01T00:05:30Z")
        later = events(api, page_size=4, page=page, as_of=first["meta"]["as_of"])
        assert later["meta"]["total"] == 10
        assert later["meta"]["as_of"] == first["meta"]["as_of"]
        seen += later["data"]
    assert [row["id"] for row in seen] == before[::-1]
    assert events(api)["meta"]["total"] == 14


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"page": 0}, "page"), ({"page": -1}, "page"), ({"page": "1_0"}, "page"), ({"page": "１"}, "page"),
        ({"page": "1.0"}, "page"), ({"page": ""}, "page"), ({"page": "9" * 5_000}, "page"), ({"page": [1, 2]}, "page"),
        ({"page_size": 0}, "page_size"), ({"page_size": 1001}, "page_size"),
        ({"order": "newest"}, "order"), ({"min_quantity": "-1"}, "min_quantity"),
        ({"min_quantity": "1e3"}, "min_quantity"),
        ({"max_quantity": "NaN"}, "max_quantity"), ({"min_quantity": "9" * 40}, "min_quantity"),
        ({"group_by": "day"}, "group_by"), ({"quantity": "1"}, "quantity"), ({"start_date": "x\ny"}, "start_date"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_read_is_named(api, query, field):
    """A wrong or unknown parameter of a list is a 422 that names it."""
    for path in ("/meters/calls/events", "/usage"):
        assert list(problem(api.get(path, **query), 422, field)["errors"]) == [field]


def test_lists_of_other_things_have_the_same_envelope(api):
    """Meters, customers and keys come 20 a page, at most 100, in the same envelope."""
    for path, total in (("/meters", 2), ("/customers", 3), ("/api-keys", 1)):
        body = api.get(path).json
        assert list(body) == ["data", "meta"]
        assert body["meta"] == {"page": 1, "page_size": 20, "total": total, "total_pages": 1}
        assert len(body["data"]) == total
        second = api.get(path, page_size=1, page=2).json
        assert second["meta"] == {"page": 2, "page_size": 1, "total": total, "total_pages": total}
        problem(api.get(path, page_size=101), 422, "page_size is a whole number from 1 to 100, but '101' came")
        problem(api.get(path, foo=1), 422, "foo is unknown here")


def test_an_empty_list_has_no_pages(app):
    """Nothing to list: no data, a total of 0 on 0 pages."""
    api = Api(app)
    api.meter()
    assert events(api)["meta"] == {"page": 1, "page_size": 50, "total": 0, "total_pages": 0, "as_of": 0}
    assert events(api, "/usage")["data"] == []


def test_exact_text_of_quantities_survives_the_list(api):
    """A quantity is a string in the JSON text, so that no client reads it as a float."""
    assert '"quantity":"130.5"' in api.get("/meters/calls/events", page_size=1, **WINDOW).text
    assert exact(api.get("/meters/calls/events", page_size=1, **WINDOW))["data"][0]["quantity"] == "130.5"
