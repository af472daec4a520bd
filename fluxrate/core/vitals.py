"""How a running process does, counted since it started: what came in, what was asked, how its jobs went.

For operators: `/metrics` and the health page read it. Counting is safe from any thread and costs a microsecond; what
`read` gives is a copy. Nothing here says how much anybody used: no quantity, no customer, no key.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fluxrate.core.errors import FluxrateError

LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds, inclusive, of the classes that requests are counted in; a last one has no bound."""

LEFT_OUT = "left_out"
"""The reason of events that were right, but part of an atomic batch that was refused."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the events that were sent. A conflict is a duplicate that says something else than its first;
    `rejected` counts by reason, such as "malformed" or "not_found".
    """

    accepted: int
    duplicates: int
    conflicts: int
    rejected: Mapping[str, int]


class Intake:
    """Counts events as they come in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted = self._duplicates = self._conflicts = 0
        self._rejected: Counter[str] = Counter()

    def stored(self, accepted: int, duplicates: int) -> None:
        """So many were stored, and so many had been already."""
        with self._lock:
            self._accepted += accepted
            self._duplicates += duplicates

    def judged(self, conflicts: int, rejected: Mapping[str, int]) -> None:
        """So many of the duplicates were conflicts, and so many events were rejected, by reason (see `reason_of`)."""
        with self._lock:
            self._conflicts += conflicts
            self._rejected.update(rejected)

    def read(self) -> Taken:
        """All until now."""
        with self._lock:
            return Taken(self._accepted, self._duplicates, self._conflicts, dict(sorted(self._rejected.items())))


def reason_of(error: FluxrateError) -> str:
    """The kind of a refusal in one word: the name of its class, "rule_broken" for RuleBroken."""
    name = type(error).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class Messages:
    """Counts messages of billers by what became of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, source: str, outcome: str) -> None:
        """One came from this biller. The caller sees to it that both are few."""
        with self._lock:
            self._counts[source, outcome] += 1

    def read(self) -> dict[tuple[str, str], int]:
        """All until now."""
        with self._lock:
            return dict(sorted(self._counts.items()))


@dataclass(frozen=True, slots=True)
class Route:
    """Requests of one route (its rule, never a path; empty where none matched) by one method: how many by status, in
    which class of LATENCIES, and how many seconds in all.
    """

    rule: str
    method: str
    statuses: Mapping[int, int]
    latencies: tuple[int, ...]
    seconds: float


class Requests:
    """Counts HTTP requests by route."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routes: dict[tuple[str, str], _Asked] = {}

    def note(self, rule: str, method: str, status: int, seconds: float) -> None:
        """One request was answered. The caller sees to it that rules and methods are few."""
        place = bisect_left(LATENCIES, seconds)
        with self._lock:
            asked = self._routes.get((rule, method))
            if asked is None:
                asked = self._routes[rule, method] = _Asked()
            asked.statuses[status] = asked.statuses.get(status, 0) + 1
            asked.latencies[place] += 1
            asked.seconds += seconds

    def read(self) -> tuple[Route, ...]:
        """Every route that was asked for, by rule and method."""
        with self._lock:
            return tuple(
                Route(rule, method, dict(sorted(asked.statuses.items())), tuple(asked.latencies), asked.seconds)
                for (rule, method), asked in sorted(self._routes.items())
            )


class _Asked:
    __slots__ = ("latencies", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.latencies = [0] * (len(LATENCIES) + 1)
        self.seconds = 0.0


@dataclass(frozen=True, slots=True)
class JobRecord:
    """How one job did. Instants are UTC microseconds, None where there was none; durations are seconds.

    `began` is set while a run is under way. `error` says in a sentence what the last failure was.
    """

    name: str
    runs: int = 0
    failures: int = 0
    seconds: float = 0.0
    last_seconds: float | None = None
    last_success: int | None = None
    last_failure: int | None = None
    error: str | None = None
    began: int | None = None


class Jobs:
    """Keeps how the jobs of one process did; one run of a job at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, JobRecord] = {}

    def begin(self, name: str, now: int) -> None:
        """A run began."""
        with self._lock:
            self._records[name] = replace(self._records.get(name, JobRecord(name)), began=now)

    def end(self, name: str, now: int, seconds: float, error: Exception | None = None) -> None:
        """The run ended, with an error or without."""
        with self._lock:
            old = self._records.get(name, JobRecord(name))
            ended = replace(old, began=None, runs=old.runs + 1, seconds=old.seconds + seconds, last_seconds=seconds)
            if error is None:
                ended = replace(ended, last_success=now)
            else:
                ended = replace(ended, failures=old.failures + 1, last_failure=now, error=_sentence(error))
            self._records[name] = ended

    def read(self) -> dict[str, JobRecord]:
        """Every job that has begun a run, by name."""
        with self._lock:
            return dict(self._records)


def _sentence(error: Exception) -> str:
    # What was not foreseen may hold anything, a password as well: it stands in the log and nowhere else.
    return error.detail if isinstance(error, FluxrateError) else f"{type(error).__name__}; the log says more."


@dataclass(frozen=True, slots=True)
class Vitals:
    """All counters of one process; `started` is when it did, in UTC microseconds."""

    started: int
    intake: Intake
    requests: Requests
    jobs: Jobs
    messages: Messages

    @classmethod
    def new(cls, now: int) -> Vitals:
        """All at nothing."""
        return cls(now, Intake(), Requests(), Jobs(), Messages())
