"""`format=csv`: the figures of the JSON answer as a table that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from tests.callers import Api, exact, problem

WINDOW = {"start_date": "2025-01-01", "end_date": "2025-01-03"}
REGIONS = {
    "acme": "eu",
    "=1+1": "=HYPERLINK(\"http://evil\")",
    "+bolt": "+49",
    "-cove": "-1",
    "@dune": "@SUM(A1)",
    "echo": "a,b;\"c\"\r\nd",
    "fern": "\t=1",
    "gale": "\r=1",
    "gulf": "\n=1",
    "haze": "'quoted",
    "iris": "x=1",
    "jade": "",
    "Köln, \"K\"": None,
}  # fmt: skip
"""Customers, some with names that a spreadsheet would run, each with one region."""


@pytest.fixture(scope="module")
def api(module_app):
    """A meter of 18 places with an event a customer, and one whose latest value is unknown on some days."""
    api = Api(module_app)
    api.meter(decimals=18)
    api.meter("latest", "LAST")
    for number, (customer, region) in enumerate(REGIONS.items()):
        metadata = {} if region is None else {"region": region}
        timestamp = f"2025-01-0{1 + number % 2}T00:00:00Z"
        api.track(customer=customer, quantity=str(Decimal(number + 1) / 2), timestamp=timestamp, metadata=metadata)
    api.track(customer="acme", quantity="0.000000000000000001", timestamp="2025-01-01T00:00:00Z")
    api.track("latest", quantity="5", timestamp="2025-01-02T00:00:00Z")
    return api


def table(api: Api, path: str, **query: Any) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of the answer, as another program reads them."""
    response = api.get(path, format="csv", **{**WINDOW, **query})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    json = api.get(path, **{**WINDOW, **query})
    assert response.headers["X-Fluxrate-As-Of"] == json.headers["X-Fluxrate-As-Of"]
    assert response.data.endswith(b"\r\n")
    header, *rows = csv.reader(io.StringIO(response.data.decode("utf-8"), newline=""), strict=True)
    assert {len(row) for row in rows} <= {len(header)}
    return header, rows


def body(api: Api, path: str, **query: Any) -> Any:
    return exact(api.get(path, **{**WINDOW, **query}))


def written(value: Any) -> str:
    """A value of the JSON answer as a cell: what is missing is empty, a number has no exponent."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else str(value)


def test_a_table_as_it_is_written(api):
    """The very bytes: a header, a row for each bucket, lines that end as RFC 4180 says."""
    response = api.get("/meters/calls/usage", format="csv", **WINDOW)
    assert response.data == (
        b"period,usage,event_count\r\n2025-01-01,24.500000000000000001,8\r\n2025-01-02,21,6\r\n2025-01-03,0,0\r\n"
    )
    name = 'attachment; filename="calls-usage-2025-01-01-to-2025-01-03.csv"'
    assert response.headers["Content-Disposition"] == name


def test_an_exact_figure_has_no_exponent(api):
    """1E-18 in JSON is written out, since not every reader of tables knows exponents."""
    _, rows = table(api, "/meters/calls/usage", metric="MIN", customer_id="acme")
    assert rows[0] == ["2025-01-01", "0.000000000000000001", "2"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"group_by": "hour", "timezone": "Asia/Kathmandu"},
        {"fill": "none", "group_by": "hour"},
        {"unique": "true"},
        {"cumulative": "true"},
        {"unique": "true", "cumulative": "true", "group_by": "month"},
        {"customer_id": "=1+1"},
        {"start_date": "2020-01-01", "end_date": "2020-01-01", "fill": "none"},
    ],
)
@pytest.mark.parametrize("meter", ["calls", "latest"])
def test_a_row_for_each_bucket_with_what_was_asked_for(api, meter, query):
    """The columns are the keys of a bucket, in their order, and the cells its values."""
    header, rows = table(api, f"/meters/{meter}/usage", **query)
    asked = [name for name in ("unique", "cumulative") if name in query]
    assert header == ["period", "usage", "event_count", *({"unique": "unique_customers"}.get(x, x) for x in asked)]
    buckets = body(api, f"/meters/{meter}/usage", **query)["grouped_data"]
    assert rows == [[written(bucket[name]) for name in header] for bucket in buckets]


@pytest.mark.parametrize("query", [{"compare": "previous"}, {"compare": "year", "unique": "true", "fill": "none"}])
def test_an_earlier_bucket_stands_beside_its_own(api, query):
    """Its period, usage and event count, or three empty cells."""
    window = {"start_date": "2024-02-28", "end_date": "2025-01-02"}
    header, rows = table(api, "/meters/calls/usage", **window, **query)
    past = ["comparison_period", "comparison_usage", "comparison_event_count"]
    assert header[-3:] == past
    buckets = body(api, "/meters/calls/usage", **window, **query)["grouped_data"]
    assert len(rows) == len(buckets)
    for row, bucket in zip(rows, buckets, strict=True):
        own = [written(bucket[name]) for name in header[:-3]]
        found = bucket["comparison"]
        assert row == own + ([""] * 3 if found is None else [written(found[name[11:]]) for name in past])


@pytest.mark.parametrize("dimensions", [["customer"], ["meta.region"], ["meta.region", "customer"]], ids=" ".join)
@pytest.mark.parametrize("limit", [3, 100])
def test_a_row_for_each_bucket_of_each_row_of_a_breakdown(api, dimensions, limit):
    """Its rank, the values of its key under the names they were asked by, the customer's id, and the bucket."""
    query = {"breakdown": dimensions, "limit": limit, "cumulative": "true", "fill": "none"}
    header, rows = table(api, "/meters/calls/usage", **query)
    ids = ["customer_id"] if "customer" in dimensions else []
    assert header == ["rank", *dimensions, *ids, "period", "usage", "event_count", "cumulative"]
    expected = []
    for rank, row in enumerate(body(api, "/meters/calls/usage", **query)["breakdown"], 1):
        values = [""] * len(dimensions) if row["key"] is None else [written(value) for value in row["key"].values()]
        which = ["other" if row["key"] is None else str(rank), *values, *(row.get(name, "") for name in ids)]
        figures = header[len(which) :]
        expected += [[*which, *(written(bucket[name]) for name in figures)] for bucket in row["grouped_data"]]
    assert rows == expected
    assert any(row[0] == "other" for row in rows) == (limit == 3)


def test_no_cell_of_a_breakdown_is_a_formula(api):
    """Texts that a spreadsheet would run stand behind an apostrophe, in cells and in the header; numbers do not."""
    header, rows = table(api, "/meters/calls/usage", breakdown=["customer", "meta.region"], limit=100)
    found = {row[1]: row[2] for row in rows}
    assert found["'=1+1"] == '\'=HYPERLINK("http://evil")'
    assert found["'+bolt"] == "'+49"
    assert found["'-cove"] == "'-1"
    assert found["'@dune"] == "'@SUM(A1)"
    assert found["echo"] == 'a,b;"c"\r\nd'
    assert found["fern"] == "'\t=1"
    assert found["gale"] == "'\r=1"
    assert found["gulf"] == "'\n=1"
    assert (found["haze"], found["iris"], found["jade"]) == ("'quoted", "x=1", "")
    assert found['Köln, "K"'] == ""
    header, _ = table(api, "/meters/calls/usage", breakdown="meta.=cmd")
    assert header[1] == "meta.=cmd"


def test_a_fall_is_a_number_and_stays_one(api):
    """A minus sign before a figure of ours begins no formula."""
    window = {"start_date": "2025-01-02", "end_date": "2025-01-02", "customer_id": "acme"}
    header, rows = table(api, "/usage/aggregate", meter_id="calls", compare="previous", **window)
    assert rows[0][header.index("comparison_change")] == "-1"


def test_the_aggregate_is_one_row(api):
    """The columns are the keys of the JSON answer; those of the comparison have its name before theirs."""
    query = {"meter_id": "calls", "compare": "year"}
    header, (row,) = table(api, "/usage/aggregate", **query)
    found = body(api, "/usage/aggregate", **query)
    past = found.pop("comparison")
    assert header == [*found, *(f"comparison_{name}" for name in past)]
    assert row == [written(value) for value in (*found.values(), *past.values())]


def test_the_aggregate_by_a_breakdown_is_a_row_for_each(api):
    """Rank, key and figures, without buckets."""
    query = {"meter_id": "calls", "breakdown": "customer", "limit": 2}
    header, rows = table(api, "/usage/aggregate", **query)
    assert header == ["rank", "customer", "customer_id", "usage", "event_count", "unique_customers"]
    found = body(api, "/usage/aggregate", **query)["breakdown"]
    assert [row[0] for row in rows] == ["1", "2", "other"]
    assert [row[3:] for row in rows] == [
        [written(row[name]) for name in ("usage", "event_count", "unique_customers")] for row in found
    ]
    assert rows[0][1:3] == [written(found[0]["key"]["customer"]), found[0]["customer_id"]]
    assert rows[2][1:3] == ["", ""]


@pytest.mark.parametrize("meter", ["calls", "latest"])
def test_the_customers_are_a_row_each(api, meter):
    """Rank, who it is, and the figures; names are as safe as ids."""
    api.patch("/customers/acme", {"name": "=cmd|' /C calc'!A0"})
    header, rows = table(api, f"/meters/{meter}/customers", limit=100)
    assert header == ["rank", "customer_id", "customer_external_id", "customer_name", "usage", "event_count", "share"]
    expected = []
    for row in body(api, f"/meters/{meter}/customers", limit=100)["data"]:
        who = [written(row["customer"][name]) for name in ("id", "external_id", "name")]
        expected.append([str(row["rank"]), *who, *(written(row[name]) for name in ("usage", "event_count", "share"))])
    assert rows == expected
    assert any(row[3] == "'=cmd|' /C calc'!A0" for row in rows)
    response = api.get(f"/meters/{meter}/customers", format="csv", **WINDOW)
    assert f'filename="{meter}-customers-2025-01-01-to-2025-01-03.csv"' in response.headers["Content-Disposition"]


def test_a_refusal_is_a_problem_whatever_was_to_be_written(api):
    """Errors have one form, and calls without tables do not know the parameter."""
    problem(api.get("/meters/calls/usage", format="csv", group_by="days"), 422, "group_by")
    problem(api.get("/meters/nope/usage", format="csv"), 404, "'nope'")
    for path in ("/meters/calls/stats", "/customers/acme/usage"):
        problem(api.get(path, format="csv"), 422, "format")
