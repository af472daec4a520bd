"""The health page in a browser: two keys lead there, nothing scrolls sideways, and the policy has nothing to say."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


def test_two_keys_lead_to_the_health_page(open_page):
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url("**/settings/health")
    expect(page.locator("h1")).to_have_text("Health")
    expect(page.locator("[data-place=health]")).to_have_attribute("aria-current", "page")
    page.click("text=Miles flown")
    page.wait_for_url("**/meters/miles")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_scrolls_sideways(open_page, width):
    page = open_page(viewport={"width": width, "height": 900})
    page.goto("/settings/health")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    expect(page.locator(".held tfoot")).to_contain_text("All meters")
    here = page.locator("[data-place=health], .settings-places [aria-current]").filter(visible=True)
    expect(here).to_have_text("Health")
