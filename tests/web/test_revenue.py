"""The revenue page: sections that come and fail alone, one currency at a time, and figures that open to their parts."""

from __future__ import annotations

import html as entities
import json
import re
import shlex
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine

from fluxrate.core import accounts
from fluxrate.core.errors import Unavailable
from fluxrate.core.revenue.reading import Revenue
from tests.web.bills import bill, day, hybrid, plan, subscribe, turn
from tests.web.conftest import HOUR, instance_in, visible

HTMX = {"HX-Request": "true"}
SECTIONS = ["figures", "mrr", "usage", "at_risk", "ahead", "decline"]


@pytest.fixture(scope="module")
def billed(tmp_path_factory):
    """Two currencies, movements of every kind in 30 days, invoices of every age, one who uses less; read only."""
    made = instance_in(tmp_path_factory.mktemp("billed"))
    calls = made.meter("api_calls", "API calls")
    people = {
        ref: made.customer(ref, name) for ref, name in (("acme", "Acme Limited"), ("globex", None), ("airy", "Ai & ry"))
    }
    plan(made, "gold")
    plan(made, "silver", "30.00", name="Silver")
    plan(made, "yen", "1200", "JPY", name="Yen")
    subscribe(made, "s1", "acme", "gold", 200, quantity=2)
    subscribe(made, "s2", "globex", "gold", 100)
    subscribe(made, "s3", "airy", "silver", 90)
    subscribe(made, "s4", "airy", "silver", 20)
    subscribe(made, "y1", "acme", "yen", 50)
    turn(made, "s1", 15, quantity=3)
    turn(made, "s2", 14, discount_percent="50")
    turn(made, "s2", 10, status="CANCELED")
    turn(made, "s2", 5, status="ACTIVE", discount_percent="0")
    turn(made, "s3", 8, status="PAST_DUE")
    turn(made, "s4", 3, status="PAUSED")
    for name, amount, ago in (
        ("i1", "100.00", -5),
        ("i2", "40.00", 10),
        ("i3", "7.25", 45),
        ("i4", "11.00", 80),
        ("i5", "3.00", 120),
    ):
        bill(made, name, "s3" if name != "i1" else "s1", amount, ago)
    bill(made, "i6", "s2", "9.00", 200, status="UNCOLLECTIBLE")
    bill(made, "i7", "s1", "500.00", 30, status="PAID")
    for hours in range(24 * 9, 24 * 62, 24):
        made.send(calls, people["globex"], 10, ago=hours * HOUR)
        made.send(calls, people["acme"], 10, ago=hours * HOUR)
    made.send(calls, people["globex"], 3, ago=72 * HOUR)
    for hours in range(24, 24 * 8, 24):
        made.send(calls, people["acme"], 10, ago=hours * HOUR)
    yield made
    made.services.close()


def everything(instance, query: str = "") -> str:
    """The page with all sections in it, as a browser without script gets it."""
    return instance.client.get(f"/revenue?{query}{'&' if query else ''}panels=all").text


def section(html: str, name: str) -> str:
    return html.split(f'id="panel-{name}"')[1].split("</section>")[0]


def cells(html: str, table: str) -> list[list[str]]:
    body = html.split(table)[1].split("<tbody>")[1].split("</tbody>")[0]
    return [[visible(cell) for cell in re.findall("<td.*?</td>", row, re.DOTALL)] for row in body.split("<tr>")[1:]]


def test_the_page_has_a_place_for_each_section_and_each_answers_by_itself(billed):
    html = billed.client.get("/revenue?group_by=week").text
    found = re.findall(r'id="panel-(\w+)"[^>]*hx-get="([^"]+)" hx-trigger="load"', html)
    assert [name for name, _ in found] == SECTIONS
    for name, url in found:
        assert entities.unescape(url) == f"/revenue/sections/{name}?group_by=week"
        answer = billed.client.get(entities.unescape(url), headers=HTMX)
        assert answer.status_code == 200
        assert re.findall(r'id="panel-(\w+)"', answer.text) == [name]
        assert "notice-bad" not in answer.text
    assert 'content="0; url=/revenue?group_by=week&amp;panels=all"' in html
    assert 'aria-current="page"' in re.search(r'<a class="place"[^>]*data-place="revenue"[^>]*>', html).group(0)


def test_a_section_that_fails_says_so_and_the_others_stand(billed, monkeypatch):
    def away(*args, **more):
        raise Unavailable("The database is away.")

    monkeypatch.setattr(Revenue, "at_risk", away)
    html = everything(billed)
    assert "The database is away." in section(html, "at_risk")
    assert "MRR" in section(html, "figures")
    assert html.count("notice-bad") == 1


def test_the_headline_figures_and_their_change_since_the_windows_start(billed):
    """At the end 300 + 100 + 30, at the start 200 + 100 + 30; of three subscriptions none is lost."""
    text = visible(section(everything(billed), "figures"))
    assert "MRR 430.00 USD +30.3% ARR 5,160.00 USD +30.3% Active subscriptions 3 no change ARPA 143.33 USD" in text
    assert "Churn rate 0.0% 0 of 3 Net revenue retention 130.3% 430.00 of 330.00" in text
    assert "12 × MRR" in text


def test_currencies_are_tabs_and_never_added(billed):
    html = everything(billed)
    assert re.findall(r'class="tab" href="[^"]*"[^>]*>(\w+)</a>', html) == ["JPY", "USD"]
    yen = everything(billed, "currency=jpy")
    assert "MRR 1,200 JPY" in visible(section(yen, "figures"))
    assert "No invoice of a subscription in JPY is unpaid." in visible(section(yen, "at_risk"))
    wrong = billed.client.get("/revenue?currency=EUR")
    assert wrong.status_code == 422
    assert "there are JPY, USD" in visible(wrong.text)


def test_movements_add_up_to_the_mrr_and_each_opens_to_its_changes(billed):
    """Row by row MRR is that of the row before plus the five; behind every movement stand changes that sum to it."""
    html = section(everything(billed), "mrr")
    rows = cells(html, 'id="mrr-table"')
    number = lambda text: Decimal(text.replace("−", "-").replace(",", "").replace("+", ""))  # noqa: E731
    before = Decimal("330.00")
    for row in rows:
        assert number(row[1]) == before + sum(map(number, row[2:7])), row
        before = number(row[1])
    assert before == Decimal("430.00")
    links = re.findall(r'href="(/revenue/changes[^"]*kind=\w+)"[^>]*>([−+][0-9.,]+)</a>', html)
    assert len(links) == 6 + 5, "six days with a movement, and the five over the whole window"
    for url, figure in links:
        page = billed.client.get(entities.unescape(url))
        assert page.status_code == 200
        head = re.search(r'results-head">\s*<span class="figures"><b>([^<]+)</b>', page.text).group(1)
        assert head == figure, url
        amounts = [number(row[-1]) for row in cells(page.text, "<table")]
        assert sum(amounts) == number(figure)


def test_mrr_opens_to_the_subscriptions_it_is_made_of(billed):
    html = everything(billed)
    url = entities.unescape(re.search(r'href="(/revenue/subscriptions[^"]+)"', section(html, "figures")).group(1))
    page = billed.client.get(url).text
    assert "430.00 USD 3 active subscriptions" in visible(page)
    assert [(row[0], row[-1]) for row in cells(page, "<table")] == [
        ("Acme Limited", "300.00"),
        ("globex", "100.00"),
        ("Ai &amp; ry", "30.00"),
    ]


def head(html: str) -> list[str]:
    """The figures at the top of a list."""
    top = html.split('class="results-head"')[1].split("</div>")[0]
    return re.findall("<b>([^<]+)</b>", top)


def test_arpa_churn_and_retention_open_to_what_they_are_the_quotient_of(billed):
    html = section(everything(billed), "figures")
    url = entities.unescape(re.search(r'href="(/revenue/customers[^"]*)"[^>]*>143.33<', html).group(1))
    page = billed.client.get(url).text
    assert head(page) == ["143.33", "430.00", "3"]
    assert [(row[0], row[2], row[-1]) for row in cells(page, "<table")] == [
        ("Acme Limited", "1", "300.00"),
        ("globex", "1", "100.00"),
        ("Ai &amp; ry", "1", "30.00"),
    ]
    url = entities.unescape(re.search(r'href="(/revenue/retention[^"]*)"[^>]*>130.3%<', html).group(1))
    page = billed.client.get(url).text
    assert head(page) == ["0.0%", "0", "130.3%", "430.00"]
    rows = cells(page, "<table")
    assert [sum(Decimal(row[place]) for row in rows) for place in (3, 4, 5)] == [330, 430, 430]
    # In a week with a cancellation in it, one of the four is lost.
    week = f"&start_date={day(billed, 11)}&end_date={day(billed, 7)}"
    html = section(everything(billed, f"currency=USD{week}"), "figures")
    assert "Churn rate 25.0% 1 of 4" in visible(html)
    url = entities.unescape(re.search(r'href="(/revenue/retention[^"]*lost=true[^"]*)"', html).group(1))
    page = billed.client.get(url).text
    assert head(page)[:2] == ["25.0%", "1"]
    assert [row[0].split(" Lost")[0] for row in cells(page, "<table")] == ["globex"]
    kept = billed.client.get(url.replace("lost=true", "lost=false")).text
    assert len(cells(kept, "<table")) == 3
    table = entities.unescape(re.search(r'href="(/api/v1/revenue/mrr/retention[^"]+)"', page).group(1))
    assert "lost=true" in table
    assert len(billed.client.get(table).text.splitlines()) == 2


def test_what_is_at_risk_by_age_and_by_subscription(billed):
    html = section(everything(billed), "at_risk")
    assert [row[:3] for row in cells(html, 'class="sheet ages"')] == [
        ["Not due yet", "1", "100.00"],
        ["1–30 days past due", "1", "40.00"],
        ["31–60 days past due", "1", "7.25"],
        ["61–90 days past due", "1", "11.00"],
        ["91 days past due and more", "1", "3.00"],
    ]
    text = visible(html)
    assert "Amount due 5 161.25" in text
    assert "Subscriptions 2 MRR they carry 330.00 USD Uncollectible 9.00 USD" in text
    assert cells(html, "list behind") == [
        ["Ai &amp; ry", "Silver", "4", "120 days", "30.00", "61.25"],
        ["Acme Limited", "Gold", "1", "not due", "300.00", "100.00"],
    ]


def test_what_is_at_risk_opens_to_its_subscriptions(billed):
    html = section(everything(billed), "at_risk")
    url = entities.unescape(re.search(r'href="(/revenue/at-risk[^"]*)"[^>]*>330.00 USD<', html).group(1))
    page = billed.client.get(url).text
    assert head(page) == ["161.25", "330.00", "2"]
    rows = cells(page, "<table")
    assert rows == cells(html, "list behind")
    assert [sum(Decimal(row[place]) for row in rows) for place in (2, 4, 5)] == [5, 330, Decimal("161.25")]
    table = entities.unescape(re.search(r'href="(/api/v1/revenue/at-risk/subscriptions[^"]+)"', page).group(1))
    lines = [line.split(",") for line in billed.client.get(table).text.splitlines()]
    assert lines[0][4:] == ["amount_due", "invoices", "days_past_due", "mrr"]
    assert [line[4:] for line in lines[1:]] == [["61.25", "4", "120", "30.00"], ["100.00", "1", "-5", "300.00"]]


def test_every_age_opens_to_its_invoices(billed):
    html = section(everything(billed), "at_risk")
    ages = dict(re.findall(r'href="(/revenue/invoices[^"]*age=[^"]+)"[^>]*tabindex="-1">([0-9.,]+)<', html))
    assert len(ages) == 5
    for url, figure in ages.items():
        page = billed.client.get(entities.unescape(url)).text
        assert f"{figure} USD 1 invoice Now, in UTC" in visible(page)
        assert [row[-1] for row in cells(page, "<table")] == [figure]
    lost = billed.client.get("/revenue/invoices?age=uncollectible").text
    assert "9.00 USD 1 invoice" in visible(lost)
    assert "161.25 USD 5 invoices" in visible(billed.client.get("/revenue/invoices").text)


def test_tables_are_there_as_csv_with_the_same_sum(billed):
    html = everything(billed)
    tables = {entities.unescape(url) for url in re.findall(r'href="(/api/v1/revenue/[^"]+)"', html)}
    found = {url.split("?")[0].removeprefix("/api/v1/revenue/") for url in tables}
    assert found == {"mrr", "at-risk", "forecast", "decline"}
    for url in tables:
        answer = billed.client.get(url)
        assert answer.status_code == 200, answer.text
        assert answer.content_type.startswith("text/csv")
    for path, column, total in (
        ("changes", -1, "100.00"),
        ("subscriptions", -2, "430.00"),
        ("invoices?age=31-60", 5, "7.25"),
    ):
        page = billed.client.get(f"/revenue/{path}").text
        url = entities.unescape(re.search(r'href="(/api/v1/revenue/[^"]+)"', page).group(1))
        rows = [line.split(",") for line in billed.client.get(url).text.splitlines()[1:]]
        assert sum(Decimal(row[column]) for row in rows) == Decimal(total), path


def test_usage_decline_says_its_rule_and_leads_to_the_events(billed):
    html = section(everything(billed), "decline")
    assert "less than half of their baseline" in visible(html)
    assert [row[:2] + row[4:] for row in cells(html, "list declines")] == [
        ["globex API calls", "API calls", "−95.5%", "100.00"]
    ]
    recent, before = (entities.unescape(url) for url in re.findall(r'class="plain" href="(/logs[^"]+)"', html))
    assert "customer_id=globex" in recent
    shown = r"(\d+) (?:of [\d,]+ )?events? · .*? Sum ([\d,]+)"
    assert re.search(shown, visible(billed.client.get(recent).text)).groups() == ("1", "3")
    events, total = map(int, re.search(shown, visible(billed.client.get(before).text)).groups())
    told = re.search(r'title="Show the events behind it: (\d+) in 8 weeks">([0-9.]+)<', html)
    assert total == int(told[1]) == Decimal(told[2]) * 8 == 10 * events


def test_usage_revenue_and_what_lies_ahead_are_those_of_the_api(tmp_path):
    """Usage stands apart from MRR; what is expected is shown with the share that is certain."""
    made = instance_in(tmp_path)
    calls, acme = made.meter("calls", "Calls"), made.customer("acme", "Acme")
    hybrid(made, "h", "calls", "10.00", "0.25")
    subscribe(made, "s", "acme", "h", 75)
    for hours in range(1, 24 * 70, 24):
        made.send(calls, acme, 4, ago=hours * HOUR)
    # What is expected follows the clock, so page and API are asked at one instant.
    with time_machine.travel(datetime.now(UTC), tick=False):
        html = everything(made, f"start_date={day(made, 80)}&end_date={day(made, 0)}&group_by=month")
        said = json.loads(
            made.client.get(f"/api/v1/revenue/usage?start_date={day(made, 80)}&group_by=month").data,
            parse_float=Decimal,
        )
        rows = cells(section(html, "usage"), 'id="usage-revenue-table"')
        told = {row["period"]: row for row in said["data"][0]["grouped_data"]}
        assert [Decimal(row[1]) for row in rows] == [row["usage_revenue"] for row in told.values()]
        assert sum(Decimal(row[1]) for row in rows) > 20
        assert "MRR 10.00 USD" in visible(section(html, "figures"))
        (usd,) = json.loads(made.client.get("/api/v1/revenue/forecast").data, parse_float=Decimal)["data"]
        shown = cells(section(html, "ahead"), "ahead-table")
        for row, name in zip(shown, ("current", "next"), strict=True):
            wanted = usd[name]
            assert row[1] == str(wanted["subscriptions"])
            assert [Decimal(text) for text in row[2:5]] == [wanted[part] for part in ("fixed", "usage", "total")]
            assert row[5] == f"{wanted['certain_share'] * 100:.1f}%"
        table = entities.unescape(re.search(r'href="(/api/v1/revenue/usage[^"]+)"', html).group(1))
        assert made.client.get(table).content_type.startswith("text/csv")
        check_usage_opens(made, section(html, "usage"))
        check_forecast_opens(made, section(html, "ahead"))
    made.services.close()


def check_usage_opens(made, html):
    """Every figure of usage revenue leads to periods that add up to it; a period to its price, and to its events."""
    links = re.findall(r'href="(/revenue/usage[^"]*)"[^>]*>([0-9.,]+)</a>', html)
    assert len(links) >= 4, "two months, and the whole window above and below them"
    for url, figure in links:
        page = made.client.get(entities.unescape(url)).text
        rows = cells(page, "<table")
        assert head(page) == [figure, str(len(rows))]
        assert sum(Decimal(row[-1]) for row in rows) == Decimal(figure)
        url = entities.unescape(re.search(r'href="(/subscriptions/[^"]+#usage)"', page).group(1))
        used = section_of_usage(made.client.get(url).text)
        assert visible(used).endswith(
            f"Usage of the period {rows[0][-1]} Amounts of tiers are exact; each charge is rounded once."
        )
        events, sent = re.search(r'href="(/logs[^"]+)"[^>]*>([0-9,]+)</a>', used).groups()
        assert f"Sum {sent}" in visible(made.client.get(entities.unescape(events)).text)


def check_forecast_opens(made, html):
    """Each of its figures leads to the billing periods that it is the sum of."""
    links = re.findall(r'href="(/revenue/forecast[^"]*)" title="([^"]*)">([0-9.,%]+)</a>', html)
    assert len(links) == 10
    for url, title, figure in links:
        page = made.client.get(entities.unescape(url)).text
        (row,) = cells(page, "<table")
        wanted = "1" if "part=total" in url and figure == "1" else title.split()[0] if "%" in figure else figure
        assert wanted in head(page)
        assert head(page) == [row[-1], "1"]
        assert made.client.get(entities.unescape(re.search(r'href="(/api[^"]+)"', page).group(1))).status_code == 200


def section_of_usage(html: str) -> str:
    return html.split('id="usage"')[1].split("</section>")[0]


def test_a_window_in_another_zone_keeps_its_links_exact(billed):
    html = everything(
        billed, f"timezone=Asia/Kathmandu&start_date={day(billed, 12)}&end_date={day(billed, 2)}&group_by=week"
    )
    url = entities.unescape(re.findall(r'href="(/revenue/changes[^"]+)"', section(html, "mrr"))[0])
    assert "timezone=Asia%2FKathmandu" in url
    assert billed.client.get(url).status_code == 200


def test_a_list_of_many_pages(tmp_path):
    """Sum and count are of everything; a page that is not there says so."""
    made = instance_in(tmp_path)
    made.customer("acme", None)
    plan(made, "p", "1.00")
    for i in range(53):
        subscribe(made, f"s{i}", "acme", "p", 3)
    second = made.client.get("/revenue/changes?page=2").text
    assert "+53.00 USD 53 changes" in visible(second)
    assert len(cells(second, "<table")) == 3
    assert "This list has no such page" in visible(made.client.get("/revenue/changes?page=9").text)
    made.services.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("changes?kind=growth", "kind is one of new, expansion"),
        ("invoices?age=old", "age is one of not-due, 1-30"),
        ("retention?lost=maybe", "lost is one of true, false"),
        ("forecast?billing_period=last", "billing_period is one of current, next"),
        ("forecast?part=most", "part is one of total, fixed"),
        ("customers?lost=true", "This page has no parameter"),
        ("usage?group_by=day", "This page has no parameter"),
        ("changes?customer_id=acme", "This page has no parameter"),
        ("subscriptions?start_date=2025-02-30", "From is a date"),
    ],
)
def test_what_cannot_be_read_is_said(billed, query, said):
    answer = billed.client.get(f"/revenue/{query}")
    assert answer.status_code == 422
    assert said in visible(answer.text)


def test_a_section_without_htmx_leads_to_its_page(billed):
    answer = billed.client.get("/revenue/sections/mrr?currency=JPY")
    assert (answer.status_code, answer.location) == (302, "/revenue?currency=JPY#panel-mrr")
    assert billed.client.get("/revenue/sections/nothing", headers=HTMX).status_code == 404
    assert billed.client.get("/revenue/sections/mrr?currency=EUR", headers=HTMX).status_code == 422


def test_without_subscriptions_the_page_says_what_would_fill_it(empty):
    for path in ("changes", "subscriptions", "customers", "retention", "usage", "forecast", "at-risk", "invoices"):
        assert empty.client.get(f"/revenue/{path}").status_code == 200
    text = visible(empty.client.get("/revenue").text)
    assert "No subscriptions yet" in text
    assert "curl -X POST http://localhost/api/v1/plans" in text
    check_what_the_page_tells(empty)


def check_what_the_page_tells(instance):
    """The two commands of the empty page, sent as they stand there, fill it."""
    key = accounts.create_key(instance.services.store, "k", ("admin",), instance.services.clock())[1]
    instance.customer("acme", None)
    told = [
        entities.unescape(text)
        for text in re.findall("<code>(curl.*?)</code>", instance.client.get("/revenue").text, re.DOTALL)
    ]
    assert len(told) == 2
    for command in told:
        words = shlex.split(command.replace("\\\n", " "))
        method, url, body = words[2], words[3], words[words.index("-d") + 1]
        sent = instance.app.test_client().open(
            url.removeprefix("http://localhost"), method=method, json=json.loads(body), headers={"X-API-Key": key}
        )
        assert sent.status_code == 201, sent.text
    assert "49.00" in visible(everything(instance))


def test_panels_on_the_dashboard(billed, empty):
    html = billed.client.get("/?panels=all").text
    mrr = visible(section(html, "mrr"))
    assert "USD 3 active" in mrr
    assert "430.00 USD a month" in mrr
    assert "JPY 1 active" in mrr
    risk = section(html, "revenue_at_risk")
    assert "Amount due 161.25" in visible(risk)
    url = entities.unescape(re.search(r'href="(/revenue/invoices[^"]*age=1-30[^"]*)"', risk).group(1))
    assert "40.00 USD 1 invoice" in visible(billed.client.get(url).text)
    assert "globex" in visible(section(html, "usage_decline"))
    empty.meter("m", "M")
    bare = empty.client.get("/?arrange=1").text
    assert "panel-mrr" not in bare
    assert "Hide MRR" not in bare
    assert "Hide MRR" in billed.client.get("/?arrange=1").text
    assert "panel-revenue_at_risk" not in bare
    assert "panel-mrr" not in empty.client.get("/?panels=all").text
