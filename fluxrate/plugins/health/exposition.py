"""What `/metrics` tells Prometheus: read from the running application when it is asked, nothing kept for it.

Label sets are bounded: routes by their rule, refusals by their kind, meters by name. Counts, bytes and seconds only;
nobody's quantities, no customer and no key. While the store is away, what can be told without it still is.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from fluxrate import __version__
from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Meter
from fluxrate.core.residency import Residency
from fluxrate.core.services import Services
from fluxrate.core.store.commits import Pressure
from fluxrate.core.vitals import LATENCIES

_MICROSECONDS = 1e6
_BOUNDS = (*map(str, LATENCIES), "+Inf")
_KINDS = ("heap", "mapped")


def exposition(parts: Services, accept: str) -> tuple[bytes, str]:
    """The document and its content type, in the format that `accept` (a header) prefers."""
    # A registry of its own for each question: the library's global one would be shared by all applications.
    registry = CollectorRegistry()
    for collector in (ProcessCollector(registry=None), _Fluxrate(parts)):
        registry.register(collector if parts.worker is None else _OfWorker(collector, parts.worker))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _OfWorker(Collector):
    """What another collector tells, each with the number of the worker that answers: every process counts for itself,
    and without the label one counter would seem to jump between the counts of all.
    """

    def __init__(self, collector: Collector, worker: int) -> None:
        self._collector = collector
        self._label = {"worker": str(worker)}

    def describe(self) -> list[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the other."""
        for metric in self._collector.collect():
            metric.samples = [sample._replace(labels=sample.labels | self._label) for sample in metric.samples]
            yield metric


class _Fluxrate(Collector):
    def __init__(self, parts: Services) -> None:
        self._parts = parts

    def describe(self) -> list[Metric]:
        """Nothing beforehand: to know the names, the registry would ask for everything twice."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of the application."""
        yield _info(self._parts)
        yield from _requests(self._parts)
        yield from _events(self._parts)
        yield _messages(self._parts)
        yield from _commits(self._parts.store.events.pressure())
        yield from _jobs(self._parts)
        reachable, residency = _store_reachable(self._parts), self._parts.live.residency()
        yield GaugeMetricFamily("fluxrate_store_reachable", "Whether the store answered just now.", int(reachable))
        yield from _columns(residency)
        if reachable:
            yield from _meters(residency, self._parts.catalog.meters())


def _info(parts: Services) -> Metric:
    info = GaugeMetricFamily(
        "fluxrate_build_info", "Which version runs, on what; always 1.", labels=("version", "python", "store")
    )
    info.add_metric((__version__, platform.python_version(), parts.store.dialect), 1)
    return info


def _requests(parts: Services) -> Iterator[Metric]:
    counts = CounterMetricFamily("fluxrate_http_requests", "Requests answered.", labels=("route", "method", "status"))
    times = HistogramMetricFamily(
        "fluxrate_http_request_duration_seconds", "Time to make an answer.", labels=("route", "method")
    )
    for route in parts.vitals.requests.read():
        for status, count in route.statuses.items():
            counts.add_metric((route.rule, route.method, str(status)), count)
        classes = list(zip(_BOUNDS, accumulate(route.latencies), strict=True))
        times.add_metric((route.rule, route.method), buckets=classes, sum_value=route.seconds)
    yield counts
    yield times


def _events(parts: Services) -> Iterator[Metric]:
    taken = parts.vitals.intake.read()
    yield CounterMetricFamily("fluxrate_events_accepted", "Events stored by this process.", taken.accepted)
    yield CounterMetricFamily(
        "fluxrate_events_duplicates", "Events whose idempotency key was known already.", taken.duplicates
    )
    yield CounterMetricFamily(
        "fluxrate_events_conflicts", "Duplicates that said something else than the first.", taken.conflicts
    )
    rejected = CounterMetricFamily("fluxrate_events_rejected", "Events refused.", labels=("reason",))
    for reason, count in taken.rejected.items():
        rejected.add_metric((reason,), count)
    yield rejected


def _messages(parts: Services) -> Metric:
    told = CounterMetricFamily(
        "fluxrate_biller_messages", "Messages of billers by what became of them.", labels=("source", "outcome")
    )
    for labels, count in parts.vitals.messages.read().items():
        told.add_metric(labels, count)
    return told


def _commits(pressure: Pressure) -> Iterator[Metric]:
    yield GaugeMetricFamily("fluxrate_queue_events", "Events that wait to be written, or are.", pressure.queued)
    yield GaugeMetricFamily("fluxrate_queue_max_events", "The setting MAX_QUEUED_EVENTS.", pressure.most)
    yield CounterMetricFamily("fluxrate_queue_refused", "Batches refused because too much waited.", pressure.refused)
    yield CounterMetricFamily("fluxrate_commits", "Transactions with events that went well.", pressure.commits)
    yield CounterMetricFamily("fluxrate_commits_failed", "Transactions with events that failed.", pressure.failed)
    yield CounterMetricFamily("fluxrate_commit_seconds", "Time that all of these took.", pressure.seconds)
    yield CounterMetricFamily("fluxrate_commit_batches", "Batches, one event or many, in them.", pressure.batches)
    yield CounterMetricFamily("fluxrate_commit_events", "Events in them.", pressure.events)


def _jobs(parts: Services) -> Iterator[Metric]:
    runs = CounterMetricFamily("fluxrate_job_runs", "Runs that ended.", labels=("job", "result"))
    seconds = CounterMetricFamily("fluxrate_job_seconds", "Time that all runs took.", labels=("job",))
    last = GaugeMetricFamily("fluxrate_job_last_seconds", "Time that the last run took.", labels=("job",))
    success = GaugeMetricFamily(
        "fluxrate_job_last_success_timestamp_seconds", "When a run last ended well.", labels=("job",)
    )
    running = GaugeMetricFamily("fluxrate_job_running", "Whether a run is under way.", labels=("job",))
    for name, job in sorted(parts.vitals.jobs.read().items()):
        runs.add_metric((name, "success"), job.runs - job.failures)
        runs.add_metric((name, "failure"), job.failures)
        seconds.add_metric((name,), job.seconds)
        running.add_metric((name,), int(job.began is not None))
        if job.last_seconds is not None:
            last.add_metric((name,), job.last_seconds)
        if job.last_success is not None:
            success.add_metric((name,), job.last_success / _MICROSECONDS)
    yield from (runs, seconds, last, success, running)


def _store_reachable(parts: Services) -> bool:
    try:
        parts.store.ping()
    except FluxrateError:
        return False
    return True


def _columns(residency: Residency) -> Iterator[Metric]:
    size = GaugeMetricFamily(
        "fluxrate_columns_bytes",
        "Columns in memory: heap is this process's own, mapped is pages of files that processes share.",
        labels=("kind",),
    )
    for kind, count in zip(_KINDS, (residency.heap_bytes, residency.mapped_bytes), strict=True):
        size.add_metric((kind,), count)
    yield size
    yield GaugeMetricFamily(
        "fluxrate_columns_max_bytes", "The setting COLUMNS_MAX_BYTES; 0 is no limit.", residency.limit
    )
    yield GaugeMetricFamily("fluxrate_as_of", "The newest ingest sequence that answers cover.", residency.seq)


def _meters(residency: Residency, known: Sequence[Meter]) -> Iterator[Metric]:
    labels = ("meter_name",)
    events = GaugeMetricFamily("fluxrate_meter_events", "Events in the columns.", labels=labels)
    tail = GaugeMetricFamily("fluxrate_meter_tail_events", "Events that are not folded in yet.", labels=labels)
    resident = GaugeMetricFamily("fluxrate_meter_resident", "Whether the columns are in memory.", labels=labels)
    size = GaugeMetricFamily("fluxrate_meter_bytes", "Columns in memory by meter.", labels=(*labels, "kind"))
    names = {meter.pk: meter.meter_name for meter in known}
    for meter in residency.meters:
        # A meter that another process made a moment ago may have events before its name is known here.
        if (name := names.get(meter.meter_pk)) is not None:
            events.add_metric((name,), meter.events)
            tail.add_metric((name,), meter.tail_events)
            resident.add_metric((name,), int(meter.resident))
            for kind, count in zip(_KINDS, (meter.heap_bytes, meter.mapped_bytes), strict=True):
                size.add_metric((name, kind), count)
    yield from (events, tail, resident, size)
