"""Voiding an event: the marked event as the answer, who and when, once only, and figures without it from then on."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine

from fluxrate.core import accounts, credentials
from fluxrate.core.model import event_id, seq_of
from tests.callers import Api, exact, make_key, parts_of, problem

ITEM = [
    "id", "meter_id", "customer_id", "customer_external_id", "quantity", "timestamp", "ingested_at", "created_at",
    "idempotency_key", "voided", "void", "meta_data",
]  # fmt: skip
START = datetime(2025, 5, 1, 12, tzinfo=UTC)
WINDOW = {"start_date": "2025-04-01", "end_date": "2025-05-31"}
EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
KINDS = {"SUM": 110, "COUNT": 2, "MAX": 100, "MIN": 10, "AVG": 55, "LAST": 100, "UNIQUE_COUNT": 2}
"""Each aggregation of 10, 1000 and 100 without the 1000."""


@pytest.fixture
def api(api):
    api.meter()
    return api


def void(api: Api, event: dict, reason: object = "sent twice"):
    return api.post(f"/events/{event['id']}/void", {"reason": reason})


def voided(api: Api, event: dict, reason: str = "sent twice"):
    response = void(api, event, reason)
    assert response.status_code == 200, response.text
    return response.json


def usage(api: Api, meter: str = "calls", **query):
    response = api.get(f"/meters/{meter}/usage", **WINDOW, **query)
    assert response.status_code == 200, response.text
    return exact(response)


def figures(api: Api, meter: str = "calls", **query):
    body = usage(api, meter, **query)
    return body["total_usage"], body["event_count"], body["unique_customers"]


def who(api: Api) -> str:
    """The client's key as an actor: its public part and its name."""
    return f"key:{api.secret[:20]} test"


def answers(api: Api, **query):
    """What each read endpoint says."""
    paths = {
        "/meters/calls/usage": WINDOW, "/usage/aggregate": WINDOW | {"meter_id": "calls"}, "/meters/calls/stats": {},
        "/customers/acme/usage": WINDOW, "/meters/calls/events": WINDOW, "/usage": WINDOW,
    }  # fmt: skip
    found = {}
    for path, fixed in paths.items():
        response = api.get(path, **fixed, **query)
        assert response.status_code == 200, response.text
        found[path] = (exact(response), response.headers["X-Fluxrate-As-Of"])
    return found


def test_the_answer_is_the_marked_event(api):
    """200 and the event as it was sent, `voided`, with the reason, who, when, and the sequence from which it counts
    no more.
    """
    event = api.track(quantity="1.5", idempotency_key="k1", metadata={"region": "eu"})
    with time_machine.travel(START + timedelta(days=10_000), tick=False):
        response = void(api, event, "  Sent twice: É, 中 and 🙂.  ")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    body = json.loads(response.text)
    assert list(body) == ITEM
    said = {"reason": "Sent twice: É, 中 and 🙂.", "actor": who(api), "voided_at": "2052-09-16T12:00:00Z", "seq": 2}
    assert body["void"] == said
    assert body["voided"] is True
    assert list(body["void"]) == list(said)
    assert body == event | {"voided": True, "void": said}
    assert response.headers["X-Fluxrate-As-Of"] == "2"


def test_the_sequence_is_one_of_the_events_own(api):
    """Events and voids stand in one order: the next event comes after the void."""
    first, second = api.track(), api.track()
    assert voided(api, first)["void"]["seq"] == 3
    assert seq_of(api.track()["id"]) == 4
    assert voided(api, second)["void"]["seq"] == 5


def test_a_second_void_is_a_conflict(api):
    """409, whatever reason it gives, and what was said first stays."""
    event = api.track(idempotency_key="k")
    first = voided(api, event)
    for reason in ("sent twice", "another"):
        problem(void(api, event, reason), 409, "voided already")
    again = api.track(idempotency_key="k")
    assert again["void"] == first["void"]
    assert parts_of(api.app).store.events.last_seq() == 2


def test_an_unknown_event_is_not_found(api):
    """404 for what is no id, another sequence, the right sequence with another time of arrival, and a void's own."""
    event = api.track()
    seq = seq_of(event["id"])
    arrived = parts_of(api.app).store.events.get(seq).ingested_at
    body = voided(api, api.track())
    unknown = [
        "1", "x", "%00", "0" * 40, "٠" * 32,
        event["id"].replace("-", ""), f"{{{event['id']}}}", f"urn:uuid:{event['id']}",
        event_id(seq, arrived + 1_000), event_id(seq, 0), event_id(99, arrived), event_id(0, arrived),
        event_id(body["void"]["seq"], arrived), event_id(2**62 - 1, arrived),
        str(UUID("00000000-0000-4000-8000-000000000001")), event["meter_id"], event["customer_id"],
    ]  # fmt: skip
    for reference in unknown:
        problem(api.post(f"/events/{reference}/void", {"reason": "r"}), 404)
    assert len(parts_of(api.app).store.voids.read_after(0)) == 1
    assert voided(api, {"id": event["id"].upper()})["id"] == event["id"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{}", 422, "reason is missing"),
        ('{"reason": null}', 422, "reason is wrong"),
        ('{"reason": 5}', 422, "reason is wrong"),
        ('{"reason": ["r"]}', 422, "reason"),
        ('{"reason": "r", "actor": "key:other"}', 422, "actor is unknown here"),
        ('{"reason": "r", "voided_at": "2025-01-01T00:00:00Z"}', 422, "voided_at is unknown here"),
        ('{"reason": ""}', 400, "reason is a text that is not empty"),
        ('{"reason": "  "}', 400, "reason is a text that is not empty"),
        ('{"reason": "a\\u0000b"}', 400, "printable"),
        ('{"reason": "a\\nb"}', 400, "printable"),
        ('{"reason": "a\\u202eb"}', 400, "printable"),
        ('{"reason": "%s"}' % ("x" * 501), 400, "at most 500 characters"),
        ("[]", 422, "JSON object"),
        ("", 422, "JSON object"),
    ],
)
def test_a_reason_is_a_text_to_show(api, body, status, said):
    """What is missing, unknown or of another type is a 422, what is no text to show a 400; the event still counts."""
    event = api.track()
    problem(api.send(body, f"/events/{event['id']}/void"), status, said)
    assert parts_of(api.app).store.voids.read_after(0) == []


def test_a_reason_has_up_to_500_characters_when_trimmed(api):
    """Spaces around it do not count."""
    assert voided(api, api.track(), "x" * 500)["void"]["reason"] == "x" * 500
    assert voided(api, api.track(), " " * 600 + "why" + " " * 600)["void"]["reason"] == "why"


def test_other_bodies_and_parameters_are_refused(api):
    """Another content type is a 415, a query parameter a 422, and there is nothing to read at this path."""
    path = f"/events/{api.track()['id']}/void"
    problem(api.call("POST", path, data="reason=r", content_type="application/x-www-form-urlencoded"), 415)
    problem(api.call("POST", path, json={"reason": "r"}, query_string={"reason": "r"}), 422, "no query parameters")
    problem(api.get(path), 405)
    assert parts_of(api.app).store.voids.read_after(0) == []


def test_who_voids_needs_the_scope_to_write(api):
    """A key that may only read is refused; one that may write does it under its own name."""
    event = api.track()
    reader = Api(api.app, make_key(api.app, "usage.read"))
    problem(void(reader, event), 403, "usage.write")
    problem(void(Api(api.app, "sk_live_wrong"), event), 401)
    parts = parts_of(api.app)
    secret = accounts.create_key(parts.store, "Billing: nightly", ("usage.write",), parts.clock())[1]
    assert voided(Api(api.app, secret), event)["void"]["actor"] == f"key:{secret[:20]} Billing: nightly"


def test_a_person_voids_under_the_address_of_the_account(api):
    """A signed-in browser with its CSRF token may void; a key beside the session is the one who did it."""
    first, second = api.track(), api.track()
    parts = parts_of(api.app)
    accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    browser = api.app.test_client()
    assert browser.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    path, body = f"/api/v1/events/{first['id']}/void", {"reason": "r"}
    problem(browser.post(path, json=body), 403, "CSRF")
    token = {"X-CSRF-Token": credentials.csrf_token(browser.get_cookie("fluxrate_session").value)}
    assert browser.post(path, json=body, headers=token).json["void"]["actor"] == f"user:{EMAIL}"
    other = f"/api/v1/events/{second['id']}/void"
    assert browser.post(other, json=body, headers={"X-API-Key": api.secret}).json["void"]["actor"] == who(api)


def test_a_repeat_of_a_voided_event_answers_with_it(api):
    """Its key stays taken: a repeat is a 200 with the first event, voided; nothing counts again."""
    sent = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "5", "idempotency_key": "k"}
    first = api.post("/sdk/track", sent).json
    marked = voided(api, first)
    for path in ("/sdk/track", "/usage"):
        response = api.post(path, sent)
        assert (response.status_code, response.json) == (200, marked)
        assert response.headers["Idempotent-Replayed"] == "true"
        assert response.headers["X-Fluxrate-As-Of"] == "2"
    (row,) = api.post("/events", [sent]).json["results"]
    assert (row["status"], row["id"]) == ("duplicate", first["id"])
    assert parts_of(api.app).store.events.last_seq() == 2


def test_an_event_of_an_archived_meter_can_be_voided(api):
    """An archived meter takes no events, and yet what is wrong on it can be put right."""
    event = api.track(quantity="7", timestamp=START.isoformat())
    api.track(quantity="1", timestamp=START.isoformat())
    assert api.patch("/meters/calls", {"status": "ARCHIVED"}).status_code == 200
    assert voided(api, event)["voided"] is True
    assert figures(api) == (1, 1, 1)
    assert figures(api, as_of=2) == (8, 2, 1)


def test_threads_that_void_the_same_event(api):
    """Of several at once exactly one succeeds, and the others are told that it was done."""
    events = [api.track(timestamp=START.isoformat()) for _ in range(6)]

    def attempt(number: int) -> list[int]:
        mine = events[number % 6 :] + events[: number % 6]
        client = Api(api.app, api.secret)
        return [void(client, event, f"from {number}").status_code for event in mine]

    with ThreadPoolExecutor(6) as pool:
        statuses = [status for found in pool.map(attempt, range(6)) for status in found]
    assert sorted(statuses) == [200] * 6 + [409] * 30
    assert parts_of(api.app).store.events.last_seq() == 12
    assert figures(api) == (0, 0, 0)
    assert figures(api, as_of=6) == (6, 6, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_follow_at_once(app, kind):
    """Each aggregation is that of the events left, in the total and in the buckets, and counts no customer without
    one.
    """
    api = Api(app)
    api.meter("m", kind, decimals=0)
    sent = [
        api.track("m", f"c{i}", quantity, timestamp=(START + timedelta(days=i)).isoformat(), metadata={"user_id": i})
        for i, quantity in enumerate(("10", "1000", "100"))
    ]
    before = usage(api, "m")
    voided(api, sent[1])
    after = usage(api, "m")
    assert (after["total_usage"], after["event_count"], after["unique_customers"]) == (KINDS[kind], 2, 2)
    empty = 0 if kind in ("SUM", "COUNT", "UNIQUE_COUNT") else None
    for was, now in zip(before["grouped_data"], after["grouped_data"], strict=True):
        gone = was["period"] == "2025-05-02"
        assert now == ({"period": was["period"], "usage": empty, "event_count": 0} if gone else was)
    assert usage(api, "m", as_of=3) == before
    voided(api, sent[2])
    voided(api, sent[0])
    assert figures(api, "m") == (empty, 0, 0)


def test_every_read_answers_as_it_did_before_the_void(app):
    """Asked again as of each sequence, before, between and after voids, every endpoint says what it said then."""
    api = Api(app)
    with time_machine.travel(START - timedelta(hours=1), tick=False) as clock:
        api.meter()
        api.post("/customers", {"external_id": "acme"})
        then, events = [answers(api)], []
        for i in range(8):
            clock.move_to(START + timedelta(minutes=i))
            if i % 3 == 2:
                voided(api, events[i // 3])
            else:
                events.append(api.track(quantity=str(10**i), timestamp=(START - timedelta(hours=i)).isoformat()))
            then.append(answers(api))
        for seq, said in enumerate(then):
            assert answers(api, as_of=seq) == said
        for minute, said in enumerate(then[1:]):
            assert answers(api, as_of=(START + timedelta(minutes=minute)).isoformat()) == said


def test_an_instant_after_the_void_includes_it(app):
    """The void may be the newest sequence there is: an instant from then on is as of it, one before is not."""
    api = Api(app)
    with time_machine.travel(START, tick=False) as clock:
        api.meter()
        event = api.track(quantity="7", timestamp=START.isoformat())
        clock.move_to(START + timedelta(minutes=1))
        voided(api, event)
        clock.move_to(START + timedelta(minutes=2))
        for instant, seq, total in (("12:00:59.999999", 1, 7), ("12:01:00", 2, 0), ("12:01:30", 2, 0)):
            response = api.get("/meters/calls/usage", as_of=f"2025-05-01T{instant}Z", **WINDOW)
            assert (response.headers["X-Fluxrate-As-Of"], exact(response)["total_usage"]) == (str(seq), total)


def test_the_log_lists_it_marked(app):
    """A voided event stays in every list that it was in, at its place and in its total, marked from its sequence on."""
    api = Api(app)
    api.meter()
    sent = [api.track(timestamp=(START + timedelta(minutes=i)).isoformat()) for i in range(3)]
    marked = voided(api, sent[1])
    for path in ("/meters/calls/events", "/usage"):
        body = api.get(path, **WINDOW).json
        assert body["data"] == [sent[2], marked, sent[0]]
        assert (body["meta"]["total"], body["meta"]["as_of"]) == (3, 4)
        assert api.get(path, as_of=4, **WINDOW).json == body
        before = api.get(path, as_of=3, **WINDOW).json
        assert before["data"] == sent[::-1]
        assert [row["voided"] for row in before["data"]] == [False] * 3


def test_another_process_sees_it_within_a_refresh(make_app):
    """What one process voids, another leaves out as of that sequence at once, and after a refresh in every answer."""
    writer, reader = Api(make_app()), Api(make_app())
    writer.meter()
    event = writer.track(quantity="3", timestamp=START.isoformat())
    assert figures(reader, as_of=1) == (3, 1, 1)
    voided(writer, event)
    assert figures(reader, as_of=2) == (0, 0, 0)
    parts_of(reader.app).live.refresh()
    assert figures(reader) == (0, 0, 0)
    assert figures(reader, as_of=1) == (3, 1, 1)


@pytest.mark.parametrize("saved", [True, False])
def test_a_void_outlives_a_restart(make_app, saved):
    """After a clean end and a new start, from saved columns or without them, it is the same."""
    api = Api(make_app())
    api.meter()
    sent = [api.track(quantity="3", timestamp=START.isoformat()) for _ in range(2)]
    marked = voided(api, sent[0])
    before = answers(api)
    parts_of(api.app).close()
    if not saved:
        shutil.rmtree(parts_of(api.app).instance / "columns")
    again = Api(make_app(), api.secret)
    assert answers(again) == before
    assert figures(again) == (3, 1, 1)
    assert marked in again.get("/usage", **WINDOW).json["data"]
