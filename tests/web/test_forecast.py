"""The panel of the forecast: the figures of the API in words, a chart and a table that agree, else a sentence."""

from __future__ import annotations

import re

import pytest

from fluxrate.core.forecast.reading import forecast
from fluxrate.core.query import Query
from fluxrate.core.windows import Window
from fluxrate.core.zones import DAY
from fluxrate.web.formats import number
from tests.web.conftest import instance_in, visible

HTMX = {"HX-Request": "true"}
HOSTILE = "\"><script>alert(1)</script>&'"


@pytest.fixture
def instance(tmp_path):
    """A hundred days on one meter with a hostile name."""
    made = instance_in(tmp_path)
    meter, customer = made.meter("calls", HOSTILE, unit=HOSTILE[:20]), made.customer("acme", None)
    for ago in range(100):
        made.send(meter, customer, 100 + 30 * (ago % 7 == 2) + ago * 7 % 11, ago=ago * DAY + 1)
    made.meter("fresh", "Fresh")
    gauge = made.meter("gauge", "Gauge", aggregation_type="LAST")
    for ago in (3, 9):
        made.send(gauge, customer, 1, ago=ago * DAY)
    yield made
    made.services.close()


def shown(instance, **query: str) -> str:
    answer = instance.client.get("/panels/usage_forecast", query_string=query, headers=HTMX)
    assert answer.status_code == 200
    assert "notice-bad" not in answer.text
    return answer.text


def test_the_panel_shows_what_the_api_answers(instance):
    """The total with its interval, the method and its error, and a row of the table for each point of the chart."""
    html, parts = shown(instance, meter="calls"), instance.services
    meter, now = parts.catalog.meter("calls"), parts.clock()
    found = forecast(parts.engine, meter, parts.registry.metrics.get("SUM"), Query(Window(0, now, "UTC"), "day"), now)
    text = visible(html)
    assert f"Next 30 days {number(found.total)}" in text
    assert f"80% between {number(found.total_lower)} and {number(found.total_upper)}" in text
    assert found.method == "holt_winters"
    assert f"By Holt-Winters with a season of 7 days. Tried {found.origins} times on the past" in text
    assert f"(MASE {found.mase:.2f}; seasonal naive " in text
    points = re.search(r'data-ys="([^"]*)"', html)[1].split(" ")
    rows = re.findall(r"<tr><td data-read=", html)
    assert len(points) == len(rows) == 60 + 30
    for step in found.steps:
        assert f'<td class="figure" data-read="{number(step.usage)} ' in html
        assert f"{number(step.lower)} – {number(step.upper)}" in html
    assert html.count("(forecast)") == 30
    assert "<script" not in html.replace('<script type="application/json"', "")


def test_by_the_grouping_of_the_page(instance):
    """Weeks where the page shows weeks; days where it shows hours. A window of the past changes nothing."""
    assert "Next 12 weeks" in visible(shown(instance, meter="calls", group_by="week"))
    assert "Next 30 days" in visible(shown(instance, meter="calls", group_by="hour"))
    past = {"start_date": "2020-01-01", "end_date": "2020-02-01"}
    assert visible(shown(instance, meter="calls", **past)) == visible(shown(instance, meter="calls"))


def test_what_has_no_forecast_says_why(instance):
    assert "Fresh has no forecast yet." in visible(shown(instance, meter="fresh"))
    assert "The LAST of a day without events is unknown" in visible(shown(instance, meter="gauge"))
