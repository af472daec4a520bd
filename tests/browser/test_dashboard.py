"""The dashboard in a browser: panels come by themselves, the chart is read with keys and pointer, and a press on a
figure opens the events that make it.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import EMAIL, PASSWORD

SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shifts += entry.value; })
  .observe({ type: "layout-shift", buffered: true });
"""


def settled(page):
    """The page with all its panels."""
    page.wait_for_selector(".panel")
    page.wait_for_selector("[data-awaited]", state="detached")
    return page


def figure_of_log(page):
    """What the Usage Logs say the events they list come to."""
    page.wait_for_url("**/logs?**")
    heads = page.locator(".results-head").inner_text()
    return re.search(r"(?:Sum|Count)\s+([0-9.,]+)", heads).group(1)


def test_every_press_on_a_figure_opens_events_of_that_sum(open_page):
    page = open_page()
    places = {
        "tile": ("#panel-headline .head-figure a", "#panel-headline .head-figure a"),
        "rank": (".ranks tbody tr:nth-child(2) .rank a", ".ranks tbody tr:nth-child(2) td:nth-child(4)"),
        "share": (".ranks tbody tr:nth-child(3) .share a", ".ranks tbody tr:nth-child(3) td:nth-child(4)"),
        "meter": (".meters tbody tr:nth-child(1) .figure a", ".meters tbody tr:nth-child(1) .figure a"),
    }
    for place, (pressed, shown) in places.items():
        settled(page).goto("/?meter=miles&timezone=Asia/Kathmandu")
        settled(page)
        figure = page.locator(shown).first.evaluate("node => node.firstElementChild?.textContent || node.textContent")
        page.locator(pressed).first.click()
        assert figure_of_log(page) == figure.strip(), place
        page.go_back()


@pytest.mark.parametrize("press", ["pointer", "key", "table"])
def test_a_bucket_of_the_trend_opens_its_events(open_page, press):
    page = open_page()
    page.goto("/?meter=miles&timezone=Asia/Kathmandu")
    settled(page)
    rows = page.locator("#trend-table tbody tr")
    last = rows.last.locator("td").nth(1).text_content().strip()
    assert last != "0"
    if press == "table":
        page.click("text=Show table")
        rows.last.locator("td").nth(1).locator("a").click()
    elif press == "key":
        page.focus(".chart")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
    else:
        plot = page.locator(".u-over:visible, .chart-plot:visible").first.bounding_box()
        page.mouse.move(plot["x"] + plot["width"] - 2, plot["y"] + 60)
        page.mouse.click(plot["x"] + plot["width"] - 2, plot["y"] + 60)
    assert figure_of_log(page) == last


def test_the_first_load_asks_one_host_once_for_each_panel_and_moves_nothing(chromium, open_page, address):
    # A context of its own has an empty cache, and hears of nothing that an earlier page asked for.
    context = chromium.new_context(base_url=address, storage_state=open_page().context.storage_state())
    context.clear_cookies(name="fluxrate_panels")
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(SHIFTS)
    page.goto("/?meter=miles")
    settled(page)
    page.wait_for_load_state("networkidle")
    assert all(url.startswith(address) for url in asked)
    assert sum("/panels/" in url for url in asked) == page.locator(".panel").count()
    assert page.evaluate("window.shifts") < 0.1
    context.close()


def test_a_panel_that_gets_no_answer_says_so_and_can_be_asked_again(open_page, messages):
    page = settled(open_page())
    held = []
    page.route("**/panels/trend**", lambda route: held.append(route))
    page.goto("/?meter=miles")
    lost = page.locator("#panel-trend .lost")
    expect(page.locator("[data-awaited]")).to_have_count(1)
    below = page.locator("#panel-all_meters").bounding_box()["y"]
    held[0].abort()
    expect(lost).to_contain_text("The server did not answer")
    assert page.locator("#panel-all_meters").bounding_box()["y"] == below
    expect(page.locator("#panel-headline .head-figure").first).to_be_visible()
    page.unroute("**/panels/trend**")
    lost.get_by_text("Try again").click()
    expect(page.locator("#panel-trend .chart")).to_be_visible()
    assert all("ERR_FAILED" in message or "fetch" in message for message in messages)
    messages.clear()


def test_on_a_phone_the_bar_has_room_for_long_windows_and_zones(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto("/?start_date=2025-11-27&end_date=2026-11-25&timezone=America/Argentina/Buenos_Aires")
    zone, window = page.locator("#zone-menu"), page.locator("#window-menu")
    assert zone.get_by_text("Buenos_Aires").bounding_box()["width"] > 60
    window.locator("summary").click()
    inside(page, window.locator(".menu-body"))
    zone.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(window.locator(".menu-body")).to_be_hidden()
    inside(page, zone.locator(".menu-body"))
    zone.locator("input").last.focus()
    page.keyboard.press("Escape")
    expect(zone.locator("summary")).to_be_focused()


def inside(page, menu):
    """The menu is wholly on the screen, and nothing scrolls sideways."""
    box = menu.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert page.evaluate("document.scrollingElement.scrollWidth") == 390


def test_of_two_wrong_fields_in_the_bar_one_menu_opens(open_page, messages):
    page = open_page()
    page.goto("/?start_date=nonsense&timezone=Mars")
    expect(page.locator("#window-menu .note-bad")).to_be_visible()
    expect(page.locator("#zone-menu .menu-body")).to_be_hidden()
    messages.clear()


def test_panels_are_arranged_with_buttons(open_page):
    page = settled(open_page())
    page.click("text=Arrange panels")
    expect(page.get_by_label("Move Figures up")).to_be_disabled()
    expect(page.get_by_label("Move Figures down")).to_be_enabled()
    expect(page.get_by_label("Move Metering health down")).to_be_disabled()
    page.get_by_label("Move Meters up").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**arrange=1**")
    page.get_by_label("Hide Metering health").click()
    page.get_by_label("Show Metering health").wait_for()
    settled(page).goto("/?meter=flights")
    names = settled(page).locator(".panel").evaluate_all("found => found.map((one) => one.id)")
    names = [name.removeprefix("panel-") for name in names]
    assert names == ["headline", "trend", "all_meters", "top_customers", "usage_forecast", "usage_decline"]
    page.click("text=Arrange panels")
    page.click("text=Show all in their first order")
    expect(page.locator("#panel-intake")).to_be_visible()


def test_all_of_it_is_there_without_script(chromium, address):
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/?panels=all")
    expect(page.locator("#panel-intake")).to_contain_text("Late events")
    page.locator(".tab", has_text="Flights").click()
    page.wait_for_url("**meter=flights**")
    expect(page.locator("#panel-headline")).to_contain_text("30")
    page.locator(".ranks td.clip a").first.click()
    page.wait_for_url("**/logs?**")
    context.close()


def test_the_chart_reads_out_what_its_table_says(open_page):
    page = open_page()
    page.goto("/?meter=miles")
    page.focus(".chart")
    page.keyboard.press("End")
    readout = page.locator("#panel-trend .chart-readout")
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
