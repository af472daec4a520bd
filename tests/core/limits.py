"""A world of four meters for the tests of columns that are let go of, and how its answers are judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.residency import MeterResidency
from fluxrate.core.services import Services
from tests import reference
from tests.instances import make_meter, new, open_instance, send
from tests.reference import AGGREGATIONS, DAY

EVENTS = 2_000
WINDOW = Window(DAY // 3, 20 * DAY + DAY // 2, "UTC")
DIMENSIONS = ("customer", "meta.plan", "meta.user_id", "meta.region")


class World:
    """Four meters of one instance, and the plain lists of what they have."""

    def __init__(self, parts: Services) -> None:
        self.parts = parts
        self.meters = [make_meter(parts, f"m{number}", property_name="plan") for number in range(4)]
        self.events: dict[int, list[reference.Event]] = {meter.pk: [] for meter in self.meters}
        self.died: dict[int, int] = {}
        self.rng = random.Random(7)
        for meter in self.meters:
            self.send(meter, EVENTS)
            self.void(meter, 30)
        parts.live.refresh()

    def send(self, meter: Meter, count: int) -> None:
        """Events of any age."""
        rng = self.rng
        metas = [
            {"plan": rng.choice("abc"), "user_id": f"u{rng.randrange(20)}", "region": rng.choice("xyz")}
            for _ in range(count)
        ]
        batch = [
            new(meter, rng.randrange(21 * DAY), rng.randrange(1 << 60), f"c{rng.randrange(30)}", metadata=meta)
            for meta in metas
        ]
        self.events[meter.pk] += send(self.parts, batch, [meter])

    def void(self, meter: Meter, count: int) -> None:
        """Void some events that were not."""
        living = [event.seq for event in self.events[meter.pk] if event.seq not in self.died]
        for seq in self.rng.sample(living, count):
            self.died[seq] = self.parts.store.voids.add(seq, "a test", "nobody", 0).seq
            self.parts.live.acknowledge(self.died[seq])

    def counting(self, meter: Meter, as_of: int) -> list[reference.Event]:
        return [
            event
            for event in self.events[meter.pk]
            if event.seq <= as_of < self.died.get(event.seq, 1 << 62) and WINDOW.start <= event.ts < WINDOW.end
        ]


def check(world: World, parts: Services, meter: Meter, as_of: int | None = None) -> None:
    """Every metric as a whole, per day and by every dimension, and the log's number of events."""
    answered = parts.engine.as_of() if as_of is None else as_of
    events = world.counting(meter, answered)
    listed = [e for e in world.events[meter.pk] if e.seq <= answered and WINDOW.start <= e.ts < WINDOW.end]
    query = Query(WINDOW, "day", as_of=as_of, unique=True)
    for metric in AGGREGATIONS:
        usage = parts.engine.usage(meter, query, parts.registry.metrics.get(metric))
        expected = reference.usage(events, metric, 0, WINDOW.start, WINDOW.end, "day", "UTC")
        assert reference.same(usage.total, expected.total)
        assert (usage.event_count, usage.unique_customers) == (len(events), expected.unique_customers)
        found = {b.label: (b.usage, b.event_count) for b in usage.buckets if b.event_count}
        assert found == {label: day[:2] for label, day in expected.buckets.items()}
    for dimension in DIMENSIONS:
        check_groups(parts, meter, replace(query, group_by=None, breakdown=(dimension,), limit=5), events)
    assert parts.engine.log([meter], query).total == len(listed)


def check_groups(parts: Services, meter: Meter, query: Query, events: Sequence[reference.Event]) -> None:
    window = query.window
    expected = reference.breakdown(events, query.breakdown, 5, "SUM", 0, window.start, window.end, None, "UTC")
    found = parts.engine.usage(meter, query).breakdown
    assert found is not None
    assert [(group.key, group.usage, group.event_count, group.unique_customers) for group in found] == [
        (group.key, group.usage, group.event_count, group.unique_customers) for group in expected
    ]


def resident(parts: Services) -> list[int]:
    """The meters that are in memory."""
    return [meter.meter_pk for meter in parts.live.residency().meters if meter.resident]


def size(parts: Services) -> int:
    """Bytes of all columns."""
    found = parts.live.residency()
    return found.heap_bytes + found.mapped_bytes


def limited(world: World, instance: Path, limit: int) -> Services:
    """The instance opened once more, with a limit."""
    parts = open_instance(instance, COLUMNS_MAX_BYTES=limit)
    parts.live.load()
    return parts


def arrays(parts: Services, meter: MeterResidency) -> int:
    """Bytes of all arrays of a meter that are in memory or mapped."""
    found = parts.live.current().snapshot(meter.meter_pk)
    beside = found.tail.nbytes() + found.graves.rows.nbytes() + found.newcomers.nbytes
    return beside + (found.held.frame.nbytes() + found.held.index.nbytes if meter.resident else 0)
