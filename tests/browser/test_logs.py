"""The Usage Logs in a browser: live filters, the URL follows, back restores, and all of it without script too."""

from __future__ import annotations

import re
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from tests.web.conftest import EMAIL, PASSWORD, instance_in

NOTHING = re.compile(r"^\s*0 of 90 events")
WHERE = "cells => cells.map((cell) => [cell.getBoundingClientRect().x, cell.getBoundingClientRect().width])"


def query(page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def rows(page):
    return page.locator("#results tr[data-row]")


def head(page):
    return page.locator(".results-head")


def test_typing_filters_the_list_and_the_url_follows(open_page):
    page = open_page()
    page.click("[data-place=logs]")
    expect(head(page)).to_contain_text("90 events")
    page.select_option("#meter_id", "miles")
    expect(head(page)).to_contain_text("60 of 90 events")
    page.keyboard.press("Escape")
    page.locator("#customer_id").press_sequentially("united", delay=20)
    expect(head(page)).to_contain_text("20 of 90 events")
    page.locator("#min_quantity").press_sequentially("1500", delay=20)
    expect(head(page)).to_contain_text("6 of 90 events")
    expect(head(page)).to_contain_text("Sum 10,500 miles")
    expect(rows(page)).to_have_count(6)
    for text in rows(page).locator(".customer-cell").all_inner_texts():
        assert text == "United Air Lines UA"
    found = query(page)
    assert (found["meter_id"], found["customer_id"], found["min_quantity"]) == ("miles", "UA", "1500")
    page.reload()
    expect(rows(page)).to_have_count(6)
    expect(page.locator("#min_quantity")).to_have_value("1500")


def test_back_and_forward_restore_list_and_form(open_page):
    page = open_page()
    page.goto("/logs")
    page.select_option("#meter_id", "miles")
    expect(head(page)).to_contain_text("60 of 90 events")
    page.fill("#min_quantity", "1900")
    expect(rows(page)).to_have_count(6)
    page.go_back()
    expect(head(page)).to_contain_text("60 of 90 events")
    expect(page.locator("#min_quantity")).to_have_value("")
    expect(page.locator("#meter_id")).to_have_value("miles")
    page.go_back()
    expect(head(page)).to_contain_text("90 events")
    expect(page.locator("#meter_id")).to_have_value("")
    page.go_forward()
    expect(page.locator("#meter_id")).to_have_value("miles")
    page.fill("#min_quantity", "2000")
    expect(rows(page)).to_have_count(3)


def test_a_field_that_cannot_be_read_keeps_the_list(open_page):
    page = open_page()
    page.goto("/logs?meter_id=miles")
    page.fill("#min_quantity", "12x")
    expect(page.locator("#note-min_quantity")).to_contain_text("The minimum is a decimal number")
    expect(page.locator("#stale")).to_be_visible()
    expect(head(page)).to_contain_text("60 of 90 events")
    assert "min_quantity" not in query(page)
    page.fill("#min_quantity", "12")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#note-min_quantity")).to_have_text("")


def test_numbered_pages_swap_the_list(open_page):
    page = open_page()
    page.goto("/logs?page_size=25")
    page.focus("#page-2")
    page.keyboard.press("Enter")
    expect(page.locator(".page[aria-current]")).to_have_text("2")
    expect(page.locator(".page[aria-current]")).to_be_focused()
    assert query(page)["as_of"] == "90"
    page.select_option("#page_size", "100")
    expect(rows(page)).to_have_count(90)


def test_a_row_opens_its_details_and_an_id_can_be_copied(open_page):
    page = open_page()
    page.goto("/logs?meter_id=miles&customer_id=UA")
    rows(page).first.locator(".time-cell").click()
    detail = page.locator("tr.detail").first
    expect(detail).to_be_visible()
    expect(detail).to_contain_text("UA-0")
    detail.locator("[data-copy]").first.click()
    expect(detail.locator("[data-copied]")).to_be_visible()


def test_a_session_that_ended_leads_to_the_sign_in_page(open_page):
    page = open_page()
    page.goto("/logs")
    page.context.clear_cookies()
    page.fill("#min_quantity", "1900")
    page.wait_for_url("**/sign-in?next=**")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator("#min_quantity")).to_have_value("1900")


def test_a_server_that_is_away_is_named_and_the_list_stays(open_page, messages):
    page = open_page()
    page.goto("/logs?meter_id=miles")
    page.route("**/logs?**", lambda route: route.abort(), times=1)
    page.fill("#min_quantity", "1900")
    expect(page.locator("#stale")).to_contain_text("The server did not answer")
    expect(head(page)).to_contain_text("60 of 90 events")
    page.fill("#min_quantity", "1800")
    expect(rows(page)).to_have_count(9)
    expect(page.locator("#stale")).to_be_hidden()
    assert "Failed to load resource: net::ERR_FAILED" in messages
    messages.clear()


def test_the_slash_key_goes_to_the_customer(open_page):
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.wait_for_selector("#results")
    page.keyboard.press("/")
    expect(page.locator("#customer_id")).to_be_focused()
    page.goto("/")
    page.keyboard.press("/")
    expect(page.locator("#customer_id")).to_be_focused()


def test_it_all_works_without_script(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/logs")
    page.select_option("#meter_id", "miles")
    page.fill("#customer_id", "DL")
    page.fill("#min_quantity", "1900")
    page.click("text=Show events")
    expect(rows(page)).to_have_count(2)
    assert query(page)["customer_id"] == "DL"
    rows(page).first.locator("label.open").click()
    expect(page.locator("tr.detail").first).to_be_visible()


def test_nothing_scrolls_sideways_on_a_phone_and_filters_fold(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    for path in ("/", "/logs", "/logs?meter_id=miles&customer_id=UA"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.locator(".filters-fold")).to_have_text("Filters · 2")
    expect(page.locator("#min_quantity")).to_be_hidden()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.click(".filters-fold")
    expect(page.locator("#min_quantity")).to_be_visible()
    page.wait_for_timeout(400)
    assert [url for url in asked if "news" not in url] == []
    page.fill("#min_quantity", "1900")
    expect(rows(page)).to_have_count(2)
    expect(page.locator(".filters-fold")).to_have_text("Filters · 3")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_a_row_that_opens_moves_no_column(open_page, width):
    page = open_page(viewport={"width": width, "height": 844})
    page.goto("/logs")
    cells = rows(page).first.locator("td")
    before = cells.evaluate_all(WHERE)
    rows(page).first.locator("label.open").click()
    detail = page.locator("tr.detail").first
    expect(detail).to_be_visible()
    assert cells.evaluate_all(WHERE) == before
    assert detail.locator("td").bounding_box()["width"] == rows(page).first.bounding_box()["width"]


def test_metadata_filters_as_it_is_typed_and_offers_another_field(open_page):
    page = open_page()
    page.goto("/logs")
    page.locator("#meta").press_sequentially("origin=JF", delay=20)
    expect(head(page)).to_contain_text(NOTHING)
    page.locator("#meta").press_sequentially("K", delay=20)
    expect(head(page)).to_contain_text("60 of 90 events")
    assert query(page)["meta.origin"] == "JFK"
    expect(page.locator("input[name=meta]")).to_have_count(2)
    page.locator("input[name=meta]").nth(1).fill("gate=7")
    expect(head(page)).to_contain_text(NOTHING)
    page.go_back()
    expect(head(page)).to_contain_text("60 of 90 events")
    expect(page.locator("input[name=meta]").first).to_have_value("origin=JFK")
    expect(page.locator("input[name=meta]").nth(1)).to_have_value("")
    page.fill("#meta", "nothing")
    expect(page.locator("#note-meta")).to_contain_text("such as region=eu")
    expect(head(page)).to_contain_text("60 of 90 events")


def test_a_jump_to_a_time_shows_the_page_around_it(open_page):
    page = open_page()
    page.goto("/logs?page_size=25")
    shown = page.locator("#at").input_value()
    page.click("#page-4")
    expect(page.locator(".page[aria-current]")).to_have_text("4")
    page.fill("#at", shown)
    page.click(".jump button")
    expect(page.locator(".page[aria-current]")).to_have_text("1")
    assert query(page)["as_of"] == "90"
    assert "at" not in query(page)


def test_an_export_is_a_file_of_the_list(open_page):
    page = open_page()
    page.goto("/logs?meter_id=miles&customer_id=UA&min_quantity=1900")
    page.click("#export-menu summary")
    with page.expect_download() as saved:
        page.click("#export-csv")
    assert saved.value.suggested_filename == "usage-logs-90.csv"
    lines = saved.value.path().read_text("utf-8").splitlines()
    assert len(lines) == 3
    assert all(",UA," in line for line in lines[1:])


def test_the_whole_event_opens_by_key_and_on_its_own_page(open_page):
    page = open_page()
    page.goto("/logs?meter_id=miles&customer_id=UA")
    box = page.locator("#results .open input").first
    box.focus()
    page.keyboard.press("Space")
    detail = page.locator("tr.detail").first
    expect(detail.locator(".json")).to_have_text('{ "origin": "JFK" }')
    detail.locator("text=Open on its own page").click()
    expect(page.locator("h1")).to_have_text("Event")
    expect(page.locator(".json")).to_contain_text("JFK")


@pytest.fixture
def arriving(tmp_path, chromium, messages):
    """A page that is signed in, and a way to send it an event more; no message of console or policy may come."""
    made = arrivals(tmp_path)
    address, send = next(made)
    context = chromium.new_context(base_url=address)
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda message: messages.append(message.text))
    page.goto("/sign-in?next=/logs")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    yield page, send
    context.close()
    next(made, None)
    assert messages == []


def arrivals(folder):
    instance = instance_in(folder)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    instance.send(meter, customer, 1)
    server = make_server("127.0.0.1", 0, instance.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", lambda quantity: instance.send(meter, customer, quantity)
    server.shutdown()
    thread.join()
    instance.services.close()


def test_new_events_are_offered_then_followed_and_stand_still_while_a_row_is_open(arriving):
    page, send = arriving
    expect(head(page)).to_contain_text("1 event")
    send(2)
    send(3)
    expect(page.locator("#news")).to_contain_text("2 new events")
    expect(rows(page)).to_have_count(1)
    page.click("#newer")
    expect(rows(page)).to_have_count(3)
    page.click("#follow")
    expect(page.locator("#news")).to_contain_text("Following new events")
    assert query(page)["live"] == "true"
    send(4)
    expect(rows(page)).to_have_count(4)
    expect(page.locator("tr.fresh")).to_have_count(1)
    rows(page).first.locator("label.open").click()
    send(5)
    expect(page.locator("#news")).to_contain_text("Paused while you read")
    expect(rows(page)).to_have_count(4)
    rows(page).first.locator("label.open").click()
    expect(rows(page)).to_have_count(5)
    page.fill("#min_quantity", "4")
    expect(rows(page)).to_have_count(2)
    assert query(page)["live"] == "true"
    page.click("#stop")
    expect(page.locator("#follow")).to_be_visible()
    assert "live" not in query(page)
