"""The job table on APScheduler. Started by `serve` and wsgi.py after any fork, never by the factory.

APScheduler plans by the wall clock. When that is set back an hour, no job would run for an hour: a watchdog thread
compares the wall clock with the monotonic one, and plans every job anew when they part. When it leaps ahead,
APScheduler would list every time that was missed, and after a leap of years (a machine that starts in 1970 until it
has asked the network) run out of memory: the trigger here goes on from now.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from flask import Flask

from fluxrate.core.alone import alone
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION, Job

_LOG = logging.getLogger(__name__)
_WATCH_SECONDS = 2.0
_STEP_SECONDS = 1.0


def start(app: Flask) -> Callable[[], None]:
    """Run the application's jobs in the background; gives the function that stops them."""
    parts: Services = app.extensions[EXTENSION]
    # Its own logger says a line per run at INFO; only what goes wrong matters.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in parts.registry.jobs.all.values():
        scheduler.add_job(
            _edge(app, job),
            # A trigger object, not a name: names are looked up by entry point, which a frozen binary does not have.
            _trigger(job, job.seconds(parts.settings)),
            id=job.name,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    scheduler.start()
    stopped = threading.Event()
    threading.Thread(target=_watch, args=(scheduler, stopped), name="scheduler-watchdog", daemon=True).start()

    def stop() -> None:
        stopped.set()
        scheduler.shutdown(wait=True)

    return stop


class Every(BaseTrigger):
    """One interval after the last time, or from now where times were missed; the first time after `first`."""

    def __init__(self, interval: timedelta, first: timedelta | None = None) -> None:
        self._interval = interval
        self._first = interval if first is None else first

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The next time; `previous_fire_time` is None at the start."""
        if previous_fire_time is None:
            return now + self._first
        planned = previous_fire_time + self._interval
        return planned if planned > now else now + self._interval


def _trigger(job: Job, seconds: float) -> Every:
    interval = timedelta(seconds=seconds)
    # Processes that start together would come for a shared job at the same moments for ever, and one would always lose.
    return Every(interval, None if job.scope == "process" else interval * random.random())  # noqa: S311 (no secret)


def _edge(app: Flask, job: Job) -> Callable[[], None]:
    """The job inside its own error box: whatever it raises is logged and counted, and it runs again."""
    parts: Services = app.extensions[EXTENSION]

    def run() -> None:
        failed: Exception | None = None
        began = time.monotonic()
        parts.vitals.jobs.begin(job.name, parts.clock())
        try:
            with app.app_context(), _right(parts, job) as mine:
                if mine:
                    job.run(parts)
        except Exception as why:  # noqa: BLE001 (the job's own edge)
            _LOG.exception("The job %s failed; it runs again at its next time", job.name)
            failed = why
        parts.vitals.jobs.end(job.name, parts.clock(), time.monotonic() - began, failed)

    return run


def _right(parts: Services, job: Job) -> AbstractContextManager[bool]:
    """Whether this process is the one to run the job now, as its scope says."""
    if job.scope == "store":
        return parts.store.leases.held(job.name)
    if job.scope == "folder":
        return alone(parts.instance / f"{job.name}.lock")
    return nullcontext(True)


def _watch(scheduler: BackgroundScheduler, stopped: threading.Event) -> None:
    offset = time.time() - time.monotonic()
    while not stopped.wait(_WATCH_SECONDS):
        moved = time.time() - time.monotonic() - offset
        if moved < -_STEP_SECONDS:
            _LOG.warning("The clock was set back by %.0f s; all jobs are planned anew", -moved)
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC))
        offset += moved
