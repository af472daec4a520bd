"""The revenue page in a browser: what is pressed opens what the figure is made of, and the sums agree."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serving
from tests.web.bills import bill, hybrid, plan, subscribe, tiered, turn
from tests.web.conftest import HOUR, instance_in


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """An instance with bills."""
    made = instance_in(tmp_path_factory.mktemp("revenue"))
    miles = made.meter("miles", "Miles")
    for name in ("acme", "globex", "airy"):
        made.customer(name, name.capitalize())
    plan(made, "gold")
    plan(made, "euro", "9.90", "EUR")
    subscribe(made, "s1", "acme", "gold", 100)
    subscribe(made, "s2", "globex", "gold", 12, quantity=2)
    subscribe(made, "s3", "airy", "euro", 12)
    turn(made, "s1", 6, discount_percent="12.5")
    hybrid(made, "hybrid", "miles", "10.00", "0.25")
    tiered(made, "tiered", "miles")
    subscribe(made, "u1", "airy", "hybrid", 70, discount_percent="100")
    subscribe(made, "u2", "globex", "tiered", 70)
    turn(made, "u1", 4, status="CANCELED")
    for customer in ("airy", "globex"):
        who = made.services.store.customers.by_external_id(customer)
        for hours in range(1, 24 * 75, 24):
            made.send(miles, who, 7, ago=hours * HOUR)
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


def revenue(page):
    """The page with all its sections there and its tables open."""
    page.goto("/revenue")
    expect(page.locator("[data-awaited]")).to_have_count(0)
    for fold in page.locator("details:has(.sheet) > summary").all():
        fold.click()


def test_every_kind_of_figure_opens_to_parts_that_add_up_to_it(open_page):
    page = open_page()
    for pressed, figure in (
        (".revenue-heads .head:nth-child(1) a", "287.50"),
        (".movements tfoot a[href*='kind=new']", "+200.00"),
        (".movements tfoot a[href*='kind=contraction']", "−12.50"),
        (".ages a.plain[href*='age=31-60']", "99.75"),
        (".ages tfoot a", "299.75"),
    ):
        revenue(page)
        link = page.locator(pressed)
        assert link.inner_text() == figure
        link.click()
        page.wait_for_url(re.compile("/revenue/(changes|subscriptions|invoices)"))
        wanted = Decimal(figure.replace("+", "").replace("−", "-"))
        assert head(page) == amounts(page) == wanted
        page.go_back()
        expect(page.locator("h1")).to_have_text("Revenue")


def figures(page) -> list[str]:
    """What stands at the top of a list."""
    return page.locator(".results-head b").all_inner_texts()


def test_arpa_churn_and_retention_open_to_what_they_are_the_quotient_of(open_page):
    page = open_page()
    revenue(page)
    arpa, churn, kept = (page.locator(f".revenue-heads .head:nth-child({n}) a") for n in (4, 5, 6))
    shown = [one.inner_text() for one in (arpa, churn, kept)]
    assert shown == ["143.75", "33.3%", "87.5%"]
    arpa.click()
    page.wait_for_url("**/revenue/customers?**")
    assert figures(page) == ["143.75", "287.50", "2"]
    assert amounts(page) == Decimal("287.50")
    page.go_back()
    churn.click()
    page.wait_for_url("**/revenue/retention?**lost=true**")
    assert figures(page)[:2] == ["33.3%", "1"]
    expect(page.locator(".made-of tbody tr")).to_have_count(1)
    page.click(".kinds >> text=All active at the start")
    expect(page.locator(".made-of tbody tr")).to_have_count(3)
    assert figures(page)[2:] == ["87.5%", str(amounts(page))]


def test_usage_revenue_opens_to_periods_tiers_and_events(open_page):
    page = open_page()
    for pressed in ("#panel-usage .usage-total", "#usage-revenue-table tbody td:nth-child(2) a >> nth=0"):
        revenue(page)
        figure = page.locator(pressed).inner_text()
        page.locator(pressed).click()
        page.wait_for_url("**/revenue/usage?**")
        assert head(page) == amounts(page) == Decimal(figure) > 0
    revenue(page)
    page.locator("#panel-usage .chart-bar").last.click()
    page.wait_for_url("**/revenue/usage?**")
    assert head(page) == amounts(page) > 0
    page.goto("/revenue/usage")
    cell = page.locator(".made-of tbody tr", has_text="Globex").locator("td").last
    cost = cell.inner_text()
    cell.locator("a").click()
    page.wait_for_url("**/subscriptions/**period=**")
    expect(page.locator("#usage tfoot")).to_contain_text(cost)
    page.click("#usage .steps a >> nth=0")
    expect(page.locator("#usage .steps [aria-disabled]")).to_have_attribute("title", "This is the first billing period")
    used = page.locator("#usage .charge a.plain")
    figure = used.inner_text()
    used.click()
    page.wait_for_url("**/logs?**")
    expect(page.locator(".results-head")).to_contain_text(f"Sum {figure}")


def test_every_figure_of_the_forecast_opens_to_the_periods_it_is_the_sum_of(open_page):
    page = open_page()
    revenue(page)
    links = page.locator("#panel-ahead tbody a")
    assert links.count() == 10
    for place in range(10):
        link = links.nth(place)
        text, title, url = link.inner_text(), link.get_attribute("title"), link.get_attribute("href")
        link.click()
        page.wait_for_url("**/revenue/forecast?**")
        assert head(page) == amounts(page)
        expected = title.split()[0] if "%" in text else text
        # Expected usage follows the clock, so a moment later it may be a cent more or less.
        found = Decimal(figures(page)[place % 5 == 0].replace(",", ""))
        assert abs(found - Decimal(expected.replace(",", ""))) <= Decimal("0.02"), url
        page.go_back()


def test_a_press_on_a_piece_of_a_movement_opens_its_changes(open_page):
    """And not those of another kind: the columns of the table stand in another order than the colours."""
    page = open_page()
    revenue(page)
    for colour, kind in (("series-3", "new"), ("series-2", "contraction")):
        page.locator(f"#panel-mrr .chart-bar.{colour}").first.click()
        page.wait_for_url(f"**/revenue/changes?**kind={kind}**")
        page.go_back()


def test_the_saved_picture_of_mrr_has_the_movements_too(open_page):
    page = open_page()
    revenue(page)
    with page.expect_download() as saved:
        page.click("#panel-mrr [data-save=svg]")
    root = ElementTree.fromstring(Path(saved.value.path()).read_bytes())
    texts = [part.text for part in root.iter() if part.tag.endswith("text")]
    assert texts[0].startswith("MRR, USD at the end of each day")
    assert "What moved it" in texts
    assert [text for text in texts if text in ("New", "Expansion", "Contraction", "Churn", "MRR, USD")] == [
        "New", "Contraction",
    ]  # fmt: skip
    drawn = [part for part in root if part.tag.endswith("svg")]
    assert len(drawn) == 4
    assert sum(1 for part in drawn[3].iter() if part.tag.endswith("rect")) == 2
    tops = [float(part.get("y")) for part in drawn]
    assert tops[0] == tops[1] < tops[2] == tops[3] < float(root.get("height"))


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
    expect(readout).to_contain_text("3 active subscriptions")
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
        "/revenue/customers",
        "/revenue/retention",
        "/revenue/usage",
        "/revenue/forecast",
        "/revenue/at-risk",
        "/revenue/invoices",
        "/subscriptions/s1",
        "/subscriptions/u2",
        "/invoices/i1",
        "/customers/acme",
    ):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
