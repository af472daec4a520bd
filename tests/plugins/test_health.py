"""How jobs do is kept by the scheduler, for `/metrics` and the health page."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fluxrate.app import BUILT_IN
from fluxrate.core.errors import Unavailable
from fluxrate.plugin import Job, Plugin
from tests.callers import Api, parts_of
from tests.test_scheduler import running, within


def failing(parts) -> None:
    raise Unavailable("The ledger is away.")


@pytest.fixture
def app(make_app):
    jobs = (Job("good", lambda settings: 0.02, lambda parts: None), Job("bad", lambda settings: 0.02, failing))
    return make_app(plugins=(*BUILT_IN, Plugin("two", jobs=jobs)))


def test_the_scheduler_keeps_how_each_job_did(app):
    """Runs, failures with their reason, and times; one job that fails is no matter to the other."""
    jobs = parts_of(app).vitals.jobs
    with running(app):
        assert within(5, lambda: all(name in jobs.read() and jobs.read()[name].runs >= 3 for name in ("good", "bad")))
    good, bad = (jobs.read()[name] for name in ("good", "bad"))
    assert (good.failures, good.error, good.last_failure) == (0, None, None)
    assert (bad.failures, bad.error, bad.last_success) == (bad.runs, "The ledger is away.", None)
    assert 0 <= good.last_seconds <= good.seconds
    assert parts_of(app).vitals.started <= good.last_success <= parts_of(app).clock()
    assert good.began is bad.began is None


def test_prometheus_hears_of_them(app):
    """The same in `/metrics`, by job and result; a job that never succeeded has no time of success."""
    with running(app):
        jobs = parts_of(app).vitals.jobs
        assert within(5, lambda: {"good", "bad"} <= jobs.read().keys() and jobs.read()["bad"].runs > 0)
    api = Api(app)
    text = api.client.get("/metrics", headers={"X-API-Key": api.secret}).text
    found = {
        (sample.name, sample.labels.get("job"), sample.labels.get("result")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["fluxrate_job_runs_total", "bad", "failure"] == jobs.read()["bad"].runs
    assert found["fluxrate_job_runs_total", "good", "success"] == jobs.read()["good"].runs
    assert found["fluxrate_job_last_success_timestamp_seconds", "good", None] == jobs.read()["good"].last_success / 1e6
    assert ("fluxrate_job_last_success_timestamp_seconds", "bad", None) not in found
    assert found["fluxrate_job_running", "good", None] == 0
