"""The dashboard in a browser: the chart is read with keys and pointer, and the theme is remembered."""

from __future__ import annotations

from playwright.sync_api import expect


def test_the_chart_reads_out_what_its_table_says(open_page):
    page = open_page()
    page.goto("/?meter=miles")
    page.focus(".chart")
    page.keyboard.press("End")
    readout = page.locator(".chart-readout")
    last = page.locator("#trend-table tbody tr").last.locator("td").all_text_contents()
    expect(readout).to_contain_text("so far")
    expect(readout).to_contain_text(f"{last[1].strip()} miles")
    page.keyboard.press("ArrowLeft")
    expect(readout).not_to_contain_text("so far")
    page.locator("h1").hover()
    page.keyboard.press("Tab")
    expect(readout).to_be_hidden()
    page.locator(".u-over").hover(position={"x": 5, "y": 50})
    first = page.locator("#trend-table tbody tr").first.locator("td").first.inner_text
    page.click("text=Show table")
    page.locator(".u-over").hover(position={"x": 5, "y": 50})
    expect(readout).to_contain_text(first())


def test_another_meter_and_window_are_one_press_away(open_page):
    page = open_page()
    page.click("text=Miles flown >> nth=0")
    expect(page.locator(".tab[aria-current]")).to_have_text("Miles flown")
    page.click("#window-menu summary")
    page.click("text=Last 7 days")
    expect(page.locator("#window-menu summary")).to_have_text("Last 7 days")
    assert "meter=miles" in page.url
    page.click("#zone-menu summary")
    page.fill("#timezone", "Asia/Tokyo")
    page.click("text=Show this zone")
    expect(page.locator("#zone-menu summary")).to_have_text("Asia/Tokyo")
    assert "meter=miles" in page.url


def test_the_theme_is_remembered(open_page):
    page = open_page(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(251, 251, 250)"
    page.click("[data-theme-switch]")
    page.click("[data-theme-switch]")
    assert page.evaluate(ground) == "rgb(19, 20, 22)"
    page.reload()
    assert page.evaluate(ground) == "rgb(19, 20, 22)"
    expect(page.locator("[data-theme-name]")).to_have_text("dark")


def test_signing_out_closes_the_pages(open_page):
    page = open_page()
    page.click("text=Sign out")
    page.wait_for_url("**/sign-in")
    page.goto("/logs")
    assert "/sign-in?next=" in page.url
