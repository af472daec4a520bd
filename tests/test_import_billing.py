"""Plans, subscriptions and invoices from files: judged like bodies of the API, named by line, read again."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fluxrate.cli import cli
from tests.callers import Api, exact
from tests.test_cli import instance, no_settings, refused, run  # noqa: F401 (fixtures)

PLANS = """external_id,name,plan_type,currency,billing_interval,interval_count,trial_days,charges
gold,Gold,FIXED,USD,month,1,,"[{""charge_type"": ""FIXED"", ""amount"": ""10.50""}]"
calls,Calls,USAGE,EUR,,,14,"[{""charge_type"": ""USAGE"", ""meter_id"": ""calls"", ""unit_price"": ""0.0025""}]"
"""
SUBSCRIPTIONS = """external_id,customer_id,plan_id,status,quantity,start_date,discount_percent
s1,acme,gold,ACTIVE,3,2025-01-01,10
s2,acme,calls,,,2025-02-01,
"""
INVOICES = """external_id,subscription_id,status,issue_date,due_date,lines,tax
i1,s1,OPEN,2025-02-01,2025-02-15,"[{""description"": ""Base"", ""amount"": ""28.35""}]",1.65
i2,s1,PAID,2025-03-01,2025-03-15,"[{""description"": ""Base"", ""amount"": ""28.35""}]",
"""


@pytest.fixture
def files(tmp_path, instance):  # noqa: F811
    """A file of each, and an instance with the meter and customer that they name."""
    api = instance()
    api.meter()
    api.post("/customers", {"external_id": "acme"})
    for name, text in (("plans", PLANS), ("subscriptions", SUBSCRIPTIONS), ("invoices", INVOICES)):
        (tmp_path / f"{name}.csv").write_text(text)
    return api


def load(run, tmp_path: Path, *names: str):  # noqa: F811
    for name in names or ("plans", "subscriptions", "invoices"):
        ran = run(f"import-{name}", str(tmp_path / f"{name}.csv"))
        assert (ran.status, ran.err) == (0, "")
        yield ran.out.rsplit(": ", 1)[1].strip()


def counts(created=0, changed=0, unchanged=0, skipped=0, rejected=0) -> str:
    numbers = {"created": created, "changed": changed, "unchanged": unchanged, "skipped": skipped, "rejected": rejected}
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def test_files_of_each_and_again(run, files, tmp_path):  # noqa: F811
    """The rows are records as the API would have made them; read again nothing changes, and the trail has it all."""
    assert list(load(run, tmp_path)) == [counts(created=2)] * 3
    assert list(load(run, tmp_path)) == [counts(unchanged=2)] * 3
    plans = {row["external_id"]: row for row in exact(files.get("/plans"))["data"]}
    assert (plans["gold"]["charges"][0]["name"], str(plans["gold"]["charges"][0]["amount"])) == ("Fixed", "10.50")
    assert (plans["calls"]["billing_interval"], plans["calls"]["trial_days"]) == ("month", 14)
    (second, first) = exact(files.get("/subscriptions"))["data"]
    assert (first["quantity"], str(first["discount_percent"]), first["status"]) == (3, "10", "ACTIVE")
    assert (second["quantity"], second["trial_end"]) == (1, "2025-02-15T00:00:00Z")
    assert [str(row["balance"]) for row in exact(files.get("/invoices"))["data"]] == ["0.00", "30.00"]
    noted = files.get("/audit", page_size=100).json["data"]
    ends = [row for row in noted if row["action"] == "import.finished"]
    assert [(row["actor"], row["target"]) for row in ends[:3]] == [
        ("cli", what) for what in ("invoices", "subscriptions", "plans")
    ]
    assert ends[0]["details"] == {
        "file": str(tmp_path / "invoices.csv"),
        "created": 0,
        "changed": 0,
        "unchanged": 2,
        "skipped": 0,
        "rejected": 0,
    }
    assert sum(row["action"] == "import.started" for row in noted) == 6
    assert sum(row["action"] in ("plan.created", "subscription.created", "invoice.created") for row in noted) == 6


def test_a_change_in_a_file_is_a_change(run, files, tmp_path):  # noqa: F811
    """Only the row that differs is changed, from `effective_at` on where the file says so."""
    list(load(run, tmp_path))
    (tmp_path / "subscriptions.csv").write_text(
        "external_id,customer_id,plan_id,quantity,effective_at\ns1,acme,gold,5,2025-04-01\ns2,acme,calls,1,\n"
    )
    (tmp_path / "invoices.csv").write_text(INVOICES.replace("s1,OPEN", "s1,PAID"))
    assert list(load(run, tmp_path, "subscriptions", "invoices")) == [counts(changed=1, unchanged=1)] * 2
    history = files.get("/subscriptions/s1").json["history"]
    assert [(state["effective_at"][:10], state["quantity"]) for state in history] == [
        ("2025-01-01", 3),
        ("2025-04-01", 5),
    ]
    assert files.get("/invoices", status="OPEN").json["data"] == []


@pytest.mark.parametrize("kind", ["csv", "ndjson", "ndjson.gz"])
def test_what_the_api_answers_is_read_back(run, files, tmp_path, kind):  # noqa: F811
    """Lists as the API writes them, as a table or line by line, are files that change nothing."""
    list(load(run, tmp_path))
    for what in ("plans", "subscriptions", "invoices"):
        path = tmp_path / f"again.{kind}"
        if kind == "csv":
            path.write_text(files.get(f"/{what}", format="csv").text, newline="")
        else:
            lines = "".join(json.dumps(row) + "\n" for row in files.get(f"/{what}").json["data"]).encode()
            path.write_bytes(gzip.compress(lines) if kind.endswith("gz") else lines)
        ran = run(f"import-{what}", str(path))
        assert ran.out == f"{path}: {counts(unchanged=2)}\n", ran.err


def test_bad_rows_are_named_and_the_rest_goes_in(run, files, tmp_path):  # noqa: F811
    """Each with its line and the sentence of the API; exit status 1 only with --strict."""
    list(load(run, tmp_path, "plans"))
    path = tmp_path / "bad.csv"
    rows = [
        "external_id,customer_id,plan_id,status,quantity,start_date",
        "ok,acme,gold,,,2025-01-01",
        "a,nobody,gold,,,",
        "b,acme,nope,,,",
        "c,acme,gold,GONE,,",
        "d,acme,gold,,1.5,",
        "e,acme,gold,,,soon",
        ",acme,gold,,,",
        "f,acme,gold",
        "ok,acme,gold,TRIAL,,2025-01-01",
        "last,acme,gold,,2,",
    ]
    path.write_text("\n".join(rows))
    ran = run("import-subscriptions", str(path))
    assert (ran.status, ran.out) == (0, f"{path}: {counts(created=2, rejected=8)}\n")
    said = ran.err.splitlines()
    for line, text in zip(
        range(3, 11),
        ("'nobody'", "'nope'", "PAST_DUE", "quantity", "start_date", "external_id", "6 cells", "ACTIVE becomes"),
        strict=True,
    ):
        assert said[line - 3].startswith(f"{path}:{line}: ")
        assert text in said[line - 3]
    assert run("import-subscriptions", "--strict", str(path)).status == 1
    assert [row["external_id"] for row in files.get("/subscriptions").json["data"]] == ["last", "ok"]


def test_what_is_no_text_names_nothing(run, files, tmp_path):  # noqa: F811
    """Bytes that are not UTF-8, or a NUL, where a customer, plan or subscription is named: a row that is refused."""
    list(load(run, tmp_path, "plans"))
    path = tmp_path / "bytes.csv"
    path.write_bytes(
        b"external_id,customer_id,plan_id\na,\xff,gold\nb,acme,g\xc3\nc,a\x00c,gold\nd,acme,gold\ne,acme,\xed\xa0\x80\n"
    )
    ran = run("import-subscriptions", str(path))
    assert ran.out == f"{path}: {counts(created=1, rejected=4)}\n"
    assert [line.split(":")[1] for line in ran.err.splitlines()] == ["2", "3", "4", "6"]
    assert all("No customer has" in line or "No plan has" in line for line in ran.err.splitlines())
    path.write_bytes(b"external_id,subscription_id\ni,\xff\n")
    assert "No subscription has" in run("import-invoices", str(path)).err


def test_lists_in_cells_and_lines_are_judged_as_bodies(run, files, tmp_path):  # noqa: F811
    """A charge that is no JSON, of the wrong type or against a rule is refused in its row; so is one that is nested."""
    path = tmp_path / "plans.ndjson"
    good = {"external_id": "p", "name": "P", "plan_type": "FIXED", "currency": "USD"}
    bodies = [
        good | {"charges": [{"charge_type": "FIXED", "amount": 12.5}]},
        good | {"charges": {}},
        good | {"charges": [{"charge_type": "FIXED", "amount": [1]}]},
        good | {"charges": [{"charge_type": "FIXED", "amount": "1.234"}]},
        good | {"charges": [{"charge_type": "FIXED", "amount": "1", "price": 1}]},
        good | {"interval_count": 1.5},
        good | {"surprise": 1},
        good | {"name": None},
    ]
    path.write_text("\n".join(map(json.dumps, bodies)) + "\n[]\n")
    ran = run("import-plans", str(path))
    assert ran.out == f"{path}: {counts(created=1, rejected=8)}\n"
    for line, text in enumerate(
        ("charges", "amount", "2 decimal places", "price is unknown", "interval_count", "surprise", "name", "object"), 2
    ):
        assert text in ran.err.splitlines()[line - 2], ran.err
    (tmp_path / "cell.csv").write_text('external_id,name,plan_type,currency,charges\nq,Q,FIXED,USD,"[{"\n')
    assert "charges is a JSON list" in run("import-plans", str(tmp_path / "cell.csv")).err


def test_a_price_in_use_does_not_change_by_a_file(run, files, tmp_path):  # noqa: F811
    list(load(run, tmp_path))
    (tmp_path / "plans.csv").write_text(PLANS.replace("10.50", "11.50").replace("Calls", "Calls 2"))
    ran = run("import-plans", str(tmp_path / "plans.csv"))
    assert ran.out.endswith(counts(changed=1, rejected=1) + "\n")
    assert "make a new plan" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "header"),
        ("external_id,customer_id\n", "plan_id"),
        ("customer_id,plan_id\n", "external_id"),
        ("external_id,customer_id,plan_id,quantty\n", "'quantty'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_as_a_whole(run, files, tmp_path, text, said):  # noqa: F811
    """A missing or misspelled column, before any row."""
    (tmp_path / "x.csv").write_text(text)
    refused(run("import-subscriptions", str(tmp_path / "x.csv")), said)
    refused(run("import-subscriptions", str(tmp_path / "nope.csv")), "cannot be read", status=2)
    refused(run("import-subscriptions", str(tmp_path / "x.txt")), "--format", status=2)


def test_a_plan_is_upserted_over_the_api_too(api: Api):
    """201, then 200 and nothing changed; what is not sent stays."""
    body = {"name": "Gold", "plan_type": "FIXED", "currency": "USD", "billing_interval": "year"}
    charges = [{"charge_type": "FIXED", "name": "Base", "amount": "10.50"}]
    first = api.call("PUT", "/plans/by-external-id/gold", json=body | {"charges": charges})
    assert first.status_code == 201
    del body["billing_interval"]
    again = api.call("PUT", "/plans/by-external-id/gold", json=body)
    assert (again.status_code, again.json) == (200, first.json)
    renamed = api.call("PUT", "/plans/by-external-id/gold", json=body | {"name": "Silver"})
    assert renamed.json["name"] == "Silver"
    assert renamed.json["billing_interval"] == "year"


def test_the_commands_are_those_of_plugins():
    assert {"import-plans", "import-subscriptions", "import-invoices"} <= set(cli.commands)
