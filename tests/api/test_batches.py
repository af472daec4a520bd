"""Batches: each event judged on its own, or all or nothing; keys, sizes and the answer's shape."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import pytest
import sqlalchemy
from pysqlite3 import dbapi2

from tests.callers import Api, counts, exact, parts_of, problem


def event(quantity="1", **fields):
    return {"meter_name": "calls", "customer_external_id": "acme", "quantity": quantity} | fields


WRONG = event("-1", customer_external_id="wrong")


@pytest.fixture
def api(app):
    api = Api(app)
    api.meter()
    return api


def test_the_answer_has_the_documented_keys_and_types(api):
    """200 with the three counts and one result an event, in order, each with its index, status and id."""
    response = api.post("/events", [event(), event(customer_external_id="globex"), event(idempotency_key="k")])
    assert response.status_code == 200
    body = response.json
    assert list(body) == ["accepted", "duplicates", "rejected", "results"]
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (3, 0, 0)
    assert [sorted(row) for row in body["results"]] == [["id", "index", "status"]] * 3
    assert [(row["index"], row["status"]) for row in body["results"]] == [(i, "accepted") for i in range(3)]
    assert response.headers["X-Fluxrate-As-Of"] == "3"
    listed = api.get("/meters/calls/events").json["data"]
    assert {row["id"] for row in listed} == {row["id"] for row in body["results"]}


def test_one_wrong_event_does_not_keep_the_others_out(api):
    """207 when any is rejected: those have a detail and no id, the rest is stored."""
    not_read = [5, None, [], {"quantity": []}, {"nope": 1}]
    response = api.post("/events", [event("1.5"), WRONG, *not_read, event("2"), event(meter_name="nope")])
    assert response.status_code == 207
    body = response.json
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (2, 0, 7)
    assert [row["status"] for row in body["results"]] == ["accepted", *["rejected"] * 6, "accepted", "rejected"]
    for row in body["results"]:
        assert sorted(row) == (
            ["detail", "index", "status"] if row["status"] == "rejected" else ["id", "index", "status"]
        )
    assert "negative" in body["results"][1]["detail"]
    assert "'nope'" in body["results"][8]["detail"]
    assert counts(api.app) == (2, 1)
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == Decimal("3.5")


def test_results_errors_leaves_out_the_rest(api):
    """`results=errors` lists rejected events only; the counts stay."""
    body = api.post("/events?results=errors", [event(), WRONG, event()]).json
    assert [row["index"] for row in body["results"]] == [1]
    assert (body["accepted"], body["rejected"]) == (2, 1)
    assert api.post("/events?results=errors", [event()]).json["results"] == []


def test_an_atomic_batch_is_all_or_nothing(api):
    """`atomic=true` with one wrong event is a 422 that tells index and reason, and nothing is stored."""
    refused = api.post("/events?atomic=true", [event(idempotency_key="k"), WRONG, event(), 5])
    problem(refused, 422, "2 of 4", "index 1", "negative")
    assert counts(api.app) == (0, 0)
    right = api.post("/events?atomic=true", [event(idempotency_key="k"), event()])
    assert (right.status_code, right.json["accepted"]) == (200, 2)


def test_a_duplicate_is_no_reason_to_refuse_an_atomic_batch(api):
    """A known key counts as done: the batch can be sent again whole."""
    batch = [event(idempotency_key=f"k{i}", timestamp="2025-01-01T00:00:00Z") for i in range(5)]
    assert api.post("/events?atomic=true", batch[:2]).json["accepted"] == 2
    body = api.post("/events?atomic=true", batch).json
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (3, 2, 0)


def test_the_same_key_twice_in_one_batch_counts_once(api):
    """The first of two wins, the second is its duplicate, and a conflict if it says something else."""
    body = api.post(
        "/events", [event("1", idempotency_key="k"), event("1", idempotency_key="k"), event("2", idempotency_key="k")]
    ).json
    first, same, other = body["results"]
    assert [row["status"] for row in body["results"]] == ["accepted", "duplicate", "duplicate"]
    assert first["id"] == same["id"] == other["id"]
    assert "conflict" not in same
    assert other["conflict"] is True
    assert (body["accepted"], body["duplicates"]) == (1, 2)
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 1


def test_a_rejected_event_does_not_use_up_its_key(api):
    """A wrong event before a right one of the same key leaves the key to the right one."""
    body = api.post("/events", [event("-1", idempotency_key="k"), event("3", idempotency_key="k")]).json
    assert [row["status"] for row in body["results"]] == ["rejected", "accepted"]


def test_a_batch_sent_again_adds_nothing(api):
    """Every event of a repeated batch is a duplicate with the first one's id, and no conflict."""
    batch = [event(f"{i}.5", idempotency_key=f"k{i}", customer_external_id=f"c{i % 7}") for i in range(1, 200)]
    first, again = api.post("/events", batch).json, api.post("/events", batch).json
    assert (again["accepted"], again["duplicates"]) == (0, 199)
    assert [row["id"] for row in again["results"]] == [row["id"] for row in first["results"]]
    assert not any("conflict" in row for row in again["results"])
    assert counts(api.app) == (199, 7)


def test_overlapping_batches_at_once_count_each_key_once(api):
    """Eight threads send shuffled halves of the same events: every key is stored once, and every sum is exact."""
    keys = list(range(400))

    def send(thread: int) -> int:
        mine = [key for key in keys if (key + thread) % 2][:: 1 if thread % 4 < 2 else -1]
        body = Api(api.app, api.secret).post(
            "/events", [event(str(key + 1), idempotency_key=f"k{key}") for key in mine]
        )
        return body.json["accepted"]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 400
    assert counts(api.app) == (400, 1)
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == sum(range(1, 401))


def test_a_customer_named_only_by_rejected_or_repeated_events_is_not_made(api):
    """Nobody is created by an event that is not stored."""
    api.post("/events", [event(idempotency_key="k")])
    body = api.post("/events", [WRONG, event(idempotency_key="k", customer_external_id="ghost"), event()]).json
    assert [row["status"] for row in body["results"]] == ["rejected", "duplicate", "accepted"]
    assert counts(api.app) == (2, 1)


def test_a_batch_takes_every_shape_and_many_meters(api):
    """One batch may hold all three shapes, for different meters."""
    other = api.meter("other", property_name="size")
    customer = api.post("/customers", {"external_id": "acme"}).json
    batch = [
        event("1"),
        {"meter_token": other["meter_token"], "customer_external_id": "acme", "quantity": 2},
        {"meter_id": other["id"], "customer_id": customer["id"], "quantity": "3"},
        {"meter_name": "other", "customer_external_id": "acme", "properties": {"size": "4"}},
    ]
    assert api.post("/events", batch).json["accepted"] == 4
    assert exact(api.get("/meters/other/usage"))["total_usage"] == 9


def test_many_names_that_no_meter_has_are_judged_by_one_question(api, monkeypatch):
    """Each is refused for itself, what follows is judged as if it came alone, and the store is not asked for each."""
    other = api.meter("other")
    named = [{"meter_name": f"nobody-{i}"} for i in range(600)] + [{"meter_token": f"nobody-{i}"} for i in range(600)]
    there = [{field: other[field]} for field in ("meter_name", "meter_token")] + [{"meter_id": other["id"]}]
    odd = [{"meter_name": other["id"]}, {"meter_name": "OTHER"}, {"meter_id": other["id"].upper()}, {"meter_id": "\0"}]
    asked, find = [], parts_of(api.app).store.meters.find
    monkeypatch.setattr(parts_of(api.app).store.meters, "find", lambda ref: asked.append(ref) or find(ref))
    batch = [{"customer_external_id": "acme", "quantity": 1, **name} for name in (*named, *there, *odd)]
    found = api.post("/events", batch).json
    assert found["rejected"] >= 1_200
    assert "'nobody-7'" in found["results"][7]["detail"]
    assert len(asked) < 10
    statuses = [row["status"] for row in found["results"]]
    assert statuses[1_200:] == [api.post("/events", [one]).json["results"][0]["status"] for one in batch[1_200:]]


def test_an_empty_batch_is_nothing(api):
    """No events: 200, all counts 0."""
    response = api.post("/events", [])
    assert response.status_code == 200
    assert response.json == {"accepted": 0, "duplicates": 0, "rejected": 0, "results": []}


def test_a_full_batch_is_taken_and_one_more_is_not(api):
    """10,000 events go in; 10,001 are a 413 that says how many came, whether they can be read or not."""
    batch = [event(idempotency_key=f"k{i}") for i in range(10_000)]
    assert api.post("/events?results=errors", batch).json["accepted"] == 10_000
    for one_more in (event(), 5):
        problem(api.post("/events", [*batch, one_more]), 413, "at most 10000", "10001")
    assert counts(api.app) == (10_000, 1)


def test_a_batch_far_too_large_is_refused_without_taking_it_apart(api):
    """Half a million items that are no events are counted, not judged one by one."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problem(api.send(b"[" + b"1," * 500_000 + b"1]", "/events"), 413, "500001")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024


def test_the_largest_batch_is_a_setting(make_app):
    """MAX_BATCH sets the limit."""
    api = Api(make_app("small", MAX_BATCH=2))
    api.meter()
    assert api.post("/events", [event(), event()]).status_code == 200
    problem(api.post("/events", [event()] * 3), 413, "at most 2")


@pytest.mark.parametrize(
    "query", ["atomic=maybe", "results=none", "atomic=true&atomic=false", "Atomic=true", "results="]
)
def test_a_parameter_that_cannot_be_read_is_refused(api, query):
    """A mistyped `atomic` must not become half a batch: 422, and nothing is stored."""
    problem(api.post(f"/events?{query}", [event()]), 422)
    assert counts(api.app) == (0, 0)


def test_an_acknowledged_batch_is_in_the_next_answer(api):
    """What was acknowledged is in every later answer of the process, and on disk."""
    for number in range(1, 6):
        api.post("/events", [event()] * 100)
        assert exact(api.get("/meters/calls/usage"))["total_usage"] == number * 100
        assert parts_of(api.app).store.events.last_seq() == number * 100


@pytest.mark.parametrize(
    ("change", "most"),
    [({}, 20), ({"meter_name": "nope"}, 20), ({"customer_external_id": None, "customer_id": "acme"}, 20)],
)
def test_a_batch_asks_the_store_a_few_questions_however_long_it_is(make_app, change, most):
    """New, repeated, wrong: 500 events are not 500 questions, also to a process that has seen nobody yet."""
    first = Api(make_app())
    first.meter()
    first.track()
    batch = [event(idempotency_key=f"k{i}", timestamp="2025-01-01T00:00:00Z") | change for i in range(500)]
    for _ in range(2):
        api = Api(make_app(), first.secret)
        asked = []
        for engine in (parts_of(api.app).store._database._reader, parts_of(api.app).store._database._writer):
            sqlalchemy.event.listen(engine, "before_cursor_execute", lambda *args, asked=asked: asked.append(args[2]))
        assert len(api.post("/events", batch).json["results"]) == 500
        assert 0 < len(asked) <= most, asked


def test_a_batch_while_the_store_is_away_is_to_be_sent_again(make_app, tmp_path):
    """Locked by somebody else for longer than the store waits: 503 and nothing stored, not a batch of refusals."""
    api = Api(make_app())
    api.meter()
    event = {"meter_name": "calls", "customer_external_id": "c", "quantity": "1"}
    # The store's own library: a second one in this process would not see its locks.
    with closing(dbapi2.connect(str(tmp_path / "instance" / "fluxrate.db"), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        response = api.post("/events", [event, event])
        other.execute("ROLLBACK")
    problem(response, 503)
    assert response.headers["Retry-After"] == "1"
    assert counts(api.app) == (0, 0)
    assert api.post("/events", [event, event]).json["accepted"] == 2
