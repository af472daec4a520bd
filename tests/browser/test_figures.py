"""From the figures of the meter's and the customer's page to the events that make them: points, bars, their pieces."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect

ZONE = "timezone=Asia/Kathmandu"


def sum_of_log(page):
    """What the Usage Logs say the events they list come to."""
    page.wait_for_url("**/logs?**")
    return re.search(r"(?:Sum|Count)\s+([0-9.,]+)", page.locator(".results-head").inner_text()).group(1)


@pytest.mark.parametrize("path", ["/meters/miles", "/customers/B6?meter=miles"])
@pytest.mark.parametrize("press", ["pointer", "key"])
def test_a_point_of_a_trend_opens_its_events(open_page, path, press):
    page = open_page()
    page.goto(f"{path}{'&' if '?' in path else '?'}{ZONE}")
    expect(page.locator(".chart-live canvas")).to_be_visible()
    last = page.locator("#trend-table tbody tr").last.locator("td").nth(1).text_content().strip()
    assert last != "0"
    if press == "key":
        page.focus(".chart-live")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
    else:
        plot = page.locator(".u-over").bounding_box()
        page.mouse.click(plot["x"] + plot["width"] - 2, plot["y"] + 60)
    assert sum_of_log(page) == last


def bars(page):
    page.goto(f"/meters/miles?{ZONE}&breakdown=meta.origin")
    chart = page.locator(".chart-bars")
    expect(chart).to_be_visible()
    return chart


def test_a_piece_of_a_bar_opens_the_events_of_its_value(open_page):
    page = open_page()
    piece = bars(page).locator(".chart-bar.series-1").last
    row = page.locator("#breakdown-table tbody tr").last
    figure = row.locator("td").nth(1).text_content().strip()
    piece.click()
    assert sum_of_log(page) == figure != "0"
    assert "meta.origin=JFK" in page.url


def test_keys_read_a_bar_value_by_value_and_open_its_bucket(open_page):
    page = open_page()
    chart = bars(page)
    chart.focus()
    page.keyboard.press("End")
    readout = chart.locator(".chart-readout")
    expect(readout).to_contain_text("so far")
    expect(readout).to_contain_text("JFK: ")
    page.keyboard.press("Enter")
    page.wait_for_url("**/logs?**")
    assert "meta.origin" not in page.url
    assert "meter_id=miles" in page.url


def test_the_table_of_values_lights_its_bars(open_page):
    page = open_page()
    chart = bars(page)
    page.hover(".parts tbody tr:first-child")
    expect(chart.locator(".bar-lit").first).to_be_attached()
    page.mouse.move(5, 5)
    expect(chart.locator(".bar-lit")).to_have_count(0)


def test_a_key_is_chosen_and_the_window_stays(open_page):
    page = open_page()
    page.goto("/meters/miles?start_date=2020-01-01&end_date=2020-01-31&breakdown=meta.origin")
    expect(page.locator("#breakdown")).to_contain_text("No events in this window.")
    expect(page.locator("#breakdown input[name=start_date]")).to_have_value("2020-01-01")


def test_a_saved_picture_of_bars_says_what_its_colours_are(open_page):
    page = open_page()
    bars(page)
    with page.expect_download() as saved:
        page.click("[data-of=breakdown-table][data-save=svg]")
    root = ElementTree.fromstring(Path(saved.value.path()).read_bytes())
    texts = [part.text for part in root.iter() if part.tag.endswith("text")]
    assert "JFK" in texts
    assert texts[0] == "Miles flown by origin and day, Asia/Kathmandu"


@pytest.mark.parametrize("place", [0, 1, 2], ids=["today", "this week", "this month"])
def test_the_figures_so_far_open_their_events(open_page, place):
    page = open_page()
    page.goto("/meters/miles?timezone=Asia/Kathmandu")
    link = page.locator(".life a").nth(place)
    figure = link.inner_text()
    link.click()
    assert sum_of_log(page) == figure
