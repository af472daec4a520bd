"""What the engine must reach, and whether a run reached it. A goal that the run did not measure is said to be open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.results import Asked, Run, Served, Size, Stored

PEERS = ("DuckDB", "Polars", "chDB")
"""Against the fastest of these the goals are set."""
GOAL_SIZE = 10_000_000
LARGE_SIZE = 100_000_000

_SMALL_GAIN = 10
_MB = 1e6

Figure = Callable[[Run], float | None]


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table: `bound` is the least (or with `most` the largest) figure that meets it."""

    text: str
    bound: float
    form: str
    figure: Figure
    most: bool = False

    def wanted(self) -> str:
        """The goal in words."""
        return f"at {'most' if self.most else 'least'} {self.form.format(self.bound)}"

    def met(self, found: float) -> bool:
        """Whether the figure is good enough."""
        return found <= self.bound if self.most else found >= self.bound


def goals() -> Iterator[Goal]:
    """All goals in the order of the table."""
    times = "{:,.3g} times"
    yield Goal("30 days by day, distinct customers of the window", 100, times, _gain("days-30"))
    yield Goal("30 days by day, distinct customers of each day", 100, times, _gain("days-30-each"))
    yield Goal("30 days by day, 100 M against 10 M events", 2, times, _growth("days-30"), most=True)
    yield Goal("the same with customers of each day", 2, times, _growth("days-30-each"), most=True)
    for name, text in _TENFOLD.items():
        yield Goal(text, _SMALL_GAIN, times, _gain(name))
    for name, (text, milliseconds) in _PAGES.items():
        yield Goal(text, milliseconds, "{:.3g} ms", _page(name), most=True)
    yield Goal("memory, without metadata, all indexes built", 48, "{:.1f} bytes an event", _bytes, most=True)
    yield Goal("start from the saved columns", 2, "{:.2f} s", _start, most=True)
    yield Goal("rows read from SQLite", 500_000, "{:,.0f} a second", _rows("SQLite"))
    yield Goal("rows read from PostgreSQL", 300_000, "{:,.0f} a second", _rows("PostgreSQL"))
    yield Goal("10,000 new events seen by questions", 50, "{:.3g} ms", _arrival, most=True)
    yield Goal("HTTP, against a bare Flask view", 0.5, times, _served("bare"))
    yield Goal("HTTP, against DuckDB behind the same view", 50, times, _served("DuckDB"))


_TENFOLD = {
    "hours": "year by hour, customers of the window",
    "hours-each": "year by hour, customers of each hour",
    "top": "top 10 customers of the year",
    "regions-30": "breakdown by region, 30 days by day",
    "regions": "breakdown by region, year by day",
    "endpoints": "breakdown by endpoint, top 10 and others",
    "region": "filter: one region of 8, year by day",
    "endpoint": "filter: one endpoint of 1,000, year by day",
    "max": "MAX, year by day",
    "unique": "UNIQUE_COUNT, year by day",
    "unique-year": "UNIQUE_COUNT, whole year",
}
_PAGES = {
    "log-customer": ("log by customer and dates, first page", 10),
    "log-deep": ("log by customer and dates, page 10,000", 10),
    "log-quantity": ("log by minimum quantity and dates, first page", 25),
    "log-quantity-deep": ("log by minimum quantity and dates, page 100,000", 25),
    "log-both": ("log by customer, minimum quantity and dates", 25),
}


def size_of(run: Run, events: int) -> Size | None:
    """The run's part with this many events."""
    return next((size for size in run.sizes if size.events == events), None)


def best_peer(size: Size, name: str) -> float | None:
    """The fastest peer's median, seconds."""
    return min((asked.times[name].median for asked in _peers(size) if name in asked.times), default=None)


def _peers(size: Size) -> list[Asked]:
    return [asked for asked in size.asked if asked.name in PEERS]


def _ours(run: Run, events: int, name: str) -> float | None:
    size = size_of(run, events)
    found = size.asked[0].times.get(name) if size else None
    return found.median if found else None


def _gain(name: str) -> Figure:
    def figure(run: Run) -> float | None:
        ours, size = _ours(run, GOAL_SIZE, name), size_of(run, GOAL_SIZE)
        best = best_peer(size, name) if size else None
        return best / ours if best and ours else None

    return figure


def _growth(name: str) -> Figure:
    def figure(run: Run) -> float | None:
        small, large = _ours(run, GOAL_SIZE, name), _ours(run, LARGE_SIZE, name)
        return large / small if small and large else None

    return figure


def _page(name: str) -> Figure:
    def figure(run: Run) -> float | None:
        found = _ours(run, GOAL_SIZE, name)
        return found * 1_000 if found else None

    return figure


def _stored(run: Run, store: str, *, metadata: bool) -> Stored | None:
    """The largest instance of a kind."""
    kind = (one for size in run.sizes for one in size.stores if one.store == store and one.metadata is metadata)
    return max(kind, key=lambda one: one.events, default=None)


def _plain(run: Run) -> Stored | None:
    found = _stored(run, "SQLite", metadata=False)
    return found if found and found.events == GOAL_SIZE else None


def _bytes(run: Run) -> float | None:
    found = _plain(run)
    return found.from_saved.full.columns / found.events if found else None


def _start(run: Run) -> float | None:
    found = _plain(run)
    return found.from_saved.answered if found else None


def _rows(store: str) -> Figure:
    def figure(run: Run) -> float | None:
        found = _stored(run, store, metadata=False)
        return found.events / found.from_store.loaded if found else None

    return figure


def _arrival(run: Run) -> float | None:
    size = size_of(run, GOAL_SIZE)
    arrival = size.asked[0].arrival if size else None
    return arrival.seen * 1_000 if arrival else None


def _served(other: str) -> Figure:
    def figure(run: Run) -> float | None:
        if run.http is None or run.http.events != GOAL_SIZE:
            return None
        ours, *others = run.http.served
        found: Served = next(served for served in others if served.name.startswith(other))
        return ours.rate / found.rate

    return figure
