"""The counters of a process: nothing is lost between threads, and what is read is a copy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fluxrate.core.errors import Malformed, NotFound, RuleBroken, Unavailable
from fluxrate.core.vitals import LATENCIES, Intake, Jobs, Requests, Taken, reason_of
from tests.instances import NOW


def test_events_are_counted_from_many_threads():
    """Eight threads count at once, and all of it is there."""
    intake = Intake()

    def count(number: int) -> None:
        for _ in range(1_000):
            intake.stored(2, 1)
            intake.judged(1, {"malformed": 1, "not_found": number % 2})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert intake.read() == Taken(16_000, 8_000, 8_000, {"malformed": 8_000, "not_found": 4_000})


def test_a_reason_is_the_kind_of_the_refusal():
    """In one word, fit for a label: never the sentence, which repeats what strangers sent."""
    assert [reason_of(kind("x")) for kind in (Malformed, RuleBroken, NotFound)] == [
        "malformed",
        "rule_broken",
        "not_found",
    ]


def test_requests_are_counted_by_route_status_and_time():
    """A time that is exactly a bound belongs to that class; what is slower than all of them to the last."""
    requests = Requests()
    for seconds in (0.0, LATENCIES[0], LATENCIES[0] * 1.01, LATENCIES[-1] + 1):
        requests.note("/a/<b>", "GET", 200, seconds)
    requests.note("/a/<b>", "GET", 404, LATENCIES[3])
    requests.note("/a/<b>", "POST", 201, 0.0)
    get, post = requests.read()
    assert (get.rule, get.method, get.statuses) == ("/a/<b>", "GET", {200: 4, 404: 1})
    assert get.latencies == (2, 1, 0, 1, *[0] * (len(LATENCIES) - 4), 1)
    assert get.seconds == sum((LATENCIES[0], LATENCIES[0] * 1.01, LATENCIES[-1] + 1, LATENCIES[3]))
    assert (post.method, post.statuses, sum(post.latencies)) == ("POST", {201: 1}, 1)
    requests.note("/a/<b>", "GET", 200, 0.0)
    assert sum(get.latencies) == 5


def test_a_job_remembers_its_last_success_and_its_last_failure():
    """And that it is running, while it is."""
    jobs = Jobs()
    assert jobs.read() == {}
    jobs.begin("j", NOW)
    assert jobs.read()["j"].began == NOW
    jobs.end("j", NOW + 1, 0.5)
    jobs.begin("j", NOW + 2)
    jobs.end("j", NOW + 3, 0.25, Unavailable("The database is away."))
    found = jobs.read()["j"]
    assert (found.runs, found.failures, found.seconds, found.last_seconds) == (2, 1, 0.75, 0.25)
    assert (found.last_success, found.last_failure, found.began) == (NOW + 1, NOW + 3, None)
    assert found.error == "The database is away."


def test_what_was_not_foreseen_is_told_by_its_kind_alone():
    """An error of a library may hold a password; whoever reads the page need not see it."""
    jobs = Jobs()
    jobs.end("j", NOW, 0.1, ValueError("postgresql://me:secret@host"))
    assert jobs.read()["j"].error == "ValueError; the log says more."
