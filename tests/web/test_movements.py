"""Bars above and below zero: their heights are the values, and gains and losses stack apart."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from fluxrate.web.charts import Point
from fluxrate.web.movements import Moved, movement_chart

POINTS = (Point("1 Jan", "Wed 1 Jan", None, 1), Point("", "Thu 2 Jan", None, 1))


def drawn(*series: tuple[str, list[object]]) -> str:
    moved = [Moved(name, f"series-{i}", values, "/there") for i, (name, values) in enumerate(series, 1)]
    return movement_chart(POINTS, moved, label="Movements", table="t", height=240)


def bars(html: str) -> list[tuple[str, float, float]]:
    found = re.findall(r'class="chart-bar (\S+)"[^>]* y="([0-9.]+)" height="([0-9.]+)"', html)
    return [(name, float(y), float(height)) for name, y, height in found]


def test_gains_stand_on_the_line_and_losses_hang_from_it():
    """200 pixels for 40 units: from -20 to 20."""
    html = drawn(("New", [10, 5]), ("More", [Decimal("7.5"), 0]), ("Lost", [-20, 0]))
    base = 12 + 100
    found = bars(html)
    assert found == [
        ("series-1", base - 50, 50),
        ("series-2", base - 87.5, 37.5),
        ("series-3", base, 100),
        ("series-1", base - 25, 25),
    ]
    assert re.findall(r'text-anchor="end">([^<]+)<', html) == ["−20", "−10", "0", "10", "20"]
    assert f'data-ys="{base - 87.5} {base - 25}"' in html


@pytest.mark.parametrize("values", [[5, 0], [-5, 0], [0, 0], [Decimal("0.01"), Decimal("-123456789.99")]])
def test_every_bar_lies_within_the_chart(values):
    for _, y, height in bars(drawn(("One", values))):
        assert 12 <= y <= y + height <= 240 - 28 + 0.02


def test_names_are_escaped():
    html = drawn(("<script>", [1, 2]))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
