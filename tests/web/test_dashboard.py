"""The dashboard: a place for each panel, each failing, waiting and hidden alone, and figures that lead to events."""

from __future__ import annotations

import html as entities
import logging
import re
import threading
import time

import pytest

from fluxrate.core.errors import ConfigError, Unavailable
from fluxrate.plugin import Panel, Plugin
from tests.web.conftest import HOUR, instance_in, visible

HTMX = {"HX-Request": "true"}
BUILT_IN = ["headline", "trend", "top_customers", "all_meters", "usage_forecast", "usage_decline", "intake"]


def everything(instance, query: str = "") -> str:
    """The page with all panels in it, as a browser without script gets it."""
    return instance.client.get(f"/?{query}{'&' if query else ''}panels=all").text


def awaited(html: str) -> dict[str, str]:
    """What htmx asks for when the page has come: the address of each panel."""
    found = re.findall(r'id="panel-(\w+)"[^>]*hx-get="([^"]+)" hx-trigger="load"', html)
    return {name: entities.unescape(url) for name, url in found}


def order(html: str) -> list[str]:
    return re.findall(r'<section class="panel [^"]*" id="panel-(\w+)"', html)


def token(html: str) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', html).group(1)


def arranged(client, move: str, **more):
    return client.post("/panels", data={"csrf_token": token(client.get("/").text), "move": move} | more)


def test_the_page_has_a_place_for_each_panel_and_every_panel_answers_by_itself(filled):
    html = filled.client.get("/").text
    assert order(html) == BUILT_IN
    assert "Whole window" not in html
    urls = awaited(html)
    assert list(urls) == BUILT_IN
    for name, url in urls.items():
        answer = filled.client.get(url, headers=HTMX)
        assert answer.status_code == 200
        assert order(answer.text) == [name]
        assert "hx-trigger" not in answer.text
        assert "notice-bad" not in answer.text


def test_panels_of_one_page_answer_for_one_sequence_even_when_events_come_between(tmp_path):
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    instance.send(meter, customer, 5)
    urls = awaited(instance.client.get("/").text)
    instance.send(meter, customer, 100)
    assert "Sum 5 calls" in visible(instance.client.get(urls["headline"], headers=HTMX).text)
    assert "Whole window 5 1" in visible(instance.client.get(urls["trend"], headers=HTMX).text)
    assert "Sum 105 calls" in visible(everything(instance))
    instance.services.close()


def test_without_script_the_browser_is_sent_to_a_page_with_all_of_them(filled):
    html = filled.client.get("/?meter=bytes").text
    assert '<noscript><meta http-equiv="refresh" content="0; url=/?meter=bytes&amp;panels=all"></noscript>' in html
    inline = everything(filled, "meter=bytes")
    assert "http-equiv" not in inline
    assert awaited(inline) == {}
    assert order(inline) == BUILT_IN
    assert filled.client.get("/?meter_id=bytes").text == html
    assert 'href="/?meter=api_calls&amp;panels=all"' in inline


def test_a_panel_without_htmx_leads_to_its_page(filled):
    answer = filled.client.get("/panels/trend?meter=bytes&as_of=1")
    assert answer.status_code == 302
    assert answer.location == "/?meter=bytes#panel-trend"
    assert filled.client.get("/panels/ghost", headers=HTMX).status_code == 404


def test_links_of_a_panel_stay_on_the_dashboard(filled):
    html = filled.client.get("/panels/trend?meter=bytes&start_date=2020-01-01&as_of=1", headers=HTMX).text
    assert 'href="/?start_date=2020-01-01&amp;meter=bytes&amp;group_by=month"' in html


def test_the_first_meter_is_shown_and_another_can_be_chosen(filled):
    assert "Calls by day" in visible(everything(filled))
    assert "Maximum 9,000 B" in visible(everything(filled, "meter=bytes"))


def test_the_table_says_what_the_chart_shows(filled):
    html = everything(filled)
    assert 'data-chart="trend-table"' in html
    assert 'id="trend-table"' in html
    assert visible(html.split("<tfoot>")[1].split("</tfoot>")[0]) == "Whole window 10,140 120"


def test_the_window_before_stands_beside_each_bucket(tmp_path):
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    for days, quantity in ((1, 7), (2, 11), (31, 700), (32, 1100)):
        instance.send(meter, customer, quantity, ago=days * 24 * HOUR)
    html = everything(instance)
    table = html.split('id="trend-table"')[1]
    body = table.split("<tbody>")[1].split("</tbody>")[0]
    rows = [[visible(cell) for cell in re.findall("<td.*?</td>", row, re.DOTALL)] for row in body.split("<tr>")[1:]]
    assert [(row[1], row[3]) for row in rows if row[1] != "0"] == [("11", "1,100"), ("7", "700")]
    assert visible(table.split("<tfoot>")[1].split("</tfoot>")[0]) == "Whole window 18 2 1,800"
    assert "chart-before" in html
    assert "−99.0%" in html
    instance.services.close()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """Meters of several kinds, and customers whose ids have to be quoted in an address."""
    made = instance_in(tmp_path_factory.mktemp("odd"))
    fields = {"decimals": 3, "unit": "GB"}
    sums, counts = made.meter("sums", "Sums", **fields), made.meter("counts", "Counts", aggregation_type="COUNT")
    top = made.meter("top", "Top", aggregation_type="MAX")
    people = [made.customer(f"c{i}&=#?", f"Customer {i}") for i in range(12)]
    for i in range(90):
        made.send(sums, people[i % 12], 1000 + 17 * i, ago=i * 8 * HOUR + 60_000_000)
        made.send(counts, people[i % 5], 1, ago=i * 5 * HOUR + 1)
        made.send(top, people[i % 3], i % 50, ago=i * 2 * HOUR)
    yield made
    made.services.close()


QUERIES = ("timezone=Asia/Kathmandu", "start_date=2020-01-01&timezone=Europe/Berlin&group_by=month")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("meter", ["sums", "counts"])
def test_every_figure_of_sums_and_counts_is_that_of_the_events_it_leads_to(odd, meter, query):
    html = everything(odd, f"meter={meter}&{query}")
    found = re.findall(r'<a [^>]*?href="(/logs[^"]+)"[^>]*>([0-9][0-9.,]*)</a>', html)
    checked = 0
    for url, figure in sorted({(entities.unescape(url), figure) for url, figure in found if "meter_id=top" not in url}):
        text = visible(odd.client.get(url).text)
        events = re.search(r"([0-9,]+) (?:of [0-9,]+ )?events? ·", text).group(1)
        total = re.search(r"(?:Sum|Count) ([0-9.,]+)", text).group(1)
        assert figure in (events, total) or figure in headings(html), (url, figure, text[:400])
        checked += figure == total
    assert checked > 10


def headings(html: str) -> set[str]:
    """Figures that are no sum of events: ranks, and how many customers there are."""
    ranks = re.findall(r'class="rank figure second"><a [^>]*>(\d+)<', html)
    return {*ranks, *re.findall(r'title="Show their events">([0-9,]+)<', html)}


def test_a_share_and_a_rank_lead_to_the_events_of_their_customer(odd):
    html = everything(odd, "meter=sums")
    row = html.split('class="sheet ranks"')[1].split("<tr>")[2]
    urls = {entities.unescape(url) for url in re.findall(r'href="([^"]+)"', row)}
    assert len(urls) == 1
    usage = visible(re.findall("<td.*?</td>", row, re.DOTALL)[3])
    assert f"Sum {usage.split()[0]} GB" in visible(odd.client.get(urls.pop()).text)


def test_a_maximum_leads_to_the_events_it_was_taken_from(odd):
    html = everything(odd, "meter=top")
    url, figure = re.search(r'href="(/logs[^"]+)" title="Show these events">([0-9,]+)</a>', html).groups()
    assert f"Maximum {figure}" in visible(odd.client.get(entities.unescape(url)).text)


def test_a_silent_meter_leads_to_its_last_events(tmp_path):
    instance = instance_in(tmp_path)
    customer = instance.customer("c", None)
    instance.send(instance.meter("quiet", "Quiet <b>"), customer, 3, ago=45 * 24 * HOUR)
    instance.send(instance.meter("busy", "Busy"), customer, 1)
    panel = everything(instance).split('id="panel-intake"')[1]
    assert "Silent meters Quiet &lt;b&gt; , last" in visible(panel)
    url = entities.unescape(re.search(r'href="(/logs[^"]+meter_id=quiet[^"]*)"', panel).group(1))
    assert "1 event ·" in visible(instance.client.get(url).text)
    instance.services.close()


def broken(context):
    raise RuntimeError("a secret detail")


def away(context):
    raise Unavailable("The ledger is away.")


def test_one_failing_panel_keeps_the_page(tmp_path, caplog):
    plugin = Plugin(
        "broken",
        panels=(
            Panel("broken", "Broken", "panels/none.html", broken, rank=1),
            Panel("away", "Away", "panels/none.html", away, rank=2),
            Panel("lost", "Lost template", "panels/none.html", lambda context: {}, rank=3),
            Panel("silent", "Silent", "panels/none.html", lambda context: None, rank=4),
            Panel("tall", "Tall", "panels/none.html", lambda context: None, rank=4, height=broken),
        ),
    )
    instance = instance_in(tmp_path, plugin)
    instance.send(instance.meter("m", "M"), instance.customer("c", None), 1)
    with caplog.at_level(logging.ERROR):
        answer = instance.client.get("/?panels=all")
        one = instance.client.get("/panels/broken", headers=HTMX)
        nothing = instance.client.get("/panels/silent", headers=HTMX)
        page = instance.client.get("/")
    assert answer.status_code == one.status_code == page.status_code == 200
    assert answer.text.count("This part could not be made.") == 2
    assert "The ledger is away." in answer.text
    assert 'hx-get="/panels/broken' in one.text
    assert "Try again" in one.text
    assert nothing.text == ""
    assert "a secret detail" not in answer.text + one.text
    assert 'id="panel-silent"' not in answer.text
    assert 'id="panel-top_customers"' in answer.text
    assert "a secret detail" in caplog.text
    instance.services.close()


def test_a_slow_panel_is_given_up_in_time_and_holds_up_no_other(tmp_path, caplog):
    finish = threading.Event()
    at_once = []

    def stuck(context):
        at_once.append(1)
        finish.wait(30)
        return {}

    plugin = Plugin("slow", panels=(Panel("stuck", "Stuck", "panels/none.html", stuck, rank=1, seconds=0.2),))
    instance = instance_in(tmp_path, plugin)
    instance.send(instance.meter("m", "M"), instance.customer("c", None), 1)
    began = time.monotonic()
    page = instance.client.get("/?panels=all").text
    again = [instance.client.get("/panels/stuck", headers=HTMX) for _ in range(7)]
    assert time.monotonic() - began < 15
    assert "This part took longer than 0.2 s, so it is not shown." in page
    assert "Sum 1 calls" in visible(page)
    assert all("took longer than 0.2 s" in answer.text for answer in again)
    assert len(at_once) == 4, "what is stuck is joined by no more of the same than there are places"
    assert "stuck" in caplog.text
    assert "Sum 1 calls" in visible(instance.client.get("/panels/headline", headers=HTMX).text)
    finish.set()
    instance.services.close()


def test_a_panel_says_what_is_wrong_with_it():
    for wrong in ({"name": "a/b"}, {"name": ""}, {"place": "left"}, {"seconds": 0}):
        fields = {"name": "fine", "title": "T", "template": "t.html", "data": lambda context: None} | wrong
        with pytest.raises(ConfigError):
            Panel(**fields)


def test_panels_are_moved_hidden_and_shown_again(filled):
    client = filled.app.test_client()
    assert client.post("/panels", data={"move": "hide:intake"}).status_code == 302, "not signed in"
    client = filled.client
    try:
        answer = arranged(client, "hide:trend", next="/?meter=bytes&arrange=1")
        assert (answer.status_code, answer.location) == (303, "/?meter=bytes&arrange=1")
        assert order(client.get("/").text) == [name for name in BUILT_IN if name != "trend"]
        arranged(client, "hide:usage_forecast")
        arranged(client, "hide:usage_decline")
        arranged(client, "up:top_customers")
        arranged(client, "up:intake")
        assert order(client.get("/").text) == ["top_customers", "headline", "intake", "all_meters"]
        assert order(everything(filled)) == ["top_customers", "headline", "intake", "all_meters"]
        arranged(client, "show:trend")
        arranged(client, "down:headline")
        assert order(client.get("/").text) == ["top_customers", "trend", "headline", "intake", "all_meters"]
        assert arranged(client, "up:ghost").status_code == 422
        assert arranged(client, "sideways:trend").status_code == 422
        assert client.post("/panels", data={"move": "hide:trend"}).status_code == 403
        assert arranged(client, "hide:trend", next="https://elsewhere.example").location == "/"
        assert '<details class="fold arrange" id="arrange" open>' in client.get("/?arrange=1").text
    finally:
        arranged(client, "reset")
    assert order(client.get("/").text) == BUILT_IN


def test_an_arrangement_of_other_panels_is_read_as_far_as_it_fits(filled):
    filled.client.set_cookie("fluxrate_panels", "intake.-gone.<script>.-headline.intake")
    try:
        wanted = ["intake", "trend", "top_customers", "all_meters", "usage_forecast", "usage_decline"]
        assert order(filled.client.get("/").text) == wanted
    finally:
        filled.client.delete_cookie("fluxrate_panels")


def test_an_empty_instance_shows_the_first_three_steps(empty):
    html = empty.client.get("/").text
    for command in ("fluxrate meters create", "fluxrate keys create", "/api/v1/sdk/track", 'name="meter_name"'):
        assert command in html


def test_a_meter_without_events_says_how_to_send_one(empty):
    meter = empty.meter("fresh", "Fresh")
    html = everything(empty)
    assert meter.meter_token in html
    assert "It has none yet" in html


def test_a_window_without_events_leads_to_the_latest(filled):
    html = everything(filled, "start_date=2001-01-01&end_date=2001-01-31")
    assert "No events on API calls in this window." in visible(html)
    assert "No customer used API calls in this window." in visible(html)
    assert "show the days around it" in html


def test_bad_parameters_stand_next_to_their_field_and_the_page_stands(filled):
    answer = filled.client.get("/?start_date=soon&timezone=Nowhere&meter=ghost&group_by=blink&panels=all&as_of=999999")
    assert answer.status_code == 422
    assert "From is a date such as 2025-01-31" in answer.text
    assert "The time zone is an IANA name" in answer.text
    assert "No meter has the name or id" in answer.text
    assert "group_by is one of" in answer.text
    assert "as_of is at most" in answer.text
    assert 'id="trend-table"' in answer.text
    assert filled.client.get("/?panels=some").status_code == 422
    refused = filled.client.get("/panels/trend?start_date=soon&colour=red", headers=HTMX)
    assert refused.status_code == 422
    assert "This page has no parameter" in refused.text


def test_what_cannot_be_read_is_not_asked_of_the_panels(filled):
    for url in awaited(filled.client.get("/?start_date=soon&meter=ghost&group_by=week").text).values():
        assert filled.client.get(url, headers=HTMX).status_code == 200
        assert "group_by=week" in url


def test_every_grouping_of_a_long_window_answers(filled):
    for group in ("minute", "hour", "day", "week", "month", "quarter", "year"):
        html = everything(filled, f"group_by={group}&start_date=1990-01-01&end_date=2030-01-01")
        assert "notice-bad" not in html


def test_many_meters_are_chosen_from_a_list_that_works_without_script(empty):
    for i in range(9):
        empty.meter(f"m{i}", f"Meter {i}")
    html = empty.client.get("/?meter=m7").text
    assert '<select class="input" id="meter" name="meter" data-autosubmit>' in html
    assert '<option value="m7" selected>Meter 7</option>' in html
    assert "Show meter" in html
