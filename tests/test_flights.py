"""A year of real flights through the real command line, judged by DuckDB reading the same file.

336,776 scheduled flights left New York in 2013 and 327,346 of them flew; each is one event on five meters. The file is
loaded as it is, not moved as the demo does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fluxrate.core.answers import Usage
from fluxrate.core.model import Meter
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from tests.instances import NOW, open_instance

FILE = str(files("fluxrate.data").joinpath("flights-2013.csv.gz"))
YEAR = {"start_date": "2013-01-01", "end_date": "2013-12-31", "timezone": "America/New_York"}
EVENTS = 327_346

KEY = ("--key", "carrier", "--key", "flight", "--key", "origin", "--key", "scheduled_departure")
COLUMNS = ("--customer", "carrier", "--timestamp", "scheduled_departure", *KEY)

METERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "flights": (("--aggregation", "COUNT", "--unit", "flights"), ("--quantity-value", "1")),
    "miles": (("--aggregation", "SUM", "--unit", "miles"), ("--quantity", "distance_miles")),
    "air_minutes": (("--aggregation", "SUM", "--unit", "minutes"), ("--quantity", "air_time_minutes")),
    "aircraft": (
        ("--aggregation", "UNIQUE_COUNT", "--property", "tailnum", "--unit", "aircraft"),
        ("--quantity-value", "1", "--meta", "tailnum"),
    ),
    "longest_flight": (("--aggregation", "MAX", "--unit", "miles"), ("--quantity", "distance_miles")),
}
"""Name to the options of `fluxrate meters create` and of `fluxrate import`."""

SQL = {
    "flights": "count(*)",
    "miles": "sum(distance_miles)",
    "air_minutes": "sum(air_time_minutes)",
    "aircraft": "count(DISTINCT tailnum)",
    "longest_flight": "max(distance_miles)",
}


def fluxrate(folder: Path, *arguments: str) -> str:
    """Run the command as a user would, and give what it prints."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLUXRATE_")}
    done = subprocess.run(
        [sys.executable, "-m", "fluxrate", *arguments, "--instance", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environ,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(folder: Path, name: str) -> str:
    """Make the meter and import the file on it."""
    create, imported = METERS[name]
    fluxrate(folder, "meters", "create", name, "--decimals", "0", *create)
    return fluxrate(folder, "import", FILE, "--meter", name, *COLUMNS, *imported)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance that the command line has filled, two meters at a time."""
    made = tmp_path_factory.mktemp("flights") / "instance"
    fluxrate(made, "migrate")
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda name: load(made, name), METERS))
    assert said == [f"{FILE}: {EVENTS} accepted, 0 duplicate, 0 rejected\n"] * len(METERS)
    return made


@pytest.fixture(scope="module")
def parts(folder: Path) -> Iterator[Services]:
    made = open_instance(folder)
    made.live.load()
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    """The file as a table, with the row's place in it and New York's local time by DuckDB's own calendar."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            CREATE TABLE flights AS
            SELECT row_number() OVER () AS place, *, timezone('America/New_York', scheduled_departure) AS local
            FROM read_csv(?, header = true, types = {'scheduled_departure': 'TIMESTAMPTZ', 'tailnum': 'VARCHAR'})
            """,
            [FILE],
        )
        yield connection


@pytest.fixture(params=METERS)
def meter(request: pytest.FixtureRequest, parts: Services) -> Meter:
    found = parts.store.meters.find(request.param)
    assert found is not None
    return found


def usage(parts: Services, meter: Meter, customers: tuple[str, ...] = (), **arguments: str) -> Usage:
    return parts.engine.usage(meter, Query.parse(YEAR | arguments, now=NOW, customers=customers))


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("flights", 327_346),
        ("miles", 343_180_156),
        ("air_minutes", 49_326_610),
        ("aircraft", 4_037),
        ("longest_flight", 4_983),
    ],
)
def test_the_year_has_the_figures_that_are_known(parts: Services, name: str, total: int) -> None:
    meter = parts.store.meters.find(name)
    assert meter is not None
    found = usage(parts, meter)
    assert (found.total, found.event_count, found.unique_customers) == (total, EVENTS, 16)
    assert type(found.total) is int
    assert (found.window.period_start, found.window.period_end) == (
        "2013-01-01T00:00:00-05:00",
        "2013-12-31T23:59:59-05:00",
    )


@pytest.mark.parametrize("group", ["day", "week", "month", "quarter", "year"])
def test_every_bucket_of_local_time_is_what_duckdb_computes(
    parts: Services, duck: duckdb.DuckDBPyConnection, meter: Meter, group: str
) -> None:
    """365 days, 23 and 25 hours long ones among them; usage and number of events."""
    expected = duck.execute(
        f"""
        SELECT strftime(date_trunc('{group}', local), '%Y-%m-%d'), {SQL[meter.meter_name]}, count(*)
        FROM flights GROUP BY 1 ORDER BY 1
        """
    ).fetchall()
    found = usage(parts, meter, group_by=group)
    assert [(bucket.label, bucket.usage, bucket.event_count) for bucket in found.buckets] == expected
    assert len(expected) == {"day": 365, "week": 53, "month": 12, "quarter": 4, "year": 1}[group]


def test_every_hour_is_what_duckdb_computes(parts: Services, duck: duckdb.DuckDBPyConnection, meter: Meter) -> None:
    """Over the weekend in November when New York has one hour twice, and with the hours in which nothing flew."""
    window = {"start_date": "2013-11-01", "end_date": "2013-11-04"}
    expected = duck.execute(
        f"""
        SELECT strftime(timezone('UTC', date_trunc('hour', scheduled_departure)), '%Y-%m-%d %H'),
               {SQL[meter.meter_name]}, count(*)
        FROM flights WHERE local >= TIMESTAMP '2013-11-01' AND local < TIMESTAMP '2013-11-05' GROUP BY 1
        """
    ).fetchall()
    found = usage(parts, meter, group_by="hour", **window)
    assert len(found.buckets) == 4 * 24 + 1
    hours = duck.execute(
        "SELECT strftime(timezone('UTC', to_timestamp(unnest(?))), '%Y-%m-%d %H')",
        [[bucket.start // 1_000_000 for bucket in found.buckets]],
    ).fetchall()
    filled = [
        (hour, bucket.usage, bucket.event_count)
        for (hour,), bucket in zip(hours, found.buckets, strict=True)
        if bucket.event_count
    ]
    assert filled == sorted(expected)


@pytest.mark.parametrize("carriers", [("UA",), ("HA",), ("AA", "DL", "OO")])
def test_the_months_of_some_carriers_are_what_duckdb_computes(
    parts: Services, duck: duckdb.DuckDBPyConnection, meter: Meter, carriers: tuple[str, ...]
) -> None:
    expected = duck.execute(
        f"""
        SELECT strftime(date_trunc('month', local), '%Y-%m-%d'), {SQL[meter.meter_name]}, count(*)
        FROM flights WHERE list_contains(?, carrier) GROUP BY 1 ORDER BY 1
        """,
        [list(carriers)],
    ).fetchall()
    found = usage(parts, meter, carriers, group_by="month", fill="none")
    assert [(bucket.label, bucket.usage, bucket.event_count) for bucket in found.buckets] == expected
    assert found.unique_customers == len(carriers)


def test_the_ranking_of_carriers_is_duckdbs(parts: Services, duck: duckdb.DuckDBPyConnection, meter: Meter) -> None:
    expected = duck.execute(
        f"SELECT carrier, {SQL[meter.meter_name]} AS usage, count(*) FROM flights GROUP BY 1 ORDER BY usage DESC"
    ).fetchall()
    found = parts.engine.ranking(meter, Query.parse(YEAR, now=NOW), 16)
    rows = [(row.customer.external_id, row.usage, row.event_count) for row in found.rows]
    assert [row[1] for row in rows] == [row[1] for row in expected]
    assert sorted(rows) == sorted(expected)


@pytest.mark.parametrize("carriers", [(), ("B6",), ("YV", "OO")])
@pytest.mark.parametrize(
    ("low", "high"), [(None, None), ("1000", None), (None, "94.5"), ("500", "500"), ("5000", None)]
)
def test_the_log_has_the_events_that_duckdb_finds(
    parts: Services,
    duck: duckdb.DuckDBPyConnection,
    carriers: tuple[str, ...],
    low: str | None,
    high: str | None,
) -> None:
    """By carrier, dates and quantity: the exact total, the total usage, and the first, a deep and the last page."""
    meter = parts.store.meters.find("miles")
    assert meter is not None
    dates = {"start_date": "2013-03-09", "end_date": "2013-11-03"}
    bounds: dict[str, Any] = {"min_quantity": low, "max_quantity": high}
    query = Query.parse(YEAR | dates | bounds, now=NOW, customers=carriers)
    expected = duck.execute(
        """
        SELECT (epoch_us(scheduled_departure)), carrier, distance_miles FROM flights
        WHERE local >= TIMESTAMP '2013-03-09' AND local < TIMESTAMP '2013-11-04'
          AND ($carriers = [] OR list_contains($carriers, carrier))
          AND ($low IS NULL OR distance_miles >= $low::DECIMAL(9, 1))
          AND ($high IS NULL OR distance_miles <= $high::DECIMAL(9, 1))
        ORDER BY scheduled_departure DESC, place DESC
        """,
        {"carriers": list(carriers), "low": low, "high": high},
    ).fetchall()
    pages = -(-len(expected) // 50)
    for number in {1, pages // 2, pages, pages + 1} - {0}:
        page = parts.engine.log([meter], query, page=number, figure=True)
        assert (page.total, page.total_pages, page.usage) == (len(expected), pages, sum(row[2] for row in expected))
        rows = [(row.event.timestamp, row.customer.external_id, row.event.quantity) for row in page.rows]
        assert rows == expected[(number - 1) * 50 : number * 50]


def test_the_log_of_all_meters_holds_every_flight_once_on_each(
    parts: Services, duck: duckdb.DuckDBPyConnection
) -> None:
    meters = parts.store.meters.all()
    query = Query.parse(YEAR, now=NOW)
    first = parts.engine.log(meters, query, page_size=1_000)
    assert (first.total, first.usage) == (EVENTS * len(METERS), None)
    newest = duck.execute(
        "SELECT epoch_us(scheduled_departure) FROM flights ORDER BY scheduled_departure DESC LIMIT 200"
    ).fetchall()
    assert [row.event.timestamp for row in first.rows] == [ts for (ts,) in newest for _ in METERS]
    last = parts.engine.log(meters, query, page=first.total_pages, page_size=1_000)
    assert len(last.rows) == EVENTS * len(METERS) % 1_000


def test_the_columns_are_the_same_after_a_restart_from_their_files(parts: Services, meter: Meter) -> None:
    parts.live.save(force=True)
    again = open_instance(parts.instance)
    for group in ("day", "month"):
        assert usage(again, meter, group_by=group) == usage(parts, meter, group_by=group)
    again.store.close()
