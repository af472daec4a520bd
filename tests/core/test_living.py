"""Columns under work: several threads append, read and fold at once, and every answer is right for its sequence."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

from fluxrate.core.calendar import Window
from fluxrate.core.columns import snapshot
from fluxrate.core.model import Meter, NewEvent
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import make_meter, open_instance

SECONDS = float(os.environ.get("FLUXRATE_TEST_LIVING_SECONDS", "5"))
DAY = 86_400_000_000
LARGE = 1 << 58


class Book:
    """What was acknowledged, by sequence: the plain list that answers are compared with."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events: list[tuple[int, int, int, str]] = []

    def expected(self, window: Window, as_of: int, customer: str | None) -> tuple[int, int, int]:
        """Sum, number of events and number of customers."""
        with self.lock:
            events = list(self.events)
        mine = [
            (quantity, who)
            for seq, ts, quantity, who in events
            if seq <= as_of and window.start <= ts < window.end and customer in (None, who)
        ]
        return sum(quantity for quantity, _ in mine), len(mine), len({who for _, who in mine})


def write(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Append a batch of events of any age, and put down what was acknowledged in the order of sequences."""
    rng = random.Random(seed)
    batch = [
        NewEvent(meter.pk, None, f"c{rng.randrange(40)}", rng.randrange(30 * DAY), rng.randrange(1, LARGE), None, None)
        for _ in range(rng.randrange(1, 60))
    ]
    with book.lock:
        # Held over the append: whoever compares sees all of a batch or nothing of it.
        for event, stored in zip(batch, parts.ingest.store(batch), strict=True):
            book.events.append((stored.event.seq, event.timestamp, event.quantity, event.customer_external_id))


def read(parts: Services, meter: Meter, book: Book, seed: int) -> None:
    """Ask about a window, now or as of an earlier sequence, of all customers or one, and compare."""
    rng = random.Random(seed)
    start = rng.randrange(29 * DAY)
    window = Window(start, rng.randrange(start + 1, 30 * DAY), "UTC")
    newest = parts.engine.as_of()
    as_of = rng.choice([newest, newest, rng.randrange(newest + 1)])
    customer = rng.choice([None, None, f"c{rng.randrange(40)}"])
    if customer is not None and parts.store.customers.by_external_id(customer) is None:
        return
    query = Query(window, "day", customers=(customer,) if customer else (), as_of=as_of)
    usage = parts.engine.usage(meter, query)
    assert (usage.total, usage.event_count, usage.unique_customers) == book.expected(window, as_of, customer)
    assert sum(bucket.event_count for bucket in usage.buckets) == usage.event_count
    assert sum(bucket.usage or 0 for bucket in usage.buckets) == usage.total


def test_every_answer_is_right_while_events_arrive_and_tails_are_folded(tmp_path, monkeypatch) -> None:
    """Whatever a reader holds: a tail, a base, or one that has just been folded; sums far beyond 64 bits included."""
    monkeypatch.setattr(snapshot, "SMALL", 0)
    monkeypatch.setattr(snapshot, "_WORTH_FOLDING", 50)
    parts = open_instance(tmp_path / "instance")
    meter = make_meter(parts, "calls", "SUM", decimals=0)
    book, failures, done = Book(), list[BaseException](), list[str]()
    end = time.monotonic() + SECONDS

    def repeat(work: Callable[[int], None], name: str) -> None:
        seed = 0
        try:
            while time.monotonic() < end and not failures:
                seed += 1
                work(seed)
                done.append(name)
        except BaseException as failure:  # noqa: BLE001 (raised again by the test)
            failures.append(failure)

    works: list[tuple[Callable[[int], None], str]] = [
        (lambda seed: write(parts, meter, book, seed), "write"),
        (lambda seed: write(parts, meter, book, -seed), "write"),
        (lambda seed: read(parts, meter, book, seed), "read"),
        (lambda seed: read(parts, meter, book, -seed), "read"),
        (lambda seed: parts.live.fold(), "fold"),
        (lambda seed: (parts.live.refresh(), time.sleep(0.01))[0] and None, "refresh"),
    ]
    threads = [threading.Thread(target=repeat, args=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parts.store.close()
    if failures:
        raise failures[0]
    assert min(done.count(name) for name in ("write", "read", "fold")) > 10
    assert len(parts.live.current().snapshot(meter.pk).base) > 100
