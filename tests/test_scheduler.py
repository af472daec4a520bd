"""Background work: jobs run, survive their own failures and a clock set back, and take in what others wrote."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
import time_machine

from fluxrate import scheduler
from fluxrate.app import BUILT_IN
from fluxrate.core.services import Services
from fluxrate.plugin import Job, Plugin, services
from tests.callers import Api, exact, parts_of


class Counted:
    """A job that counts its runs, and fails at every second one if it is to."""

    def __init__(self, seconds: float = 0.05, *, fails: bool = False) -> None:
        self.runs = 0
        self.given: list[object] = []
        self._fails = fails
        self.plugin = Plugin("counted", jobs=(Job("counted.job", lambda settings: seconds, self.run),))

    def run(self, parts: Services) -> None:
        self.runs += 1
        self.given.append(parts)
        assert services() is parts
        if self._fails and self.runs % 2:
            raise ZeroDivisionError("of the job's own making")


@contextmanager
def running(app):
    stop = scheduler.start(app)
    try:
        yield
    finally:
        stop()


def within(seconds: float, condition) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_job_runs_again_and_again_with_the_services(make_app):
    """A job of any plugin runs at its interval, inside an application context, and is given the services."""
    job = Counted()
    app = make_app(plugins=(*BUILT_IN, job.plugin))
    with running(app):
        assert within(5, lambda: job.runs >= 5)
    assert set(map(id, job.given)) == {id(parts_of(app))}


def test_nothing_runs_after_it_was_stopped(make_app):
    """Stopping waits for the run that is under way, and no other comes; no thread is left."""
    job = Counted()
    app = make_app(plugins=(*BUILT_IN, job.plugin))
    before = set(threading.enumerate())
    with running(app):
        assert within(5, lambda: job.runs >= 2)
    runs = job.runs
    time.sleep(0.2)
    assert job.runs == runs
    assert within(3, lambda: {thread for thread in set(threading.enumerate()) - before if not thread.daemon} == set())


def test_a_failing_job_is_logged_and_runs_again(make_app, caplog):
    """What a job raises is logged under its name with the traceback, and its next run comes all the same."""
    job = Counted(fails=True)
    with running(make_app(plugins=(*BUILT_IN, job.plugin))):
        assert within(5, lambda: job.runs >= 4)
    assert "The job counted.job failed" in caplog.text
    assert "of the job's own making" in caplog.text


def test_a_slow_job_does_not_run_beside_itself_or_hold_up_others(make_app):
    """One run of a job at a time; the others keep their time meanwhile."""
    inside, most, release = [], [], threading.Event()

    def slow(parts: Services) -> None:
        inside.append(1)
        most.append(len(inside))
        release.wait(5)
        inside.pop()

    other = Counted()
    slow_plugin = Plugin("slow", jobs=(Job("slow.job", lambda settings: 0.05, slow),))
    with running(make_app(plugins=(*BUILT_IN, slow_plugin, other.plugin))):
        assert within(5, lambda: bool(most))
        runs = other.runs
        assert within(5, lambda: other.runs >= runs + 3)
        release.set()
    assert max(most) == 1


def test_what_another_process_wrote_is_seen_within_the_interval(make_app):
    """Another writer's event is in our answers after one refresh, without any write of ours."""
    settings = {"REFRESH_INTERVAL_MS": "100"}
    writer, reader = Api(make_app(**settings)), Api(make_app(**settings))
    writer.meter()
    assert exact(reader.get("/meters/calls/usage"))["total_usage"] == 0
    with running(reader.app):
        for number in range(1, 4):
            writer.track()
            assert within(2, lambda n=number: exact(reader.get("/meters/calls/usage"))["total_usage"] == n)


@pytest.mark.parametrize("scope", ["process", "folder", "store"])
def test_a_job_runs_in_as_many_processes_at_a_time_as_its_scope_says(make_app, scope):
    """Of two that share store and folder one runs it at a time, unless it is every process's own."""
    inside: list[int] = []
    most: list[int] = []

    def work(parts: Services) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()

    plugin = Plugin("shared", jobs=(Job("shared.job", lambda settings: 0.05, work, scope),))
    apps = [make_app(plugins=(*BUILT_IN, plugin)) for _ in range(2)]
    with running(apps[0]), running(apps[1]):
        assert within(10, lambda: len(most) > 20)
    assert (max(most) == 1) is (scope != "process")


def test_what_one_process_at_a_time_does(app):
    """The columns of a folder are saved, and sessions ended, by one process at a time."""
    jobs = parts_of(app).registry.jobs.all
    assert {name: job.scope for name, job in jobs.items() if job.scope != "process"} == {
        "columns.save": "folder",
        "sessions.purge": "store",
    }


def test_the_intervals_are_settings(app):
    """Refreshing and saving run at the intervals that the settings say."""
    jobs = parts_of(app).registry.jobs.all
    assert jobs["columns.refresh"].seconds({"REFRESH_INTERVAL_MS": 250}) == 0.25
    assert jobs["columns.save"].seconds({"SAVE_INTERVAL": 60}) == 60


def test_old_sessions_are_purged(app):
    """The purge ends sessions that are past their idle time or their days, and no others."""
    parts = parts_of(app)
    now = parts.clock()
    user = parts.store.users.create(email="a@b.c", password_hash="x", now=now)
    hour = 3_600_000_000
    for name, created, seen in ((b"fresh", 1, 1), (b"idle", 100, 73), (b"old", 24 * 30 + 1, 1)):
        parts.store.sessions.create(name, user.pk, now - created * hour)
        parts.store.sessions.touch(name, now - seen * hour)
    parts.registry.jobs.all["sessions.purge"].run(parts)
    assert [name for name in (b"fresh", b"idle", b"old") if parts.store.sessions.get(name)] == [b"fresh"]


@pytest.mark.parametrize("hours", [1, 24 * 400])
def test_a_clock_set_back_does_not_stop_the_jobs(make_app, monkeypatch, caplog, hours):
    """When the wall clock jumps back, jobs that were planned by it run on within seconds."""
    monkeypatch.setattr(scheduler, "_WATCH_SECONDS", 0.2)
    job = Counted()
    with running(make_app(plugins=(*BUILT_IN, job.plugin))):
        assert within(5, lambda: job.runs >= 2)
        with time_machine.travel(datetime.now().astimezone() - timedelta(hours=hours), tick=True):
            time.sleep(0.3)
            runs = job.runs
            assert within(5, lambda: job.runs >= runs + 5)
        runs = job.runs
        assert within(5, lambda: job.runs >= runs + 5)
    assert "The clock was set back by" in caplog.text


def test_a_clock_that_leaps_ahead_by_years_is_no_matter(make_app):
    """A machine that believes in 1970 until it has asked the network: jobs go on, and do not make up for the years."""
    job = Counted()
    app = make_app(plugins=(*BUILT_IN, job.plugin))
    with time_machine.travel(0, tick=True):
        stop = scheduler.start(app)
        assert within(5, lambda: job.runs >= 2)
    runs, started = job.runs, time.monotonic()
    assert within(5, lambda: job.runs >= runs + 5)
    assert job.runs <= runs + 5 + (time.monotonic() - started) / 0.05
    stop()


def test_other_processes_events_are_seen_with_the_clock_set_back(make_app, monkeypatch):
    """Freshness does not hang on the wall clock: set back an hour, another writer's events are still taken in."""
    monkeypatch.setattr(scheduler, "_WATCH_SECONDS", 0.2)
    settings = {"REFRESH_INTERVAL_MS": "50"}
    writer, reader = Api(make_app(**settings)), Api(make_app(**settings))
    writer.meter()
    window = {"start_date": "2020-01-01", "end_date": "2100-01-01"}
    with running(reader.app), time_machine.travel(datetime.now().astimezone() - timedelta(hours=1), tick=True):
        time.sleep(0.3)
        writer.track()
        assert within(5, lambda: exact(reader.get("/meters/calls/usage", **window))["total_usage"] == 1)
