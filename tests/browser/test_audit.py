"""Voiding and the audit trail in a real browser, also without any script, under the strict policy."""

from __future__ import annotations

import pytest

from tests.browser.conftest import served
from tests.web.conftest import EMAIL


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """An application of their own: these tests change it."""
    yield from served(tmp_path_factory.mktemp("changed"))


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_an_event_is_voided_and_the_trail_says_so(open_page, script):
    page = open_page(java_script_enabled=script)
    page.goto("/logs?meter_id=flights")
    before = page.locator(".log .voided").count()
    page.locator("tr[data-row]:not(:has(.voided)) .open").first.click()
    page.locator("a:visible", has_text="Void this event").click()
    page.get_by_label("Reason").fill(f"typed by hand, script {script}")
    page.get_by_role("button", name="Void event").click()
    page.wait_for_url("**/logs?meter_id=flights")
    assert page.locator(".log .voided").count() == before + 1
    page.goto("/settings/audit?action=event.voided")
    first = page.locator(".trail tbody tr").first
    assert f"typed by hand, script {script}" in first.inner_text()
    assert EMAIL in first.inner_text()


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_of_the_trail_scrolls_sideways(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    page.goto("/settings/audit")
    assert page.locator(".trail tbody tr").count() > 0
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_what_is_chosen_is_shown_at_once(open_page):
    """The list of actions narrows without the button; `g a` leads to the page."""
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("a")
    page.wait_for_url("**/settings/audit*")
    page.select_option("#action", "user.signed_in")
    page.wait_for_url("**action=user.signed_in**")
    assert {row.split("\t")[1].strip() for row in page.locator(".trail tbody tr").all_inner_texts()} == {"Signed in"}
