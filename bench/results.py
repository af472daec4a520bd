"""What a run measured, as plain records, kept as JSON beside the environment so that a report can be written again.

Times are seconds, memory bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timed:
    """The median of `runs`, and the first time, which is among them only where it was the only one."""

    median: float
    first: float
    runs: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Fresh events: stored durably where the contender stores, and then seen by questions."""

    stored: float
    seen: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, beyond what it held before the columns: resident, and what the columns say of themselves."""

    resident: int
    columns: int


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a process on an instance: columns ready, the first answer, and after one of each question."""

    loaded: float
    answered: float
    asked_all: float
    ready: Memory
    full: Memory


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance's life: filling its store, a start that reads the store, and one from the saved columns."""

    store: str
    metadata: bool
    events: int
    filled: float
    from_store: Start
    from_saved: Start


@dataclass(frozen=True, slots=True)
class Asked:
    """One contender at one size: medians by the name of the question, and of those asked again after fresh events."""

    name: str
    version: str
    loaded: float
    times: dict[str, Timed]
    arrival: Arrival | None = None
    after: dict[str, Timed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """Everything about one number of events; `asked` begins with Fluxrate."""

    events: int
    customers: int
    stores: list[Stored]
    asked: list[Asked]


@dataclass(frozen=True, slots=True)
class Served:
    """One server process under load: answers a second, and milliseconds to the median and the 99th percentile."""

    name: str
    rate: float
    middle: float
    slow: float


@dataclass(frozen=True, slots=True)
class Http:
    """The servers that were compared, the number of events behind them, and what asked them."""

    events: int
    client: str
    connections: int
    served: list[Served]


@dataclass(frozen=True, slots=True)
class Run:
    """One run; `machine` and `versions` are lines to print."""

    date: str
    machine: str
    versions: str
    sizes: list[Size]
    http: Http | None
    left_out: list[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """What one store took in: batches and single events over HTTP, and rows of a file; milliseconds to the median and
    the 99th percentile.
    """

    store: str
    batched: float
    batch_middle: float
    batch_slow: float
    singles: float
    single_middle: float
    single_slow: float
    imported: float


@dataclass(frozen=True, slots=True)
class Intake:
    """One run of `bench.intake`: events of a batch, connections of single events, rows of the file."""

    batch: int
    connections: int
    rows: int
    sent: list[Sent]


@dataclass(frozen=True, slots=True)
class AskedRevenue:
    """One question about billing records on one store: seconds of an asking, and of one that is the first after a
    subscription has changed.
    """

    store: str
    text: str
    mean: float
    changed: float


@dataclass(frozen=True, slots=True)
class Imported:
    """Rows of files of billing records a second on one store; `again` those of invoices that are there already."""

    store: str
    subscriptions: float
    invoices: float
    again: float


@dataclass(frozen=True, slots=True)
class Revenue:
    """One run of `bench.revenue`: how many records of each there were, every question on every store, and imports."""

    subscriptions: int
    invoices: int
    asked: list[AskedRevenue]
    imported: list[Imported] = field(default_factory=list)
