"""`verify`: clean on an instance in order, on either store, while events arrive; and it finds what is not in order."""

from __future__ import annotations

import json
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sqlalchemy import text

from fluxrate.core import calendar, windows
from fluxrate.core.calendar import Buckets, Window
from fluxrate.core.errors import Conflict, Malformed, NotFound
from fluxrate.core.model import Meter, NewEvent
from fluxrate.core.services import Services
from fluxrate.core.store import audit
from fluxrate.core.verify import Outcome, asking, verify
from tests import reference
from tests.callers import Api, parts_of
from tests.instances import NOW, make_meter, new, open_instance, reopened
from tests.postgresql import Server

MAX = 2**63 - 1
DAY = 86_400_000_000
CUSTOMERS = ("acme", "bolt", "Zürich AG", "d", "e")
ODD = tuple(
    reference.micros(instant)
    for instant in (
        "1970-01-01T00:00:00Z",
        "2006-10-29T03:00:00Z",  # St. John's: at 00:01 back to the day before
        "2011-12-30T10:00:00Z",  # Apia: no 30 December
        "2025-03-09T07:00:00Z",  # New York: forward
        "2025-04-05T15:00:00Z",  # Lord Howe: back by half an hour
        "2025-04-06T03:00:00Z",  # Santiago: back at midnight
        "2025-10-26T01:00:00Z",  # Berlin: back
    )
)
QUESTIONS = 100


def metadata(rng: random.Random) -> dict[str, Any] | None:
    """Metadata of every shape: texts, numbers, objects, keys that look like paths, null, nothing."""
    choices: tuple[dict[str, Any] | None, ...] = (
        {"region": rng.choice(("eu", "us", "de")), "seat": f"s{rng.randrange(30)}"},
        {"region": "eu", "user_id": rng.randrange(20), "host": {"zone": rng.choice("ab"), "cpu": {"n": 1}}},
        {"seat": None, "user_id": "s1", "host.zone": "b", "size": 1.50},
        {"seat": rng.choice((True, 7, "7", ["a", 1], {"x": 1}))},
        {"region": "ü\"'%"},
        None,
    )
    return rng.choice(choices)


def event(meter: Meter, rng: random.Random) -> NewEvent:
    """An event near an instant where clocks do something odd, or not; some have the same time, some are enormous."""
    ts = max(
        0, rng.choice(ODD) + rng.choice((0, rng.randrange(-2 * DAY, 2 * DAY), rng.randrange(-400 * DAY, 400 * DAY)))
    )
    quantity = rng.choice((1, rng.randrange(1, 1_000), rng.randrange(1, MAX), MAX))
    return new(meter, ts, quantity, rng.choice(CUSTOMERS), metadata=metadata(rng))


def fill(parts: Services, each: int, seed: int = 1) -> list[Meter]:
    """Meters of all aggregations, with so many events each."""
    rng = random.Random(seed)
    meters = [
        make_meter(parts, "bytes", "SUM", decimals=6),
        make_meter(parts, "calls", "COUNT", filters=[{"key": "region", "values": ["eu", "de"]}]),
        make_meter(parts, "peak", "MAX"),
        make_meter(parts, "lowest", "MIN", decimals=2),
        make_meter(parts, "mean", "AVG", decimals=18),
        make_meter(parts, "level", "LAST", filters=[{"key": "host.zone", "values": ["a", "b"]}]),
        make_meter(parts, "seats", "UNIQUE_COUNT", property_name="seat"),
    ]
    append(parts, meters, each, rng)
    return meters


def append(parts: Services, meters: list[Meter], each: int, rng: random.Random) -> None:
    """So many events more for each meter, on average; then some events are voided, new ones and old ones."""
    parts.ingest.store([event(rng.choice(meters), rng) for _ in range(each * len(meters))])
    for _ in range(each * len(meters) // 30 + 1):
        with suppress(Conflict, NotFound):
            parts.store.voids.add(rng.randint(1, parts.store.events.last_seq()), "sent twice", "user:ada", NOW)


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Services]:
    made = open_instance(tmp_path / "instance")
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql: Server) -> Iterator[Services]:
    url = postgresql.database()
    made = open_instance(tmp_path / "instance", DATABASE_URL=url)
    yield made
    made.store.close()
    postgresql.drop(url)


@pytest.fixture
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements that read few sequences each, so that answers are put together from many."""
    monkeypatch.setattr(audit, "_ROWS_RANGE", 97)
    monkeypatch.setattr(audit, "_SUMS_RANGE", 301)


def asked(parts: Services, meters: list[Meter], questions: int = QUESTIONS, seed: int = 7) -> list[Outcome]:
    return list(verify(parts, meters, questions, seed))


def different(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.differences]


def sql(parts: Services, statement: str, **bound: Any) -> None:
    """Change a row behind the columns' back."""
    with parts.store.write() as connection:
        assert connection.execute(text(statement), bound).rowcount == 1


def first_of(meter: Meter, parts: Services) -> int:
    """The sequence of the meter's first event."""
    return next(row[0] for row in parts.store.events.read_after(0) if row[1] == meter.pk)


def test_an_instance_in_order_has_no_difference(parts: Services, short_ranges: None) -> None:
    """All kinds of questions are asked of base and tail, and every answer is the same in SQL."""
    meters = fill(parts, 100)
    again = reopened(parts)
    append(again, meters, 30, random.Random(2))
    outcomes = asked(again, meters, 4 * QUESTIONS)
    again.store.close()
    assert different(outcomes) == []
    assert [outcome for outcome in outcomes if outcome.refused] == []
    assert [outcome.number for outcome in outcomes] == list(range(1, 4 * QUESTIONS + 1))
    addresses = " ".join(outcome.address for outcome in outcomes)
    for part in (
        "/usage/aggregate?", "/bytes/usage?", "/peak/customers?", "/seats/events?", "/v1/usage?", "group_by=minute",
        "group_by=quarter", "fill=none", "metric=UNIQUE_COUNT", "metric=AVG", "start_date=2025-", "Z&timezone=",
        "customer_id=", "min_quantity=", "max_quantity=", "meta.host.zone=", "timezone=Pacific%2FApia", "order=asc",
        "unique=true", "cumulative=true", "breakdown=customer", "breakdown=meta.region", "breakdown=meta.host.zone",
    ):  # fmt: skip
        assert part in addresses, part


def test_postgresql_in_order_has_no_difference(on_postgresql: Services, short_ranges: None) -> None:
    meters = fill(on_postgresql, 60)
    on_postgresql.live.refresh()
    append(on_postgresql, meters, 20, random.Random(2))
    assert different(asked(on_postgresql, meters)) == []


def test_a_change_behind_the_columns_of_postgresql_is_found(on_postgresql: Services) -> None:
    meters = fill(on_postgresql, 60)
    on_postgresql.live.load()
    sql(
        on_postgresql,
        "UPDATE events SET quantity = quantity - 1 WHERE seq = :seq",
        seq=first_of(meters[-1], on_postgresql),
    )
    assert any(outcome.differences for outcome in verify(on_postgresql, meters, QUESTIONS, 7))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET quantity = quantity - 1 WHERE seq = :seq",
        "UPDATE events SET timestamp = timestamp + 86400000000 WHERE seq = :seq",
        "UPDATE events SET customer_pk = customer_pk % 5 + 1 WHERE seq = :seq",
        """UPDATE events SET metadata = '{"seat": "another", "region": "de"}' WHERE seq = :seq""",
        "UPDATE events SET meter_pk = meter_pk % 7 + 1 WHERE seq = :seq",
        "UPDATE events SET seq = 1000000 WHERE seq = :seq",
        "DELETE FROM events WHERE seq = :seq",
        "INSERT INTO voids VALUES (:seq + 1, :seq, 'sent twice', 'user:ada', 0)",
    ],
)
def test_a_change_behind_the_columns_is_found(parts: Services, change: str) -> None:
    """One event of a few hundred that SQL and the columns do not agree on: in its quantity, time, customer, metadata,
    meter, arrival, or in whether it is there at all.
    """
    meters = fill(parts, 40)
    parts.live.load()
    sql(parts, change, seq=first_of(meters[-1], parts))
    assert any(outcome.differences for outcome in verify(parts, meters, 4 * QUESTIONS, 7))


def test_a_quantity_off_by_one_is_found_by_the_first_question_about_its_meter(parts: Services) -> None:
    """Whatever the seed: before anything random comes what each meter ever added up."""
    meters = fill(parts, 40)
    parts.live.load()
    sql(parts, "UPDATE events SET quantity = quantity - 1 WHERE seq = :seq", seq=first_of(meters[4], parts))
    for seed in range(3):
        found = different(asked(parts, meters, len(meters), seed))
        assert "total_usage" in [difference.place for difference in found[-1].differences]


@pytest.mark.parametrize(
    ("column", "place", "change"),
    [
        ("quantity", 0, -1),
        ("quantity", 135, -1),
        ("customer", 135, 1),
        ("seq", 135, -1),
        ("ts", -1, DAY),
        ("index.time.totals", -1, 1),
        ("index.customers.starts", 2, -1),
    ],
)
def test_saved_columns_that_are_wrong_but_fit_together_are_found(
    parts: Services, column: str, place: int, change: int
) -> None:
    """One number in the files, with the checksum that belongs to it: a start believes them, and `verify` does not."""
    meters = fill(parts, 300, seed=3)
    parts.live.refresh()
    parts.close()
    folder = parts.instance / "columns"
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    path = folder / manifest["generation"] / f"{meters[-1].pk}.{column}.npy"
    array = np.load(path)
    array[place] += change
    np.save(path, array)
    manifest["files"][path.name] = [path.stat().st_size, zlib.crc32(path.read_bytes())]
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    again = open_instance(parts.instance)
    found = any(outcome.differences for outcome in verify(again, meters, 4 * QUESTIONS, 7))
    again.store.close()
    assert found


def test_a_difference_says_what_either_side_has(parts: Services) -> None:
    meter = make_meter(parts, "calls", "SUM", decimals=2)
    parts.ingest.store([new(meter, NOW, 150), new(meter, NOW + 1, 2**62), new(meter, NOW + 2, 2**62, "bolt")])
    parts.live.load()
    sql(parts, "UPDATE events SET quantity = quantity + 25 WHERE seq = 1")
    (outcome,) = asked(parts, [meter], 1)
    assert outcome.address == (
        "GET /api/v1/meters/calls/usage?group_by=year&fill=zero"
        "&start_date=2025-06-15T15:06:40Z&end_date=2025-06-15T15:06:40.000003Z&timezone=UTC&as_of=3"
    )
    expected = ("92233720368547759.58", "92233720368547759.83")
    assert outcome.differences == (("total_usage", *expected), ("grouped_data[2025-01-01].usage", *expected))


def test_events_that_arrive_meanwhile_are_no_difference(parts: Services) -> None:
    """Another process appends all the time; both sides answer as of the same sequence."""
    meters = fill(parts, 30)
    other = open_instance(parts.instance)
    end = threading.Event()

    def write() -> None:
        rng = random.Random(3)
        while not end.is_set():
            append(other, meters, 2, rng)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        outcomes = asked(parts, meters)
    finally:
        end.set()
        writer.join()
    other.store.close()
    assert different(outcomes) == []
    assert len({outcome.address.rpartition("as_of=")[2] for outcome in outcomes}) > 20


def test_a_mistake_in_the_buckets_is_found(parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buckets of days that begin an hour late are seen, though the columns and their edges agree with each other."""
    meters = fill(parts, 100)
    right = calendar.buckets

    def late(window: Window, group: str) -> Buckets:
        found = right(window, group)
        if group != "day" or len(found.labels) < 2:
            return found
        edges = found.edges.copy()
        edges[1:-1] += (edges[2:] - edges[1:-1]) // 24
        return Buckets(edges, found.labels)

    monkeypatch.setattr(calendar, "buckets", late)
    found = different(asked(parts, meters))
    assert found
    assert {"group_by=day" in outcome.address for outcome in found} == {True}


def test_a_mistake_in_the_window_is_found(parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows that leave out the last day of two dates are seen."""
    meters = fill(parts, 100)
    right = windows.parse_window

    def short(start: str, end: str, zone: str, now: int) -> Window:
        found = right(start, end, zone, now)
        return found if "T" in end else replace(found, end=max(found.start + 1, found.end - DAY))

    monkeypatch.setattr(calendar, "parse_window", short)
    assert any(outcome.differences for outcome in verify(parts, meters, 2 * QUESTIONS, 7))


@pytest.mark.parametrize("mistake", [IndexError("index 7 is out of bounds"), Malformed("index 7 is malformed.")])
def test_a_mistake_of_the_engine_is_a_difference_and_not_the_end(
    parts: Services, monkeypatch: pytest.MonkeyPatch, mistake: Exception
) -> None:
    meters = fill(parts, 5)

    def fail(*args: object, **more: object) -> None:
        raise mistake

    monkeypatch.setattr(type(parts.engine), "ranking", fail)
    outcomes = asked(parts, meters)
    found = different(outcomes)
    assert len(outcomes) == QUESTIONS
    assert {"/customers?" in outcome.address for outcome in found} == {True}
    assert "index 7 is" in found[0].differences[0].columns


def test_a_question_that_the_columns_refuse_is_told(parts: Services) -> None:
    """Metadata by more keys than an instance indexes: no answer, so neither right nor wrong."""
    meter = make_meter(parts)
    parts.ingest.store([new(meter, NOW + step, metadata={f"key-{step}": "x"}) for step in range(200)])
    outcomes = asked(parts, [meter])
    assert different(outcomes) == []
    refused = [outcome for outcome in outcomes if outcome.refused]
    assert refused
    assert all("meta.key-" in outcome.address for outcome in refused)


def test_the_same_seed_asks_the_same(parts: Services) -> None:
    """A run can be repeated, and a question does not depend on how many come after it."""
    meters = fill(parts, 20)
    first, second = asked(parts, meters, 40, seed=5), asked(parts, meters, 60, seed=5)
    assert first == second[:40]
    assert asked(parts, meters, 40, seed=6)[14:] != first[14:]


def test_every_question_is_one_that_the_api_answers(make_app: Callable[[], Flask]) -> None:
    """What is printed beside a difference can be asked of a server, and is answered as of the same sequence."""
    api = Api(make_app())
    outcomes = asked(parts_of(api.app), fill(parts_of(api.app), 40), 3 * QUESTIONS)
    for outcome in outcomes:
        method, _, address = outcome.address.partition(" ")
        response = api.call(method, address)
        assert response.status_code == 200, (outcome.address, response.text)
        assert f"as_of={response.headers['X-Fluxrate-As-Of']}" in outcome.address


def test_a_meter_without_events_is_asked_about_too(parts: Services) -> None:
    empty = make_meter(parts, "empty", "UNIQUE_COUNT")
    assert different(asked(parts, [empty], 60)) == []
    meters = [*fill(parts, 3), empty]
    assert different(asked(parts, meters, 60)) == []


def test_the_zones_with_a_habit_are_zones() -> None:
    for zone in (*asking.ZONES, *asking._ALL_ZONES):
        calendar.check_zone(zone)
