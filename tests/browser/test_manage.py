"""Meters, customers, keys, settings and the first run in a real browser, also without any script, under the policy."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import served, serving
from tests.web.conftest import instance_in

PAGES = (
    "/meters",
    "/meters/new",
    "/meters/miles",
    "/meters/miles/edit",
    "/meters/miles/archive",
    "/customers",
    "/customers/new",
    "/customers/UA",
    "/customers/UA/edit",
    "/settings",
    "/settings/keys",
    "/settings/accounts",
    "/settings/plugins",
    "/settings/audit",
    "/first-run?meter=miles",
)

RANKED = ".ranks:not(.parts) td.figure:not(.rank) a"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """An application of their own: these tests change it."""
    yield from served(tmp_path_factory.mktemp("managed"))


def sum_of(page) -> str:
    """The figure that the usage logs show beside their list."""
    return page.locator(".results-head p", has_text="Sum").locator("b").inner_text()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_meter_from_its_making_to_its_archiving(open_page, messages, script):
    page = open_page(java_script_enabled=script)
    name = f"made_{script}".lower()
    page.click("[data-place=meters]")
    page.get_by_role("link", name="Create meter").click()
    page.get_by_label("Name", exact=True).fill("Made by hand")
    page.get_by_label("Name in calls").fill("Made By Hand")
    page.get_by_role("button", name="Create meter").click()
    expect(page.locator("#note-meter_name")).to_contain_text("The name in calls is 1 to 63 of a-z")
    expect(page.locator("#name")).to_have_value("Made by hand")
    messages.clear()  # Chromium tells the console of a 422
    page.get_by_label("Name in calls").fill(name)
    page.get_by_role("button", name="Create meter").click()
    page.wait_for_url(f"**/meters/{name}")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Unit").fill("pages")
    page.get_by_role("button", name="Save changes").click()
    page.wait_for_url(f"**/meters/{name}")
    expect(page.locator(".head-first")).to_contain_text("pages")
    page.get_by_role("link", name="Archive").click()
    page.get_by_role("button", name="Archive meter").click()
    page.wait_for_url(f"**/meters/{name}")
    page.get_by_role("button", name="Restore meter").click()
    expect(page.locator(".restore")).to_have_count(0)


def test_the_figures_of_meter_and_customer_are_the_sums_of_their_events(open_page):
    page = open_page()
    for path, places in (
        (
            "/meters/miles",
            [".head-first a", f"{RANKED} >> nth=0", f"{RANKED} >> nth=2"],
        ),
        ("/customers/B6?meter=miles", [".head-first dd a", ".meters tr:has-text('Miles') td.figure a"]),
        ("/meters", [".meters tr:has-text('Miles') td.figure a"]),
    ):
        for place in places:
            page.goto(path)
            link = page.locator(place)
            figure = link.inner_text()
            assert re.fullmatch(r"[\d,]+", figure)
            link.click()
            page.wait_for_url("**/logs?**")
            assert sum_of(page) == figure


def test_a_meter_is_told_apart_by_the_chosen_key_and_code_stands_for_each_language(open_page):
    page = open_page()
    page.goto("/meters/miles")
    expect(page.locator(".parts tbody tr")).to_have_count(1)
    expect(page.locator(".parts tbody td").first).to_have_text("JFK")
    page.locator(".snippets label", has_text="Go").click()
    shown = page.locator(".snippet").filter(visible=True)
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("package main")
    page.keyboard.press("ArrowRight")
    expect(shown).to_contain_text("await fetch")


def test_the_code_is_chosen_without_script(open_page):
    page = open_page(java_script_enabled=False)
    page.goto("/meters/miles")
    page.click(".snippets label:has-text('Python')")
    expect(page.locator(".snippet").filter(visible=True)).to_contain_text("import urllib.request")


def test_customers_are_narrowed_while_typing_and_the_address_follows(open_page):
    page = open_page()
    page.click("[data-place=customers]")
    expect(page.locator(".people tbody tr")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("jet")
    expect(page.locator(".people tbody tr")).to_have_count(1)
    page.wait_for_url("**/customers?search=jet")
    expect(page.locator("#search")).to_be_focused()
    page.click("text=JetBlue Airways")
    expect(page.locator("h1")).to_contain_text("JetBlue Airways")
    page.go_back()
    expect(page.locator(".people tbody tr")).to_have_count(1)


def test_a_key_is_copied_once_and_revoked(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/settings/keys")
    page.get_by_label("Name").fill("from the browser")
    page.get_by_role("button", name="Create key").click()
    secret = page.locator(".secret code").inner_text()
    page.get_by_role("button", name="Copy key").click()
    expect(page.locator(".secret .copy[data-copied]")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.goto("/settings/keys")
    assert secret not in page.content()
    page.get_by_role("link", name="Revoke from the browser").click()
    page.get_by_role("button", name="Revoke key").click()
    page.wait_for_url("**/settings/keys")
    expect(page.locator(".over")).to_contain_text("from the browser")


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_nothing_scrolls_sideways(open_page, width):
    page = open_page(viewport={"width": width, "height": 900})
    for path in PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0, path
        assert page.locator("h1").count() == 1, path


def test_a_narrow_screen_reaches_what_is_under_settings(open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    assert page.locator(".side a:visible").count() == 5
    page.click("[data-place=settings]")
    page.click(".settings-places >> text=API keys")
    page.wait_for_url("**/settings/keys")
    page.goto("/settings")
    page.locator(".self >> text=Sign out").click()
    page.wait_for_url("**/sign-in")


class TestFirstRun:
    """A new instance."""

    @pytest.fixture
    def address(self, tmp_path):
        yield from serving(instance_in(tmp_path))

    def test_from_nothing_to_the_first_event_arriving_live(self, open_page, address):
        page = open_page()
        page.get_by_label("Name in calls").fill("api_calls")
        page.get_by_role("button", name="Create meter").click()
        page.wait_for_url("**/first-run?meter=api_calls")
        page.get_by_role("button", name="Create key").click()
        command = page.locator("pre", has_text="curl").inner_text()
        key, token = re.search(r"X-API-Key: (\w\S+)'", command)[1], re.search(r'"meter_token": "([^"]+)"', command)[1]
        expect(page.locator("#first-event")).to_contain_text("Waiting for the first event")
        body = {"meter_token": token, "customer_external_id": "acme", "quantity": "1"}
        sent = page.context.request.post(f"{address}/api/v1/sdk/track", data=body, headers={"X-API-Key": key})
        assert sent.status == 201
        expect(page.locator("#first-event")).to_contain_text("The first event arrived")
        assert key in page.content()  # the page was not loaded again
        page.click("text=See it in the usage logs")
        expect(page.locator(".log tr[data-row]")).to_have_count(1)


def test_an_account_comes_and_goes_and_each_time_it_is_said(open_page):
    page = open_page()
    page.goto("/settings/accounts")
    page.fill("#email", "eve@example.com")
    page.fill("#password", "another long password")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#toasts")).to_have_text("Account created.")
    page.get_by_role("link", name="Remove eve@example.com").click()
    page.get_by_role("button", name="Remove account").click()
    expect(page.locator("#toasts")).to_have_text("Account removed.")
    expect(page.get_by_text("eve@example.com")).to_have_count(0)
    page.reload()
    expect(page.locator("#toasts")).to_be_empty()


def test_plugins_are_listed_with_what_they_bring(open_page):
    page = open_page()
    page.goto("/settings")
    page.get_by_role("link", name="Plugins").first.click()
    page.wait_for_url("**/settings/plugins**")
    expect(page.locator(".plugins tr", has_text="UNIQUE_COUNT")).to_have_count(1)
