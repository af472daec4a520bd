"""The demo's data: the real flights of a year, every one moved by whole weeks, complete after any interruption."""

from __future__ import annotations

import csv
import gzip
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import pytest

from fluxrate.core import accounts, demo
from fluxrate.core.calendar import Window
from fluxrate.core.errors import Conflict
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import make_meter, open_instance
from tests.reference import DAY, HOUR

WEEK = 7 * DAY
TOTALS = {
    "flights": 327_346,
    "miles": 343_180_156,
    "air_minutes": 49_326_610,
    "aircraft": 4_037,
    "longest_flight": 4_983,
}


class Interrupted(Exception):
    """Stands for a user who lost patience."""


@dataclass(frozen=True)
class Filled:
    """A demo that was interrupted and filled on the next day; when its first filling began and ended."""

    parts: Services
    began: int
    ended: int
    seen: int
    sign_in: demo.SignIn


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    parts = open_instance(tmp_path_factory.mktemp("demo") / "instance")
    seen: list[int] = []

    def lose_patience(more: int) -> None:
        seen.append(more)
        if sum(seen) > 15_000:
            raise Interrupted

    began = parts.clock()
    with pytest.raises(Interrupted):
        demo.prepare(parts, lose_patience)
    ended = parts.clock()
    assert 0 < parts.store.events.last_seq() < 5 * demo.ROWS
    done: list[int] = []
    tomorrow = replace(parts, clock=lambda: ended + WEEK + DAY)
    sign_in = demo.prepare(tomorrow, done.append)
    assert sum(done) == demo.ROWS
    yield Filled(parts, began, ended, sum(seen), sign_in)
    parts.store.close()


def rows(filled: Filled, sql: str) -> list[tuple[int, ...]]:
    """Ask the database itself."""
    with closing(sqlite3.connect(f"file:{filled.parts.instance / 'fluxrate.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_every_event_is_moved_by_whole_weeks(filled: Filled) -> None:
    """By the same number of them, or by 52 fewer; an event's key ends with its own departure."""
    moved = rows(
        filled,
        "SELECT timestamp - unixepoch(substr(idempotency_key, -20)) * 1000000 AS shift, count(*)"
        " FROM events GROUP BY shift ORDER BY shift",
    )
    assert sum(count for _, count in moved) == 5 * demo.ROWS
    assert all(shift % WEEK == 0 for shift, _ in moved)
    assert len(moved) <= 2
    assert moved[-1][0] - moved[0][0] in (0, 52 * WEEK)


def test_the_last_event_lies_just_before_the_moment_the_demo_was_made(filled: Filled) -> None:
    """Also when it was interrupted and filled up a week later: both parts are moved alike."""
    ((first, last),) = rows(filled, "SELECT min(timestamp), max(timestamp) FROM events")
    assert filled.began - 12 * HOUR < last <= filled.ended
    assert first > filled.began - 365 * DAY - HOUR


def test_the_years_totals_are_those_of_the_file(filled: Filled) -> None:
    for meter in filled.parts.store.meters.all():
        found = filled.parts.engine.usage(meter, Query(Window(0, 2 * filled.began, "UTC")))
        assert (found.total, found.event_count, found.unique_customers) == (TOTALS[meter.meter_name], demo.ROWS, 16)


def test_every_flight_is_there_once_with_its_carrier_and_its_miles(filled: Filled) -> None:
    """Compared with the file, flight by flight."""
    found = Counter(
        rows(
            filled,
            "SELECT idempotency_key, external_id, quantity FROM events JOIN meters ON meters.pk = meter_pk"
            " JOIN customers ON customers.pk = customer_pk WHERE meter_name = 'miles'",
        )
    )
    path = str(files("fluxrate.data").joinpath("flights-2013.csv.gz"))
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        expected = Counter(
            (
                "|".join((row["carrier"], row["flight"], row["origin"], row["scheduled_departure"])),
                row["carrier"],
                int(row["distance_miles"]),
            )
            for row in csv.DictReader(file)
        )
    assert found == expected


def test_the_carriers_have_names(filled: Filled) -> None:
    carriers, total = filled.parts.store.customers.list(page=1, page_size=100)
    assert total == 16
    assert {"UA": "United Air Lines Inc."}.items() <= {found.external_id: found.name for found in carriers}.items()
    assert all(found.name for found in carriers)


def test_an_interrupted_filling_is_taken_up_and_nothing_is_counted_twice(filled: Filled) -> None:
    assert 15_000 < filled.seen < demo.ROWS
    assert rows(filled, "SELECT count(*) FROM events GROUP BY meter_pk") == [(demo.ROWS,)] * 5
    assert len(filled.parts.store.meters.all()) == 5


def test_preparing_a_filled_demo_again_does_nothing(filled: Filled) -> None:
    """Not even a step of progress; the password is the same."""
    before = filled.parts.store.events.last_seq()
    steps: list[int] = []
    assert demo.prepare(filled.parts, steps.append) == filled.sign_in
    assert steps == []
    assert filled.parts.store.events.last_seq() == before


def test_the_demo_says_how_to_sign_in_and_keeps_the_password_to_its_user(filled: Filled) -> None:
    assert accounts.sign_in(filled.parts.store, filled.sign_in.email, filled.sign_in.password) is not None
    assert stat.S_IMODE((filled.parts.instance / "demo-password.txt").stat().st_mode) == 0o600


def test_an_instance_with_meters_of_its_own_is_left_alone(tmp_path: Path) -> None:
    parts = open_instance(tmp_path)
    make_meter(parts, "mine")
    with pytest.raises(Conflict, match="--instance"):
        demo.prepare(parts, lambda _: None)
    assert [meter.meter_name for meter in parts.store.meters.all()] == ["mine"]
    assert parts.store.events.last_seq() == 0
    parts.store.close()
