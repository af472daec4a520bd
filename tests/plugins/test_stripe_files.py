"""`fluxrate import-stripe`: what Stripe's API and tools write, read from files, again and again."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.callers import exact
from tests.plugins.stripe_objects import FEB, JAN, MAR, event, invoice, item, price, subscription
from tests.test_cli import instance, no_settings, refused, run  # noqa: F401 (fixtures)

LIST = {
    "object": "list",
    "url": "/v1/subscriptions",
    "has_more": False,
    "data": [subscription(), subscription("sub_2", status="past_due"), subscription("sub_3", status="incomplete")],
}
INVOICES = [invoice(), invoice("in_2", "paid"), invoice("in_3", "paid", -5), {"object": "charge", "id": "ch_1"}]


def written(value, kind: str) -> bytes:
    """A list as one value, or its objects line by line, packed or not."""
    things = value["data"] if isinstance(value, dict) else value
    text = (
        json.dumps(value, indent=2)
        if kind.startswith("json") and kind != "jsonl"
        else "\n".join(map(json.dumps, things)) + "\n"
    )
    return gzip.compress(text.encode()) if kind.endswith(".gz") else text.encode()


@pytest.mark.parametrize("kind", ["json", "json.gz", "ndjson", "jsonl", "ndjson.gz"])
def test_lists_and_lines(run, instance, tmp_path, kind):  # noqa: F811
    """Subscriptions, then invoices; what is passed over is said and counted; read again nothing changes."""
    first, second = tmp_path / f"subs.{kind}", tmp_path / f"invoices.{kind}"
    first.write_bytes(written(LIST, kind))
    second.write_bytes(written(INVOICES, kind))
    ran = run("import-stripe", str(first), str(second))
    assert ran.status == 0
    assert ran.out.splitlines() == [
        f"{first}: 2 created, 0 changed, 0 unchanged, 1 skipped, 0 rejected",
        f"{second}: 2 created, 0 changed, 0 unchanged, 2 skipped, 0 rejected",
    ]
    said = ran.err.splitlines()
    assert said[0].startswith(f"{first}:3: The subscription sub_3 waits")
    assert said[1].startswith(f"{second}:3: The invoice in_3 gives back")
    again = run("import-stripe", "--strict", str(first), str(second))
    assert again.status == 0
    assert [line.split(": ")[1].split(", ")[2] for line in again.out.splitlines()] == ["2 unchanged"] * 2
    api = instance()
    rows = exact(api.get("/subscriptions"))["data"]
    assert [(row["external_id"], row["status"], row["quantity"]) for row in rows] == [
        ("sub_2", "PAST_DUE", 3),
        ("sub_1", "ACTIVE", 3),
    ]
    assert [str(row["balance"]) for row in exact(api.get("/invoices"))["data"]] == ["0.00", "31.50"]
    entry = api.get("/audit", action="import.finished").json["data"][0]
    assert (entry["target"], entry["actor"]) == ("stripe", "cli")


def test_events_tell_the_history(run, instance, tmp_path):  # noqa: F811
    """A file of events counts each from its own instant; an object of the export, made later, is as of then."""
    path = tmp_path / "events.ndjson"
    seats = [(JAN, 1), (FEB, 4), (MAR, 2)]
    told = [event(subscription("sub_1", item(price(), count)), at) for at, count in seats]
    path.write_text("".join(json.dumps(each) + "\n" for each in [*told, subscription("sub_1", item(price(), 9))]))
    assert run("import-stripe", str(path), "--exported-at", "2025-03-05").status == 0
    history = instance().get("/subscriptions/sub_1").json["history"]
    assert [(state["effective_at"], state["quantity"]) for state in history] == [
        ("2025-01-01T00:00:00Z", 1),
        ("2025-02-01T00:00:00Z", 4),
        ("2025-03-01T00:00:00Z", 2),
        ("2025-03-05T00:00:00Z", 9),
    ]


def test_an_older_export_changes_nothing(run, instance, tmp_path):  # noqa: F811
    path = tmp_path / "subs.json"
    path.write_text(json.dumps(subscription("sub_1", item(price(), 5))))
    run("import-stripe", str(path), "--exported-at", "2025-03-05")
    path.write_text(json.dumps(subscription("sub_1", item(price(), 4))))
    ran = run("import-stripe", str(path), "--exported-at", "2025-03-04")
    assert "1 unchanged" in ran.out
    assert instance().get("/subscriptions/sub_1").json["quantity"] == 5


def test_bad_objects_are_named_and_the_rest_goes_in(run, tmp_path):  # noqa: F811
    """By their place in the file; --strict makes the exit status 1."""
    path = tmp_path / "subs.json"
    things = [subscription(status="new"), 7, invoice(parent={"subscription_details": {"subscription": "sub_9"}})]
    path.write_text(json.dumps([*things, subscription()]))
    ran = run("import-stripe", str(path))
    assert (ran.status, ran.out) == (0, f"{path}: 1 created, 0 changed, 0 unchanged, 0 skipped, 3 rejected\n")
    for line, (place, said) in zip(
        ran.err.splitlines(), [(1, "status of a subscription"), (2, "7 came"), (3, "not here yet")], strict=True
    ):
        assert line.startswith(f"{path}:{place}: ")
        assert said in line
    assert run("import-stripe", "--strict", str(path)).status == 1


@pytest.mark.parametrize(
    ("name", "text", "said", "status"),
    [
        ("x.json", b"{", "JSON", 1),
        ("x.json", b"\x1f\x8b\x08nonsense", "gzip", 1),
        ("x.csv", b"", "--format", 2),
        ("nope.json", None, "cannot be read", 2),
    ],
)
def test_what_is_no_file_of_stripe(run, tmp_path, name, text, said, status):  # noqa: F811
    if text is not None:
        (tmp_path / name).write_bytes(text)
    refused(run("import-stripe", str(tmp_path / name)), said, status=status)


def test_a_moment_that_is_none(run, tmp_path):  # noqa: F811
    (tmp_path / "x.json").write_text("[]")
    refused(run("import-stripe", str(tmp_path / "x.json"), "--exported-at", "soon"), "--exported-at")
