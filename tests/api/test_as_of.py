"""As of: an answer about a sequence or an instant is the answer that was given then, whatever came later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from fluxrate.core.errors import Malformed
from fluxrate.core.query import Query
from tests.callers import Api, exact, parts_of, problem

START = datetime(2025, 5, 1, 12, tzinfo=UTC)
WINDOW = {"start_date": "2025-04-01", "end_date": "2025-05-31"}


@pytest.fixture
def history(app):
    """Five events that arrive a minute apart from START on, each of an hour earlier than the one before."""
    api = Api(app)
    with time_machine.travel(START - timedelta(hours=1), tick=False):
        api.meter()
    for i in range(5):
        with time_machine.travel(START + timedelta(minutes=i), tick=False):
            api.track(customer=f"c{i}", quantity=str(10**i), timestamp=(START - timedelta(hours=i)).isoformat())
    return api


def answers(api: Api, **query):
    """What each read endpoint says, `as_of` itself aside."""
    paths = {
        "/meters/calls/usage": WINDOW, "/usage/aggregate": WINDOW | {"meter_id": "calls"}, "/meters/calls/stats": {},
        "/meters/calls/customers": WINDOW,
        "/customers/c0/usage": WINDOW, "/meters/calls/events": WINDOW, "/usage": WINDOW,
    }  # fmt: skip
    found = {}
    for path, fixed in paths.items():
        response = api.get(path, **fixed, **query)
        assert response.status_code == 200, response.text
        found[path] = (exact(response), response.headers["X-Fluxrate-As-Of"])
    return found


def test_every_read_answers_as_it_did_then(app):
    """After each arrival all read endpoints are asked; asked again later as of that sequence they say the same."""
    api = Api(app)
    with time_machine.travel(START - timedelta(hours=1), tick=False) as clock:
        api.meter()
        api.post("/customers", {"external_id": "c0"})
        then = []
        for i in range(4):
            clock.move_to(START + timedelta(minutes=i))
            api.track(customer=f"c{i % 2}", quantity=str(10**i), timestamp=(START - timedelta(hours=i)).isoformat())
            then.append(answers(api))
        for seq, said in enumerate(then, 1):
            assert answers(api, as_of=seq) == said
            assert answers(api, as_of=f"{seq:018}") == said


def test_as_of_zero_is_before_everything(history):
    """At sequence 0 nothing had arrived."""
    body = exact(history.get("/meters/calls/usage", as_of=0, **WINDOW))
    assert (body["total_usage"], body["event_count"], body["as_of"]) == (0, 0, 0)
    assert history.get("/meters/calls/events", as_of=0, **WINDOW).json["meta"]["total"] == 0


@pytest.mark.parametrize(
    ("instant", "seq"),
    [
        ("2025-05-01T11:59:59.999999Z", 0),
        ("2025-05-01T12:00:00Z", 1),
        ("2025-05-01T12:00:00.000000001Z", 1),
        ("2025-05-01T12:00:59.999999999Z", 1),
        ("2025-05-01T12:01:00Z", 2),
        ("2025-05-01T14:02:30+02:00", 3),
        ("2025-05-01T12:03:00", 4),
        ("2025-05-02T00:00:00Z", 5),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_an_instant_stands_for_the_last_arrival_by_then(history, instant, seq):
    """An instant gives the answer of the last event that had arrived, and the answer says which sequence that is."""
    assert answers(history, as_of=instant) == answers(history, as_of=seq)
    assert history.get("/meters/calls/usage", as_of=instant).headers["X-Fluxrate-As-Of"] == str(seq)
    assert history.get("/meters/calls/events", as_of=instant, **WINDOW).json["meta"]["as_of"] == seq


def test_an_instant_without_offset_is_in_the_zone(history):
    """Like the dates of the window, a clock time of `as_of` is that of `timezone`."""
    query = {"as_of": "2025-05-01T14:01:30", "timezone": "Europe/Berlin"}
    assert exact(history.get("/meters/calls/usage", **query, **WINDOW))["total_usage"] == 11


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("6", "at most 5"), ("999999999999999999", "at most 5"), ("9999999999999999999", "such as 1024"),
        ("2999-01-01T00:00:00Z", "not later than now"), ("2025-05-01", "such as 1024"), ("-1", "such as 1024"),
        ("1.5", "such as 1024"), ("now", "such as 1024"), ("2025-05-01T25:00:00Z", "such as 1024"),
        ("٥", "such as 1024"),
        (" 5", "such as 1024"), ("0x5", "such as 1024"), ("5\n", "such as 1024"),
    ],
)  # fmt: skip
def test_what_is_neither_is_refused(history, sent, said):
    """A sequence or an instant of the future, a date, or anything else: 422, since the answer could still change."""
    for path in ("/meters/calls/usage", "/meters/calls/stats", "/meters/calls/events", "/usage", "/customers/c0/usage"):
        assert list(problem(history.get(path, as_of=sent), 422, "as_of", said)["errors"]) == ["as_of"]


def test_another_processs_sequence_is_known_at_once(make_app):
    """As of a sequence that another process has just acknowledged is answered without waiting for the next refresh."""
    writer, reader = Api(make_app()), Api(make_app())
    writer.meter()
    assert exact(reader.get("/meters/calls/usage"))["total_usage"] == 0
    writer.track(quantity="3")
    assert exact(reader.get("/meters/calls/usage", as_of=1))["total_usage"] == 3


def test_the_log_page_takes_an_instant_too(history):
    """The Usage Logs read `as_of` as the API does: a shared link may name the moment."""
    from fluxrate.core import accounts

    parts = parts_of(history.app)
    accounts.create_user(parts.store, "ada@example.com", "correct horse battery", parts.clock())
    browser = history.app.test_client()
    browser.post("/sign-in", data={"email": "ada@example.com", "password": "correct horse battery"})
    query = WINDOW | {"as_of": "2025-05-01T12:01:30Z"}
    page = browser.get("/logs", query_string=query)
    assert page.status_code == 200
    assert page.text.count("<tr data-row") == 2
    assert browser.get("/logs", query_string=WINDOW | {"as_of": "2999-01-01T00:00:00Z"}).status_code == 422


def test_without_a_way_to_sequences_a_query_reads_sequences_only():
    """`Query.parse` takes an instant only where it is told how to find the sequence of one."""
    now = int(START.timestamp() * 1e6)
    assert Query.parse({"as_of": "7"}, now=now).as_of == 7
    assert (
        Query.parse({"as_of": "2025-04-30T00:00:00Z"}, now=now, seq_at=lambda instant: instant // 10**9).as_of
        == 1745971
    )
    with pytest.raises(Malformed, match="as_of"):
        Query.parse({"as_of": "2025-04-30T00:00:00Z"}, now=now)
