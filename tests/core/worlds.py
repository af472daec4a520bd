"""Worlds of generated events for the tests of the engine, the questions asked of them, and how answers are judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fluxrate.core.answers import Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests import reference
from tests.core.clocks import ZONES
from tests.instances import NOW, make_meter, new, open_instance, send
from tests.reference import DAY, GROUPS, HOUR, MINUTE

MAX = 2**63 - 1
ANCHORS = tuple(
    reference.micros(text)
    for text in (
        "1970-01-01T00:00:00Z",
        "1985-12-31T18:30:00Z",  # Kathmandu: 5:30 to 5:45
        "2011-12-30T10:00:00Z",  # Apia: no 30 December
        "2021-04-03T14:00:00Z",  # Apia: the last hour back
        "2024-12-31T23:59:59.999999Z",
        "2025-03-09T07:00:00Z",  # New York: forward
        "2025-03-30T01:00:00Z",  # Berlin: forward
        "2025-04-05T15:00:00Z",  # Lord Howe: back by half an hour
        "2025-04-06T03:00:00Z",  # Santiago: back at midnight
        "2025-09-07T04:00:00Z",  # Santiago: midnight skipped
        "2025-10-04T15:30:00Z",  # Lord Howe: forward
        "2025-10-26T01:00:00Z",  # Berlin: back
        "2025-11-02T06:00:00Z",  # New York: back
    )
)
"""Instants around which clocks do something odd."""

SPANS = {
    "minute": 10 * HOUR,
    "hour": 20 * DAY,
    "day": 400 * DAY,
    "week": 800 * DAY,
    "month": 4_000 * DAY,
    "quarter": 9_000 * DAY,
    "year": 21_000 * DAY,
}
"""The longest window that a question of this grouping gets here."""

CUSTOMERS = ("acme", "bolt", "Zürich AG", "d", "e", "f", "g", "h", "i")
EARLY = CUSTOMERS[1::2]
"""Those that have events in the base; the others come with the tail, though they were created before."""
VOIDS = (150, 60, 1, 40)
"""How many events are voided after the base, and after each batch of the tail."""
NEWEST = 7_000 + len(CUSTOMERS) + sum(VOIDS)
"""The last sequence of the large world."""

STEPS_CHECKED = 3_000
METAS: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (),
    (),
    (("plan", ("a",)),),
    (("plan", ("b", "nobody", "c")),),
    (("user_id", ("x",)),),
    (("plan", ("a", "b")), ("user_id", ("x", "y"))),
    (("plan", ("never",)),),
)
"""Metadata that is asked for: no, one or several values of one or two keys."""


def check_usage(found: Usage, events: list[reference.Event], query: Query, metric: str, decimals: int) -> None:
    """Everything in the answer, against the reference over the events that the query's filters leave."""
    window, group = query.window, query.group_by
    expected = reference.usage(events, metric, decimals, window.start, window.end, group, window.zone)
    assert reference.same(found.total, expected.total), (found.total, expected.total)
    assert found.event_count == expected.event_count
    assert found.unique_customers == expected.unique_customers
    assert found.metric == metric
    if group is None:
        assert found.buckets == ()
        return
    filled = {bucket.label: bucket for bucket in found.buckets if bucket.event_count}
    assert {label: (str(b.usage), b.event_count) for label, b in filled.items()} == {
        label: (str(usage), count) for label, (usage, count, _, _) in expected.buckets.items()
    }
    for label, (usage, _, first, last) in expected.buckets.items():
        assert type(filled[label].usage) is type(usage)
        assert filled[label].start <= first <= last < filled[label].end
    if query.fill == "none":
        assert len(filled) == len(found.buckets)
        return
    labels = [bucket.label for bucket in found.buckets]
    assert len(set(labels)) == len(labels)
    assert (found.buckets[0].start, found.buckets[-1].end) == (window.start, window.end)
    assert all(one.end == other.start for one, other in pairwise(found.buckets))
    assert {str(b.usage) for b in found.buckets if not b.event_count} <= {str(reference.EMPTY[metric])}
    steps = (window.end - window.start) // {"minute": MINUTE, "hour": 15 * MINUTE}.get(group, HOUR)
    if steps < STEPS_CHECKED:
        assert labels == reference.labels(window.start, window.end, group, window.zone)


def matching(events: list[reference.Event], query: Query, customers: tuple[str, ...] = ()) -> list[reference.Event]:
    """The events that pass the query's filters, voided ones too: what the log lists."""
    return [
        event
        for event in events
        if (not customers or event.customer in customers)
        and (query.min_quantity is None or event.quantity >= query.min_quantity)
        and (query.max_quantity is None or event.quantity <= query.max_quantity)
        and all(event.meta.get(key) in values for key, values in query.meta)
        and (query.as_of is None or event.seq <= query.as_of)
    ]


def kept(world: World, query: Query, customers: tuple[str, ...] = ()) -> list[reference.Event]:
    """The events that count for the query."""
    newest = NEWEST if query.as_of is None else query.as_of
    return [e for e in matching(world.events, query, customers) if world.died.get(e.seq, NEWEST + 1) > newest]


instants = st.builds(
    lambda anchor, offset: max(0, anchor + offset),
    st.sampled_from(ANCHORS),
    st.one_of(
        st.sampled_from([0, -1, 1, -HOUR, HOUR, -30 * MINUTE, 15 * MINUTE, DAY, -DAY]),
        st.integers(-2 * HOUR, 2 * HOUR),
        st.integers(-400 * DAY, 400 * DAY),
    ),
)


@st.composite
def windows(draw: st.DrawFn, group: str | None) -> Window:
    """A window near odd instants, short enough for the grouping."""
    start = draw(instants)
    length = draw(st.one_of(st.integers(1, 3 * HOUR), st.integers(1, SPANS[group or "year"])))
    return Window(start, start + length, draw(st.sampled_from(ZONES)))


def quantities(decimals: int) -> st.SearchStrategy[int]:
    return st.one_of(
        st.integers(0, 3),
        st.sampled_from([1, 10**decimals, 2**53 + 1, 2**62, MAX, MAX - 1]),
        st.integers(0, MAX),
    )


@dataclass(frozen=True)
class World:
    parts: Services
    meter: Meter
    events: list[reference.Event]
    ids: dict[str, str]
    died: dict[int, int]
    """By the sequence of a voided event that of its void."""


def make_world(folder: Path, *, mixed: bool = True) -> World:
    """7,000 events on one meter: 5,000 in the base and, in three batches, 2,000 late, tied and new ones in the tail;
    after each batch some events of any age are voided. What a distinct count reads stands under one key, or, if
    `mixed`, under one of two.
    """
    parts = open_instance(folder)
    other = make_meter(parts, "other")
    parts.ingest.store([new(other, customer=name) for name in CUSTOMERS])
    meter = make_meter(parts, "calls", "SUM", decimals=2, property_name="plan")
    rng = random.Random(2013)

    def event(names: Sequence[str]) -> Any:
        offset = rng.choice((0, rng.randint(-3 * HOUR, 3 * HOUR), rng.randint(-300 * DAY, 300 * DAY)))
        quantity = rng.choice((rng.randint(1, 500), rng.randint(0, MAX), 2**53 + 1, MAX))
        plan, user = {"plan": rng.choice("abc")}, {"user_id": rng.choice("abxyz")}
        metas: tuple[dict[str, Any] | None, ...] = (plan, user if mixed else {**plan, **user}, None)
        return new(meter, max(0, rng.choice(ANCHORS) + offset), quantity, rng.choice(names), metadata=rng.choice(metas))

    events: list[reference.Event] = []
    died: dict[int, int] = {}
    for names, size, voids in zip((EARLY, *[CUSTOMERS] * 3), (5_000, 1_200, 1, 799), VOIDS, strict=True):
        events += send(parts, [event(names) for _ in range(size)], [meter])
        parts.live.refresh()
        for seq in rng.sample([event.seq for event in events if event.seq not in died], voids):
            died[seq] = parts.store.voids.add(seq, "a test", "nobody", NOW).seq
        parts.live.refresh()
    snapshot = parts.live.current().snapshot(meter.pk)
    assert len(snapshot.base) == 5_000
    assert len(snapshot.tail) + len(snapshot.graves.rows) == 2_000
    assert (len(snapshot.graves.rows) > 20, len(snapshot.dead[0]) > 200) == (True, True)
    ids = {name: found.id for name in CUSTOMERS if (found := parts.store.customers.by_external_id(name))}
    return World(parts, meter, events, ids, died)


@st.composite
def questions(draw: st.DrawFn) -> tuple[Query, tuple[str, ...]]:
    """Any question, and the customers it is about: half of them without a filter, as an index answers them."""
    group = draw(st.sampled_from((*GROUPS, None)))
    window, fill = draw(windows(group)), draw(st.sampled_from(["zero", "none"]))
    if draw(st.booleans()):
        return Query(window, group, fill=fill), ()
    bounds = st.one_of(
        st.none(),
        st.sampled_from(["0", "0.01", "2.5", "2.495", "90071992547409.93", "92233720368547758.07", "1" + "0" * 30]),
    )
    low, high = draw(bounds), draw(bounds)
    customers = tuple(draw(st.lists(st.sampled_from(CUSTOMERS), max_size=3, unique=True)))
    query = Query(
        window=window,
        group_by=group,
        customers=customers,
        min_quantity=None if low is None else Decimal(low),
        max_quantity=None if high is None else Decimal(high),
        as_of=draw(st.one_of(st.none(), st.integers(0, NEWEST), st.integers(5_000, NEWEST), st.just(NEWEST))),
        meta=draw(st.sampled_from(METAS)),
        fill=fill,
    )
    return query, customers
