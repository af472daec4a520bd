"""The dashboard: panels in their order, each failing alone, and an instance without meters that says what to do."""

from __future__ import annotations

import logging

from fluxrate.core.errors import Unavailable
from fluxrate.plugin import Panel, Plugin
from tests.web.conftest import instance_in, visible


def test_the_first_meter_is_shown_and_another_can_be_chosen(filled):
    first = visible(filled.client.get("/").text)
    assert "Calls by day" in first
    other = visible(filled.client.get("/?meter=bytes").text)
    assert "Maximum 9,000 B" in other


def test_the_panels_stand_in_their_order(filled):
    html = filled.client.get("/").text
    places = [html.index(f'id="panel-{name}"') for name in ("trend", "top_customers", "all_meters")]
    assert places == sorted(places)


def test_the_table_says_what_the_chart_shows(filled):
    html = filled.client.get("/").text
    assert 'data-chart="trend-table"' in html
    assert 'id="trend-table"' in html
    total = visible(html.split("<tfoot>")[1].split("</tfoot>")[0])
    assert total == "Whole window 10,140 120"


def test_customers_lead_to_their_events(filled):
    html = filled.client.get("/?start_date=2020-01-01&end_date=2099-01-01&group_by=month").text
    assert (
        'href="/logs?start_date=2020-01-01&amp;end_date=2099-01-01&amp;meter_id=api_calls&amp;customer_id=airy"' in html
    )


def test_one_failing_panel_keeps_the_page(tmp_path, caplog):
    def broken(context):
        raise RuntimeError("a secret detail")

    def away(context):
        raise Unavailable("The ledger is away.")

    plugin = Plugin(
        "broken",
        panels=(
            Panel("broken", "Broken", "panels/none.html", broken, rank=1),
            Panel("away", "Away", "panels/none.html", away, rank=2),
            Panel("lost", "Lost template", "panels/none.html", lambda context: {}, rank=3),
            Panel("silent", "Silent", "panels/none.html", lambda context: None, rank=4),
        ),
    )
    instance = instance_in(tmp_path, plugin)
    instance.send(instance.meter("m", "M"), instance.customer("c", None), 1)
    with caplog.at_level(logging.ERROR):
        answer = instance.client.get("/")
    assert answer.status_code == 200
    assert answer.text.count("This part could not be made.") == 2
    assert "The ledger is away." in answer.text
    assert "a secret detail" not in answer.text
    assert "Silent" not in answer.text
    assert 'id="panel-top_customers"' in answer.text
    assert "a secret detail" in caplog.text
    instance.services.close()


def test_an_empty_instance_shows_the_first_three_steps(empty):
    html = empty.client.get("/").text
    for command in ("fluxrate meters create", "fluxrate keys create", "/api/v1/sdk/track", 'name="meter_name"'):
        assert command in html


def test_a_meter_without_events_says_how_to_send_one(empty):
    meter = empty.meter("fresh", "Fresh")
    html = empty.client.get("/").text
    assert meter.meter_token in html
    assert "It has none yet" in html


def test_a_window_without_events_leads_to_the_latest(filled):
    html = filled.client.get("/?start_date=2001-01-01&end_date=2001-01-31").text
    assert "No events on API calls in this window." in visible(html)
    assert "show the days around it" in html


def test_bad_parameters_stand_next_to_their_field_and_the_page_stands(filled):
    answer = filled.client.get("/?start_date=soon&timezone=Nowhere&meter=ghost&group_by=blink")
    assert answer.status_code == 422
    assert "From is a date such as 2025-01-31" in answer.text
    assert "The time zone is an IANA name" in answer.text
    assert "No meter has the name or id" in answer.text
    assert "group_by is one of" in answer.text
    assert 'id="trend-table"' in answer.text


def test_every_grouping_of_a_long_window_answers(filled):
    for group in ("minute", "hour", "day", "week", "month", "quarter", "year"):
        assert filled.client.get(f"/?group_by={group}&start_date=1990-01-01&end_date=2030-01-01").status_code == 200


def test_many_meters_are_chosen_from_a_list_that_works_without_script(empty):
    for i in range(9):
        empty.meter(f"m{i}", f"Meter {i}")
    html = empty.client.get("/?meter=m7").text
    assert '<select class="input" id="meter" name="meter" data-autosubmit>' in html
    assert '<option value="m7" selected>Meter 7</option>' in html
    assert "Show meter" in html
