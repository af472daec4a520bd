"""The revenue page in a browser: what is pressed opens what the figure is made of, and the sums agree."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serving
from tests.web.bills import bill, plan, subscribe, turn
from tests.web.conftest import instance_in


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """An instance with bills."""
    made = instance_in(tmp_path_factory.mktemp("revenue"))
    made.meter("miles", "Miles")
    for name in ("acme", "globex", "airy"):
        made.customer(name, name.capitalize())
    plan(made, "gold")
    plan(made, "euro", "9.90", "EUR")
    subscribe(made, "s1", "acme", "gold", 100)
    subscribe(made, "s2", "globex", "gold", 12, quantity=2)
    subscribe(made, "s3", "airy", "euro", 12)
    turn(made, "s1", 6, discount_percent="12.5")
    bill(made, "i1", "s1", "87.50", 40)
    bill(made, "i2", "s1", "12.25", 35)
    bill(made, "i3", "s2", "200.00", -3)
    yield from serving(made)


def amounts(page) -> Decimal:
    """The sum of the last column of the list that is shown."""
    texts = page.locator(".made-of tbody td:last-child").all_inner_texts()
    return sum((Decimal(text.replace(",", "").replace("−", "-").replace("+", "")) for text in texts), Decimal(0))


def head(page) -> Decimal:
    text = page.locator(".results-head b").first.inner_text()
    return Decimal(text.replace(",", "").replace("−", "-").replace("+", ""))


def test_every_kind_of_figure_opens_to_parts_that_add_up_to_it(open_page):
    page = open_page()
    for pressed, figure in (
        (".revenue-heads .head:nth-child(1) a", "287.50"),
        (".movements tfoot a[href*='kind=new']", "+200.00"),
        (".movements tfoot a[href*='kind=contraction']", "−12.50"),
        (".ages a.plain[href*='age=31-60']", "99.75"),
        (".ages tfoot a", "299.75"),
    ):
        page.goto("/revenue")
        expect(page.locator("#panel-at_risk table").first).to_be_visible()
        for fold in page.locator("#panel-mrr details > summary").all():
            fold.click()
        link = page.locator(pressed)
        assert link.inner_text() == figure
        link.click()
        page.wait_for_url(re.compile("/revenue/(changes|subscriptions|invoices)"))
        wanted = Decimal(figure.replace("+", "").replace("−", "-"))
        assert head(page) == amounts(page) == wanted
        page.go_back()
        expect(page.locator("h1")).to_have_text("Revenue")


def test_the_chart_is_read_by_keyboard_and_enter_opens_its_changes(open_page):
    page = open_page()
    page.goto("/revenue")
    chart = page.locator("#panel-mrr .chart-bars")
    chart.focus()
    page.keyboard.press("Home")
    readout = chart.locator(".chart-readout")
    expect(readout).to_contain_text("100.00 USD")
    page.keyboard.press("End")
    expect(readout).to_contain_text("287.50 USD")
    expect(readout).to_contain_text("2 active subscriptions")
    page.keyboard.press("Enter")
    page.wait_for_url("**/revenue/changes?**")


def test_currencies_windows_and_groups_are_addresses(open_page):
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/revenue")
    expect(page.locator("#panel-figures")).to_contain_text("287.50")
    page.click(".tabs >> text=EUR")
    expect(page.locator("#panel-figures")).to_contain_text("9.90 EUR")
    page.click("#panel-mrr .choices >> text=Week")
    expect(page.locator("#panel-mrr .chart-unit")).to_contain_text("EUR a month at the end of each week")
    assert page.url.endswith("/revenue?currency=EUR&group_by=week")
    page.click("#window-menu summary")
    page.click("#window-menu >> text=Last 90 days")
    expect(page.locator("#panel-figures")).to_contain_text("9.90 EUR")
    assert "currency=EUR" in page.url
    page.go_back()
    page.go_back()
    expect(page.locator(".tabs [aria-current]")).to_have_text("EUR")


def test_from_a_customer_to_their_invoice_and_its_lines(open_page):
    page = open_page()
    page.goto("/customers/acme")
    page.click(".subscriptions a")
    expect(page.locator("h1")).to_contain_text("Gold")
    expect(page.locator(".head-figure").first).to_contain_text("87.50 USD")
    page.click(".invoices >> text=i2")
    expect(page.locator(".invoice-lines")).to_contain_text("12.25")
    expect(page.locator(".late")).to_contain_text("35 days past due")


def test_without_script_the_page_has_everything(open_page):
    page = open_page(java_script_enabled=False)
    # The dashboard sends such a browser on by itself, which would cross what is asked for here.
    page.wait_for_url("**/?panels=all")
    page.goto("/revenue")
    page.wait_for_url("**/revenue?panels=all")
    expect(page.locator("#panel-figures")).to_contain_text("287.50")
    expect(page.locator("#panel-at_risk")).to_contain_text("299.75")


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_wider_than_the_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 844})
    for path in (
        "/revenue",
        "/revenue/changes",
        "/revenue/invoices",
        "/subscriptions/s1",
        "/invoices/i1",
        "/customers/acme",
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
