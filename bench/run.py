"""One size of the benchmark from end to end: stores filled, Fluxrate asked, then one contender after another.

They take turns, so that none holds memory or threads while another is asked.
"""

from __future__ import annotations

import gc
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.arrays import in_memory
from bench.contenders import Contender
from bench.contenders.chdb import ChDB
from bench.contenders.duckdb import DuckDB
from bench.contenders.pandas import Pandas
from bench.contenders.polars import Polars
from bench.contenders.postgresql import PostgreSQL
from bench.contenders.scan import Scan
from bench.contenders.sqlite import SQLite
from bench.events import Events, customers_of, fresh, year
from bench.ours import METER, Ours, fill, open_instance
from bench.questions import Kind, Question, questions
from bench.results import Arrival, Asked, Size, Stored
from bench.start import started
from bench.timing import Expected, ask, learn, timed
from tests.postgresql import Server

STORED_MOST = 20_000_000
"""Beyond this the events are put into the columns without a store, and only the fastest contenders take part."""
SERVER_MOST = 2_000_000
"""Up to this a second instance is filled on PostgreSQL."""
AFTER = ("days-30-each", "hours")
"""What contenders are asked again after fresh events."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its files, the PostgreSQL server if there is one, and how it says what it is doing."""

    scratch: Path
    server: Server | None
    say: Callable[[str], None]

    @property
    def instance(self) -> Path:
        """The folder of the instance that is asked."""
        return self.scratch / "instance"


def run_size(size: int, place: Place) -> Size:
    """Everything about this many events; raises Different when two answers differ."""
    place.say(f"{size:,} events:")
    turn = _Turn(place, year(size), customers_of(size))
    stores = list(turn.stores()) if turn.stored else []
    asked = [turn.ours(), *map(turn.theirs, turn.contenders())]
    gc.unfreeze()
    return Size(size, turn.customers, stores, asked)


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """One size: the events, and Fluxrate's answers before and after fresh ones."""

    place: Place
    events: Events
    customers: int
    expected: Expected = field(default_factory=dict)
    afterwards: Expected = field(default_factory=dict)

    @property
    def stored(self) -> bool:
        """Whether Fluxrate has a store."""
        return len(self.events) <= STORED_MOST

    def questions(self) -> list[Question]:
        """What everyone is asked."""
        return [one for one in questions(len(self.events)) if self.stored or one.kind is not Kind.LOG]

    def stores(self) -> Iterator[Stored]:
        """Instances without metadata, and last the one that is asked, which has it."""
        for metadata in (False, True):
            if self.place.server and len(self.events) <= SERVER_MOST:
                yield self._store(self.place.server.database(), metadata=metadata)
            yield self._store("", metadata=metadata)

    def _store(self, url: str, *, metadata: bool) -> Stored:
        store = "PostgreSQL" if url else "SQLite"
        self.place.say(f"  Fluxrate's store on {store}, {'with' if metadata else 'without'} metadata")
        folder = self.place.instance
        shutil.rmtree(folder, ignore_errors=True)
        parts = open_instance(folder, url)
        spent, _ = timed(lambda: fill(parts, self.events, self.customers, metadata=metadata))
        parts.store.close()
        first, second = (started(folder, url, len(self.events), metadata=metadata) for _ in range(2))
        return Stored(store, metadata, len(self.events), spent, first, second)

    def ours(self) -> Asked:
        """Fluxrate's times; its answers are kept."""
        self.place.say("  Fluxrate")
        spent, ours = timed(self._open)
        times = {question.name: learn(ours, question, self.expected) for question in self.questions()}
        # The answers that are kept would otherwise be walked through in every collection, within times too.
        gc.freeze()
        arrival, after = None, {}
        if self.stored:
            arrival = _arrival(ours, self.events)
            after = {question.name: learn(ours, question, self.afterwards) for question in self.questions()}
        ours.close()
        gc.freeze()
        return Asked(ours.name, ours.version, spent, times, arrival, after)

    def _open(self) -> Ours:
        if not self.stored:
            return in_memory(self.place.scratch / "columns", self.events, self.customers)
        parts = open_instance(self.place.instance)
        parts.live.load()
        meter = parts.store.meters.find(METER)
        assert meter is not None
        return Ours(parts, meter)

    def contenders(self) -> Iterator[Callable[[], Contender]]:
        """How each is made, in the order of the report."""
        events, scratch, server = self.events, self.place.scratch, self.place.server
        yield lambda: DuckDB(events)
        yield lambda: Polars(events)
        yield lambda: ChDB(events, scratch / f"chdb-{len(events)}")
        yield lambda: Scan(events)
        if self.stored:
            yield lambda: Pandas(events)
            yield lambda: SQLite(events, scratch / f"sqlite-{len(events)}.db")
        if self.stored and server:
            yield lambda: PostgreSQL(events, server)

    def theirs(self, make: Callable[[], Contender]) -> Asked:
        """A contender's times, every answer checked."""
        spent, contender = timed(make)
        self.place.say(f"  {contender.name} {contender.version}")
        times = {question.name: ask(contender, question, self.expected) for question in self.questions()}
        arrival, after = None, {}
        if self.stored:
            taken = [timed(partial(contender.add, batch))[0] for batch in fresh(len(self.events))]
            arrival = Arrival(statistics.median(taken), 0.0)
            again = (question for question in self.questions() if question.name in AFTER)
            after = {question.name: ask(contender, question, self.afterwards) for question in again}
        contender.close()
        return Asked(contender.name, contender.version, spent, times, arrival, after)


def _arrival(ours: Ours, events: Events) -> Arrival:
    stored, seen = [], []
    for batch in fresh(len(events)):
        stored.append(timed(partial(ours.store, batch))[0])
        seen.append(timed(ours.parts.live.current)[0])
    return Arrival(statistics.median(stored), statistics.median(seen))
