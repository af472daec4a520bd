"""Charts are well-formed SVG with round numbers on the axis, colours by class, and names that cannot break out."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from fluxrate.web import bands, bars, charts
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
    live = str(charts.line_chart(points, label="x", unit=None, table="t", before=points, zoom=True))
    data = json.loads(re.search(r'class="chart-data">(.+?)</script>', live)[1])
    assert data["values"] == [None, None]
    assert data["before"]["values"] == []


def test_the_largest_value_touches_its_grid_line():
    html = str(line([0, 100]))
    assert 'data-ys="252 12"' in html


def test_a_chart_is_described_in_one_sentence():
    points = [Point("a", "1 Nov", 5, 1), Point("b", "2 Nov", 1234, 1)]
    assert charts.describe(points, "calls") == "From 1 Nov to 2 Nov; the most was 1,234 calls on 2 Nov."


def series(*values, **more):
    return bars.Series("A", values, **more)


def days(count, state=""):
    return [Point(f"t{i}", f"Period {i}", None, 1, state) for i in range(count)]


def test_bars_are_stacked_from_zero():
    html = str(bars.bar_chart(days(2), [series(50, 100), series(50, 0)], label="x", table="t"))
    found = re.findall(r'<rect class="chart-bar (\S+)" x="(\S+)%" width="35%" y="(\S+)" height="(\S+)"', html)
    assert found == [
        ("series-1", "7.5", "132", "120"),
        ("series-2", "7.5", "12", "120"),
        ("series-1", "57.5", "12", "240"),
    ]


def test_eight_series_have_colours_and_the_rest_is_grey():
    many = [series(1) for _ in range(10)]
    html = str(bars.bar_chart(days(1), many, label="x", table="t"))
    assert html.count('class="chart-bar series-other"') == 2
    assert 'class="chart-bar series-8"' in html
    html = str(bars.bar_chart(days(1), [series(1, other=True)], label="x", table="t"))
    assert "series-1" not in html


@pytest.mark.parametrize("values", [[], [0], [None], [Decimal("0.5")], [10**18], [Decimal("1234.567")]])
def test_bars_are_well_formed_whatever_they_show(values):
    parse(bars.bar_chart(days(len(values)), [series(*values)] * 3, label="x", table="t"))


def test_hostile_series_stay_text():
    named = bars.Series(HOSTILE, [1], url=HOSTILE)
    html = bars.bar_chart([Point(HOSTILE, HOSTILE, 1, 1)], [named], label=HOSTILE, table=HOSTILE)
    parse(html)
    assert "<script" not in html


def test_a_forecast_goes_on_dashed_within_a_band():
    points = [Point(f"t{i}", f"Period {i}", value, 1) for i, value in enumerate((50, 100, 80, 60))]
    html = str(bands.band_chart(points, [None, (100, 100), (60, 100), (40, 80)], 2, label="x", table="t"))
    parse(html)
    paths = dict(re.findall(r'<path class="(\S+(?: chart-dash)?)" d="([^"]*)"', html))
    assert paths["chart-line"] == "M0 132L333.33 12"
    assert paths["chart-line chart-dash"] == "M333.33 12L666.67 60L1000 108"
    assert paths["chart-band"] == "M333.33 12L666.67 12L1000 60L1000 156L666.67 108L333.33 12Z"
    assert 'data-ys="132 12 60 108"' in html


@pytest.mark.parametrize("values", [[], [5], [None, None], [1, None, 3], [0, 10**18], [Decimal("0.5")] * 100])
def test_a_forecast_is_well_formed_whatever_it_shows(values):
    points = [Point("t", HOSTILE, value, 1) for value in values]
    for band in (None, (0, 10**19), (Decimal("0.1"), Decimal("0.7"))):
        html = bands.band_chart(points, [band] * len(values), 1, label=HOSTILE, table=HOSTILE)
        parse(html)
        assert "<script" not in html


def test_the_data_for_zooming_cannot_end_its_block_and_has_exact_texts():
    points = [Point("a", "a</script><b>", Decimal("12345678901234567.89"), 1, "", "2026-01-01", "2026-01-01")] * 2
    html = str(charts.line_chart(points, label="x", unit="</script>", table="t", zoom=True, before=points))
    parse(html)
    assert html.count("</script>") == 1
    data = json.loads(re.search(r'class="chart-data">(.*)</script>', html)[1])
    assert data["texts"][0] == "12,345,678,901,234,567.89 </script>"
    assert data["first"] == ["2026-01-01"] * 2
    assert html.count("chart-before") == 1
