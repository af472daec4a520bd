"""Real flights: over the last eight weeks of the year, a week ahead, a forecast errs less than the week before does.

The figures are those of docs/forecast.md.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter, defaultdict
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from fluxrate.core.forecast.backtest import Outlook, outlook

DOCS = Path(__file__).resolve().parents[3] / "docs" / "forecast.md"
NEW_YORK = ZoneInfo("America/New_York")
YEAR = [date.fromordinal(date(2013, 1, 2).toordinal() + day) for day in range(364)]
"""All days but that of the first flight, in which usage began."""


@pytest.fixture(scope="module")
def years() -> dict[str, np.ndarray]:
    """The year's miles by day: of all carriers, and of the five that flew most."""
    miles: dict[str, Counter[date]] = defaultdict(Counter)
    path = files("fluxrate.data").joinpath("flights-2013.csv.gz")
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            day = datetime.fromisoformat(row["scheduled_departure"]).astimezone(NEW_YORK).date()
            miles[row["carrier"]][day] += int(row["distance_miles"])
            miles["all"][day] += int(row["distance_miles"])
    largest = sorted(miles, key=lambda name: -miles[name].total())[:6]
    return {name: np.array([float(miles[name][day]) for day in YEAR]) for name in largest}


@pytest.fixture(scope="module")
def outlooks(years) -> dict[str, Outlook]:
    """Seven days ahead from the year's end."""
    return {name: outlook(values, 7, 7) for name, values in years.items()}


def test_holt_winters_is_better_than_the_week_before(outlooks):
    """For all carriers together and for each of the five largest."""
    assert list(outlooks) == ["all", "UA", "DL", "B6", "AA", "EV"]
    for name, found in outlooks.items():
        errors = {one.method.name: one.mase for one in found.tested}
        assert errors["holt_winters"] < errors["seasonal_naive"], name
        assert found.method.name == "holt_winters"
        assert (found.origins, found.horizon) == (50, 7), "each of the last 56 days, up to seven days ahead"


@pytest.fixture(scope="module")
def taken(years) -> dict[str, float]:
    """The same error of what would have been answered on each of these days, by the method taken then."""
    found = {}
    for name, values in years.items():
        last = len(values)
        errors = [abs(outlook(values[:day], 7, 7).points - values[day : day + 7]) for day in range(last - 56, last - 6)]
        known = values[: last - 56]
        found[name] = np.mean(errors) / np.mean(abs(known[7:] - known[:-7]))
    return found


def test_so_is_what_would_have_been_answered(outlooks, taken):
    """Also with the method chosen each day by what was known on that day."""
    for name, found in outlooks.items():
        assert taken[name] < {one.method.name: one.mase for one in found.tested}["seasonal_naive"], name


def test_the_documented_figures_are_these(outlooks, taken):
    row = re.compile(r"^\| (?:`(\w+)`|all carriers)[^|]*\| ([\d.]+ \| [\d.]+ \| [\d.]+) \|", re.MULTILINE)
    rows = dict(row.findall(DOCS.read_text("utf-8")))
    assert len(rows) == 6
    for name, found in outlooks.items():
        errors = {one.method.name: one.mase for one in found.tested}
        said = f"{errors['holt_winters']:.2f} | {taken[name]:.2f} | {errors['seasonal_naive']:.2f}"
        assert rows["" if name == "all" else name] == said, name
