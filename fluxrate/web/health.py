"""How the server does, for whoever looks after it: what is wrong first, then the store, the columns, the jobs, and
what came in since the process started. The same figures stand in `/metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, render_template, request

from fluxrate.core.errors import FluxrateError, Malformed
from fluxrate.core.model import Meter
from fluxrate.core.residency import MeterResidency, Residency
from fluxrate.core.services import Services
from fluxrate.core.vitals import JobRecord
from fluxrate.core.zones import check_zone
from fluxrate.http.auth import page_access
from fluxrate.plugin import services
from fluxrate.web import fragments

STORES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
LATE_RUNS = 3
"""A job is late when it has ended no run for this many of its intervals, and a minute."""

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND


@dataclass(frozen=True, slots=True)
class StoreState:
    """What the store is, and whether it answered just now and has its migrations."""

    name: str
    reachable: bool
    migrated: bool


@dataclass(frozen=True, slots=True)
class MeterRow:
    """One meter's columns."""

    meter: Meter
    columns: MeterResidency


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, how often it runs (in seconds), how it did, and when it last ended a run (UTC microseconds)."""

    name: str
    every: float
    record: JobRecord
    late: bool

    @property
    def last(self) -> int | None:
        """The end of the last run, however that went."""
        return max(filter(None, (self.record.last_success, self.record.last_failure)), default=None)

    @property
    def failed(self) -> bool:
        """Whether the last run failed."""
        return (self.record.last_failure or 0) > (self.record.last_success or 0)


@page_access
def page() -> Response:
    """`GET /settings/health`."""
    parts, now = services(), services().clock()
    store, columns, jobs = _store(parts), parts.live.residency(), _jobs(parts, now)
    html = render_template(
        "health.html",
        worries=_worries(store, jobs),
        store=store,
        columns=columns,
        meters=_meters(parts, columns),
        jobs=jobs,
        taken=parts.vitals.intake.read(),
        started=parts.vitals.started,
        now=now,
        zone=_zone(request.args),
    )
    return fragments.answer(html)


def _store(parts: Services) -> StoreState:
    name = STORES.get(parts.store.dialect, parts.store.dialect)
    try:
        parts.store.ping()
        return StoreState(name, reachable=True, migrated=not parts.store.pending())
    except FluxrateError:
        return StoreState(name, reachable=False, migrated=False)


def _meters(parts: Services, columns: Residency) -> list[MeterRow]:
    """Meters by name, those without an event too."""
    found = {meter.meter_pk: meter for meter in columns.meters}
    nothing = MeterResidency(0, events=0, tail_events=0, heap_bytes=0, mapped_bytes=0, resident=True)
    return [MeterRow(meter, found.get(meter.pk, nothing)) for meter in parts.catalog.meters()]


def _jobs(parts: Services, now: int) -> list[JobRow]:
    records = parts.vitals.jobs.read()
    rows = []
    for name, job in parts.registry.jobs.all.items():
        every, record = job.seconds(parts.settings), records.get(name, JobRecord(name))
        last = max(record.last_success or 0, record.last_failure or 0, parts.vitals.started)
        rows.append(JobRow(name, every, record, late=now - last > LATE_RUNS * every * _SECOND + _MINUTE))
    return rows


def _worries(store: StoreState, jobs: list[JobRow]) -> list[str]:
    """What somebody has to look after, a sentence each."""
    worries = []
    if not store.reachable:
        worries.append(f"{store.name} does not answer: nothing can be written or looked up until it does.")
    elif not store.migrated:
        worries.append("The store waits for its migrations; run: fluxrate migrate.")
    for job in jobs:
        if job.failed:
            worries.append(f"The job {job.name} failed at its last run: {job.record.error}")
        elif job.late:
            worries.append(f"The job {job.name} has ended no run for longer than it should take.")
    return worries


def _zone(args: Mapping[str, str]) -> str:
    try:
        return check_zone(args.get("timezone") or "UTC")
    except Malformed:
        return "UTC"
