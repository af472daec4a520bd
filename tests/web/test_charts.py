"""Charts are well-formed SVG with round numbers on the axis, colours by class, and names that cannot break out."""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from fluxrate.web import charts
from fluxrate.web.charts import Point

HOSTILE = "\"><script>alert(1)</script>&'<style>"


def line(values, **more):
    points = [Point(f"t{i}", f"Period {i}", v, 0 if v is None else 1) for i, v in enumerate(values)]
    return charts.line_chart(points, label="Calls by day", unit="calls", table="t", **more)


def parse(markup):
    xml = str(markup).replace(" hidden>", ' hidden="">')
    return ElementTree.fromstring(f"<div>{xml}</div>")


@pytest.mark.parametrize(
    ("top", "whole", "expected"),
    [
        (7, True, [0, 2, 4, 6, 8]),
        (1_234_567, True, [0, 250_000, 500_000, 750_000, 1_000_000, 1_250_000]),
        (1, True, [0, 1, 2, 3]),
        (Decimal("0.7"), False, [0, Decimal("0.2"), Decimal("0.4"), Decimal("0.6"), Decimal("0.8")]),
        (None, True, [0, 1, 2, 3, 4]),
    ],
)
def test_the_axis_stands_at_round_numbers(top, whole, expected):
    assert list(charts.ticks(top, whole=whole)) == expected


@pytest.mark.parametrize("top", [*range(1, 300), 10**6 + 1, 10**18 - 1, Decimal("0.0123"), Decimal("99.999")])
def test_four_to_six_lines_reach_the_largest_value(top):
    lines = charts.ticks(top, whole=isinstance(top, int))
    assert 4 <= len(lines) <= 6
    assert lines[0] == 0
    assert lines[-1] >= top


@pytest.mark.parametrize("values", [[], [5], [None, None], [1, None, 3], [0, 10**18], [Decimal("0.5")] * 100])
def test_a_chart_is_well_formed_whatever_it_shows(values):
    parse(line(values))


def test_a_chart_has_no_inline_style_and_no_script():
    html = str(line([1, 2, 3]))
    assert "style=" not in html
    assert "<script" not in html


def test_hostile_names_stay_text():
    points = [Point(HOSTILE, HOSTILE, 1, 1), Point(HOSTILE, HOSTILE, 2, 1)]
    html = charts.line_chart(points, label=HOSTILE, unit=HOSTILE, table=HOSTILE)
    html += charts.sparkline(points, label=HOSTILE)
    parse(html)
    assert "<script" not in html
    assert "<style" not in html


def test_an_unfinished_bucket_is_hollow_dashed_and_named():
    points = [Point("a", "a", 5, 1), Point("b", "b", 6, 1), Point("c", "c", 2, 1, "so far")]
    html = str(charts.line_chart(points, label="x", unit=None, table="t"))
    assert html.count('class="chart-hollow"') == 1
    assert ">so far</text>" in html
    dashed = re.search(r'class="chart-line chart-dash" d="([^"]+)"', html)
    assert dashed
    assert dashed[1].startswith("M500 ")


def test_a_bucket_that_the_window_cuts_stands_apart():
    points = [
        Point("a", "a", 5, 1, "part"),
        Point("b", "b", 6, 1),
        Point("c", "c", 7, 1),
        Point("d", "d", 2, 1, "part"),
    ]
    html = str(charts.line_chart(points, label="x", unit=None, table="t"))
    solid = re.search(r'class="chart-line" d="([^"]+)"', html)
    assert solid
    assert solid[1].count("L") == 1
    assert html.count('class="chart-hollow"') == 2
    assert "chart-hollow" not in str(charts.sparkline(points, label="x"))


def test_a_gap_in_the_values_is_a_gap_in_the_line():
    html = str(line([1, 2, None, 4, None, 6, 7]))
    solid = re.search(r'class="chart-line" d="([^"]+)"', html)
    assert solid
    assert solid[1].count("M") == 2
    assert html.count('class="chart-dot"') == 1


def test_an_empty_window_has_axes_and_no_line():
    points = [Point("a", "a", 0, 0), Point("b", "b", 0, 0)]
    html = str(charts.line_chart(points, label="x", unit=None, table="t"))
    assert "chart-grid" in html
    assert "chart-line" not in html


def test_the_largest_value_touches_its_grid_line():
    html = str(line([0, 100]))
    assert 'data-ys="252 12"' in html


def test_a_chart_is_described_in_one_sentence():
    points = [Point("a", "1 Nov", 5, 1), Point("b", "2 Nov", 1234, 1)]
    assert charts.describe(points, "calls") == "From 1 Nov to 2 Nov; the most was 1,234 calls on 2 Nov."
