"""Every event that matches as one stream: CSV that no spreadsheet runs, NDJSON that is the list, in constant memory."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import pytest

from fluxrate.core import log
from fluxrate.core.answers import LOG_COLUMNS
from fluxrate.core.query import Query
from fluxrate.http import exports
from tests.callers import Api, parts_of, problem

WINDOW = {"start_date": "2025-01-01", "end_date": "2025-12-31"}
BAD = '=HYPERLINK("http://x","y")\r\n<script>alert(1)</script>'


@pytest.fixture(scope="module")
def api(module_app):
    """2,500 events on `calls`, and one on `other` whose texts a spreadsheet would run."""
    api = Api(module_app)
    api.meter()
    api.meter("other", decimals=0, unit="+calls")
    batch = [
        {
            "meter_name": "calls",
            "customer_external_id": f"c{i % 3}",
            "quantity": f"{i + 1}.50",
            "timestamp": f"2025-03-01T{i // 60 % 24:02}:{i % 60:02}:00Z",
            "metadata": {"n": i % 7},
        }
        for i in range(2_500)
    ]
    assert api.post("/events", batch).json["accepted"] == 2_500
    api.track("other", "=1+1", "7", timestamp="2025-04-01T00:00:00Z", idempotency_key="@key", metadata={BAD: BAD})
    return api


def stream(api: Api, path: str = "/usage", **query):
    response = api.get(path, **{**WINDOW, **query})
    assert response.status_code == 200, response.text
    return response


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_ndjson_is_the_list_item_by_item(api, order, monkeypatch):
    monkeypatch.setattr(log, "STEP", 400)
    filters = {"customer_id": "c1", "min_quantity": "100", "meta.n": ["1", "4"], "order": order}
    pages = api.pages("/meters/calls/events", page_size=100, **WINDOW, **filters)
    listed = [row for page in pages for row in page["data"]]
    response = stream(api, "/meters/calls/events", format="ndjson", **filters)
    assert [json.loads(line) for line in response.text.splitlines()] == listed
    assert len(listed) > 200
    assert response.headers["Content-Type"].startswith("application/x-ndjson")


def test_csv_has_the_same_events_with_exact_quantities(api):
    response = stream(api, format="csv", customer_id="c2")
    rows = table(response.text)
    assert [row["quantity"] for row in rows[:2]] == ["1440.5", "1437.5"]
    assert len(rows) == 833
    assert list(rows[0]) == list(LOG_COLUMNS)
    assert response.headers["X-Fluxrate-As-Of"] == "2501"
    assert response.headers["Content-Disposition"] == 'attachment; filename="usage-logs-2501.csv"'


def test_no_cell_is_run_by_a_spreadsheet(api):
    """Texts of strangers stand behind an apostrophe, and metadata is one cell that begins with a brace."""
    (row,) = table(stream(api, "/meters/other/events", format="csv").text)
    assert (row["customer_external_id"], row["idempotency_key"], row["unit"]) == ("'=1+1", "'@key", "'+calls")
    assert json.loads(row["meta_data"]) == {BAD: BAD}
    assert row["quantity"] == "7"


def test_what_cannot_be_asked_is_refused_before_the_first_line(api):
    for query in ({"customer_id": "nobody"}, {"min_quantity": "x"}, {"as_of": "999999"}, {"voided": "maybe"}):
        response = api.get("/usage", format="csv", **WINDOW, **query)
        assert response.status_code in (404, 422)
        assert response.headers["Content-Type"] == "application/problem+json"
    problem(api.get("/usage", format="csv", page="2"), 422, "page is for format=json")
    problem(api.get("/usage", format="xml"), 422, "format is one of json, csv, ndjson")


def test_voided_events_alone_or_without(app):
    api = Api(app)
    api.meter()
    ids = [api.track(timestamp=f"2025-03-0{i}T00:00:00Z")["id"] for i in (1, 2, 3)]
    before = stream(api).json["meta"]["as_of"]
    assert api.post(f"/events/{ids[1]}/void", {"reason": "=wrong"}).status_code == 200
    assert [row["id"] for row in stream(api, voided="true").json["data"]] == [ids[1]]
    assert [row["id"] for row in stream(api, voided="false").json["data"]] == [ids[2], ids[0]]
    assert stream(api, voided="true", as_of=before).json["meta"]["total"] == 0
    (row,) = table(stream(api, voided="true", format="csv").text)
    assert (row["voided"], row["void_reason"]) == ("true", "'=wrong")


def test_memory_does_not_grow_with_the_list(api, monkeypatch):
    """What is held at once is a small part of what is written."""
    monkeypatch.setattr(log, "PIECE", 50)
    monkeypatch.setattr(log, "STEP", 100)
    parts = parts_of(api.app)

    def written() -> int:
        _, pieces = parts.engine.every(parts.catalog.meters(), Query.parse(WINDOW, now=parts.clock()))
        return sum(len(piece) for piece in exports.written(pieces, "ndjson"))

    written()
    tracemalloc.start()
    size = written()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 900_000
    assert peak < size // 2
