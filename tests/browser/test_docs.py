"""The API reference in a browser: the vendored viewer works under the strict policy and asks no other host."""

from __future__ import annotations

from playwright.sync_api import expect

READ_A_METER = "/api/v1/meters/{meter}"


def test_every_operation_is_shown_and_one_can_be_tried(open_page, address):
    """Opened, filled in and sent without a word from console or policy."""
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    paths = page.request.get("/openapi.json").json()["paths"]
    page.goto("/docs")
    expect(page.locator(".opblock")).to_have_count(sum(len(set(path) - {"parameters"}) for path in paths.values()))
    block = page.locator(".opblock-get", has=page.locator(f'[data-path="{READ_A_METER}"]'))
    block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").click()
    block.locator('input[placeholder="meter"]').fill("miles")
    block.locator(".execute").click()
    expect(block.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text("200")
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_the_dark_theme_follows_the_system(open_page):
    """The viewer's theme hangs on a class, which our script sets."""
    page = open_page(color_scheme="dark")
    page.goto("/docs")
    expect(page.locator("html")).to_have_class("dark-mode")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).not_to_have_class("dark-mode")
