"""Columns under work: several threads append, void, read, fold and save at once, and every answer is right for its
sequence.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from fluxrate.core.calendar import Window
from fluxrate.core.columns import snapshot
from fluxrate.core.model import COMMAND_LINE, Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests import reference
from tests.instances import folder, make_meter, new, open_instance, reopened, send
from tests.reference import DAY

SECONDS = float(os.environ.get("FLUXRATE_TEST_LIVING_SECONDS", "5"))
LARGE = 1 << 58
CUSTOMERS = [f"c{number}" for number in range(40)]
USERS = [f"u{number}" for number in range(30)]
LIMIT = 5
PAGE = 20

Events = list[reference.Event]


class Book:
    """What was acknowledged: the plain list that answers are compared with."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events: Events = []
        self.died: dict[int, int] = {}
        """By the sequence of a voided event that of its void."""

    def listed(self, query: Query, as_of: int) -> tuple[Events, dict[int, int]]:
        """The events of the question, voided ones too, and the voids, both as they were."""
        with self.lock:
            events, died = list(self.events), dict(self.died)
        window, customers = query.window, query.customers
        mine = [
            event
            for event in events
            if event.seq <= as_of
            and window.start <= event.ts < window.end
            and (not customers or event.customer in customers)
        ]
        return mine, {seq: void for seq, void in died.items() if void <= as_of}

    def counting(self, query: Query, as_of: int) -> Events:
        """The events of the question that count."""
        events, died = self.listed(query, as_of)
        return [event for event in events if event.seq not in died]


def write(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Append a batch of events of any age, and put down what was acknowledged."""
    rng = random.Random(seed)
    batch = []
    for _ in range(rng.randrange(1, 60)):
        user = rng.choice([None, {"user_id": rng.choice(USERS)}])
        # Of equal times and quantities there are many.
        quantity, ts = rng.choice([1, 2, rng.randrange(1, LARGE)]), rng.choice([3 * DAY, rng.randrange(30 * DAY)])
        batch.append(new(meter, ts, quantity, rng.choice(CUSTOMERS), metadata=user))
    with book.lock:
        # Held over the append: whoever compares sees all of a batch or nothing of it.
        book.events += send(parts, batch, [meter])


def void(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Void some events of any age, most of them young."""
    rng = random.Random(seed)
    for _ in range(rng.randrange(1, 8)):
        with book.lock:
            event = rng.choice(book.events[-500:] if rng.random() < 0.7 else book.events)
            stored = parts.store.events.get(event.seq)
            if event.seq not in book.died and stored is not None:
                found = parts.ingest.void(stored.id, "a test", COMMAND_LINE).void
                assert found is not None
                book.died[event.seq] = found.seq
    time.sleep(0.01)


def question(parts: Services, rng: random.Random) -> Query:
    """A window, now or as of an earlier sequence, of all customers or one."""
    start = rng.randrange(29 * DAY)
    newest = parts.engine.as_of()
    return Query(
        Window(start, rng.randrange(start + 1, 30 * DAY), "UTC"),
        "day",
        customers=rng.choice([(), (), (rng.choice(CUSTOMERS),)]),
        as_of=rng.choice([None, newest, rng.randrange(newest + 1), max(0, newest - rng.randrange(200))]),
        unique=True,
    )


def days(events: Events, metric: str) -> dict[int, tuple[object, int, int]]:
    """Figure, events and customers of every day that has events."""
    found: dict[int, Events] = defaultdict(list)
    for event in events:
        found[event.ts // DAY].append(event)
    return {day: figures(mine, metric) for day, mine in found.items()}


def figures(events: Events, metric: str) -> tuple[object, int, int]:
    return reference.figure(metric, events, 0), len(events), reference.unique_customers(events)


def read_days(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Compare the whole and every day."""
    rng = random.Random(seed)
    query, metric = question(parts, rng), rng.choice(["SUM", "SUM", "MAX", "UNIQUE_COUNT"])
    usage = parts.engine.usage(meter, query, parts.registry.metrics.get(metric))
    events = book.counting(query, usage.as_of)
    assert (usage.total, usage.event_count, usage.unique_customers) == figures(events, metric)
    found = {b.start // DAY: (b.usage, b.event_count, b.unique_customers) for b in usage.buckets if b.event_count}
    assert found == days(events, metric)


def read_groups(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Compare a breakdown: which groups are the largest, every day of each, and the rest."""
    rng = random.Random(seed)
    dimension = rng.choice(["customer", "customer", "meta.user_id"])
    query = replace(question(parts, rng), breakdown=(dimension,), limit=LIMIT)
    metric = rng.choice(["SUM", "MAX", "UNIQUE_COUNT"])
    usage = parts.engine.usage(meter, query, parts.registry.metrics.get(metric))
    by_key: dict[str | None, Events] = defaultdict(list)
    for event in book.counting(query, usage.as_of):
        by_key[event.customer if dimension == "customer" else event.meta.get("user_id")].append(event)
    names: list[str | None] = [*(CUSTOMERS if dimension == "customer" else sorted(USERS)), None]

    def place(key: str | None) -> tuple[Fraction, int]:
        return -Fraction(reference.figure(metric, by_key[key], 0) or 0), names.index(key)

    order = sorted(by_key, key=place)
    expected = [((key,), by_key[key]) for key in order[:LIMIT]]
    rest = [event for key in order[LIMIT:] for event in by_key[key]]
    assert usage.breakdown is not None
    told = [(None if group.key is None else (group.key[0][1],), group) for group in usage.breakdown]
    assert [key for key, _ in told] == [key for key, _ in expected] + [None] * bool(rest)
    for (_, group), mine in zip(told, [*(mine for _, mine in expected), *([rest] if rest else [])], strict=True):
        assert (group.usage, group.event_count, group.unique_customers) == figures(mine, metric)
        found = {b.start // DAY: (b.usage, b.event_count, b.unique_customers) for b in group.buckets if b.event_count}
        assert found == days(mine, metric)


def read_log(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Compare a page of the log, with its marks of what was voided, and the figure of all that match."""
    rng = random.Random(seed)
    query, order = question(parts, rng), rng.choice(["asc", "desc"])
    page = rng.randrange(1, 4)
    log = parts.engine.log([meter], query, page=page, page_size=PAGE, order=order, figure=True)
    events, died = book.listed(query, log.as_of)
    events.sort(key=lambda event: (event.ts, event.seq), reverse=order == "desc")
    assert log.total == len(events)
    assert log.usage == sum(event.quantity for event in events if event.seq not in died)
    expected = [
        (event.seq, Decimal(event.quantity), event.customer, died.get(event.seq))
        for event in events[(page - 1) * PAGE : page * PAGE]
    ]
    assert [
        (row.event.seq, Decimal(row.event.quantity), row.customer.external_id, row.void.seq if row.void else None)
        for row in log.rows
    ] == expected


READS = (read_days, read_groups, read_log)


def at_once(works: list[tuple[str, Callable[[int], None]]]) -> list[str]:
    """Repeat each work in a thread of its own until the time is over; the names of all that were done."""
    failures, done, end = list[BaseException](), list[str](), time.monotonic() + SECONDS

    def repeat(name: str, work: Callable[[int], None], first: int) -> None:
        seed = first
        try:
            while time.monotonic() < end and not failures:
                seed += 1
                work(seed)
                done.append(name)
        except BaseException as failure:  # noqa: BLE001 (raised again below)
            failures.append(failure)

    threads = [
        threading.Thread(target=repeat, args=(*work, number * 1_000_000_000)) for number, work in enumerate(works)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return done


def test_every_answer_is_right_while_events_and_voids_arrive_and_columns_are_folded_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a reader holds: a tail, a base, one that has just been folded, or one mapped from files; sums far beyond
    64 bits included.
    """
    monkeypatch.setattr(snapshot, "SMALL", 0)
    monkeypatch.setattr(snapshot, "_WORTH_FOLDING", 50)
    parts = open_instance(tmp_path / "instance")
    meter = make_meter(parts, "calls", "SUM", decimals=0)
    book = Book()
    book.events += send(parts, [new(meter, number, 1, name) for number, name in enumerate(CUSTOMERS)], [meter])

    def some(work: Callable[[Services, Meter, Book, int], None]) -> Callable[[int], None]:
        return lambda seed: work(parts, meter, book, seed)

    def refresh(seed: int) -> None:
        parts.live.refresh()
        time.sleep(0.01)

    def save(seed: int) -> None:
        parts.live.save(force=True)
        time.sleep(0.02)

    done = at_once(
        [
            ("write", some(write)),
            ("write", some(write)),
            ("void", some(void)),
            *((work.__name__, some(work)) for work in READS),
            ("fold", lambda seed: parts.live.fold()),
            ("refresh", refresh),
            ("save", save),
        ]
    )
    assert min(map(done.count, ("write", "void", "fold", "save", *(work.__name__ for work in READS)))) > 5
    assert len(parts.live.current().snapshot(meter.pk).base) > 100
    assert len(list(folder(parts).glob("at-*"))) <= 2
    again = reopened(parts)
    for work in READS:
        for seed in range(20):
            work(again, meter, book, seed)
    again.store.close()
