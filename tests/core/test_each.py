"""Many customers, each over a window of its own, against one question at a time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fluxrate.core.each import Windows
from fluxrate.core.query import Query
from fluxrate.core.windows import Window
from tests.core.worlds import ANCHORS, CUSTOMERS, NEWEST, World, make_world
from tests.reference import DAY, HOUR


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """7,000 events, indexed and not, of which some are voided."""
    made = make_world(tmp_path_factory.mktemp("each"))
    yield made
    made.parts.close()


def windows(rng: random.Random, count: int) -> list[tuple[str, int, int]]:
    """Short and long ones, empty ones, equal ones, and some that overlap."""
    found = []
    for _ in range(count):
        start = max(
            0, rng.choice(ANCHORS) + rng.choice((0, rng.randint(-3 * HOUR, 3 * HOUR), rng.randint(-300, 300) * DAY))
        )
        length = rng.choice((0, 1, rng.randint(1, 2 * HOUR), rng.randint(1, 400) * DAY))
        found.append((rng.choice(CUSTOMERS), start, start + length))
    return found + found[: count // 10]


def asked(world: World, rows: Sequence[tuple[str, int, int]]) -> Windows:
    pks = {name: world.parts.store.customers.by_external_id(name).pk for name in CUSTOMERS}
    columns = zip(*((pks[name], start, end) for name, start, end in rows), strict=True)
    return Windows(*(np.array(column, np.int64) for column in columns))


@pytest.mark.parametrize("metric", ["SUM", "COUNT", "MAX", "MIN", "AVG", "LAST", "UNIQUE_COUNT"])
@pytest.mark.parametrize("as_of", [None, NEWEST, 5_500, 100])
def test_each_window_is_as_if_it_were_asked_alone(world: World, metric: str, as_of: int | None) -> None:
    """Of every metric, with voided rows, rows that came later, and as of any sequence."""
    rng = random.Random(f"{metric}{as_of}")
    meter = replace(world.meter, aggregation_type=metric)
    for count in (1, 7, 200):
        rows = windows(rng, count)
        found = world.parts.engine.each(meter, asked(world, rows), as_of)
        for (name, start, end), value in zip(rows, found, strict=True):
            if start == end:
                assert value == world.parts.engine.metric_of(meter).empty
                continue
            query = Query(Window(start, end, "UTC"), customers=(world.ids[name],), as_of=as_of)
            alone = world.parts.engine.usage(meter, query).total
            assert (value, type(value)) == (alone, type(alone))


def test_nobody_is_asked_about(world: World) -> None:
    nobody = Windows(*(np.zeros(0, np.int64) for _ in range(3)))
    assert world.parts.engine.each(world.meter, nobody) == []
    stranger = Windows(np.array([99_999]), np.array([0]), np.array([1 << 60]))
    assert world.parts.engine.each(world.meter, stranger) == [0]
