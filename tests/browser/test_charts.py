"""The large chart with script: drawn by uPlot, read with keys, zoomed by a drag, saved as a file; and the palette."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from playwright.sync_api import expect


def chart_of(page, query=""):
    page.goto(f"/?meter=miles{query}")
    expect(page.locator(".chart-live canvas")).to_be_visible()
    return page.locator(".chart-live")


def test_a_drag_sets_the_window(open_page):
    page = open_page()
    chart = chart_of(page)
    data = json.loads(chart.locator(".chart-data").text_content())
    box = chart.locator(".u-over").bounding_box()
    step = box["width"] / (len(data["values"]) - 1)
    page.mouse.move(box["x"] + 10 * step, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 15 * step, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url("**start_date=**")
    assert f"start_date={data['first'][10]}" in page.url
    assert f"end_date={data['last'][15]}" in page.url
    assert "meter=miles" in page.url
    page.go_back()
    expect(page.locator("#window-menu summary")).to_have_text("Last 30 days")


def test_keys_read_every_series_and_a_press_opens_the_events(open_page):
    page = open_page()
    chart = chart_of(page)
    data = json.loads(chart.locator(".chart-data").text_content())
    chart.focus()
    page.keyboard.press("End")
    readout = page.locator("#panel-trend .chart-readout")
    expect(readout).to_contain_text("so far")
    expect(readout).to_contain_text(data["texts"][-1])
    expect(readout).to_contain_text("Before: ")
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text(data["periods"][-2])
    page.keyboard.press("Enter")
    page.wait_for_url("**/logs?**")
    assert f"start_date={data['first'][-2]}" in page.url
    assert "meter_id=miles" in page.url


def test_the_picture_is_saved_as_svg_and_png(open_page):
    page = open_page()
    chart_of(page)
    with page.expect_download() as svg:
        page.click("[data-save=svg]")
    root = ElementTree.fromstring(Path(svg.value.path()).read_bytes())
    assert "Miles flown" in "".join(root.itertext())
    expect(page.locator("#toasts")).to_contain_text("Saved trend-table.svg.")
    with page.expect_download() as png:
        page.click("[data-save=png]")
    assert Path(png.value.path()).read_bytes().startswith(b"\x89PNG")


def test_without_script_and_in_print_the_servers_picture_stands(open_page):
    page = open_page()
    chart_of(page)
    page.emulate_media(media="print")
    expect(page.locator(".chart-plot").first).to_be_visible()
    expect(page.locator(".chart-canvas")).to_be_hidden()


def test_the_palette_finds_and_goes(open_page):
    page = open_page()
    page.keyboard.press("Control+k")
    field = page.locator("#palette-text")
    expect(field).to_be_focused()
    page.keyboard.type("miles")
    chosen = page.locator("#palette-list [aria-selected=true]")
    expect(chosen).to_contain_text("Miles flown")
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(chosen).to_contain_text("Miles flown")
    page.fill("#palette-text", "health")
    expect(chosen).to_contain_text("Health")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/health")
