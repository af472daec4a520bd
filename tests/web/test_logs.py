"""The Usage Logs: a form that works without script, a part for htmx, errors next to fields, every state in the URL."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from fluxrate.core.model import By
from tests.web.conftest import instance_in, visible

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
WINDOW = "start_date=2020-01-01&end_date=2100-01-01"


def page(instance, query="", **headers):
    return instance.client.get(f"/logs?{query}", headers=headers)


def rows(html: str) -> int:
    return html.count("<tr data-row>")


def note(html: str, field: str) -> str:
    found = re.search(rf'id="note-{field}"[^>]*>([^<]*)<', html)
    return unescape(found[1]) if found else ""


def test_the_page_is_a_plain_form_that_gets(filled):
    html = page(filled).text
    form = re.search(r"<form class=\"filters\"[^>]*>", html)
    assert form
    assert 'method="get"' in form[0]
    assert 'action="/logs"' in form[0]
    for name in ("meter_id", "customer_id", "start_date", "end_date", "min_quantity", "max_quantity", "timezone"):
        assert f'name="{name}"' in html
    assert rows(html) == 50
    assert "130 events" in visible(html)


def test_filters_narrow_the_list_and_stay_in_the_form(filled):
    html = page(filled, "meter_id=api_calls&customer_id=acme&min_quantity=60").text
    assert "10 of 130 events" in visible(html)
    assert rows(html) == 10
    assert 'value="60"' in html
    assert '<option value="api_calls" selected>' in html
    assert "Sum 645 calls" in visible(html)


def test_a_name_is_enough_where_it_names_one_customer(filled):
    html = page(filled, "customer_id=limited").text
    assert note(html, "customer_id") == "Acme Limited (acme)"
    assert "60 of 130 events" in visible(html)


def test_a_text_that_fits_several_customers_names_them(filled):
    answer = page(filled, "customer_id=a")
    assert answer.status_code == 422
    assert note(answer.text, "customer_id").startswith("3 customers match: Acme Limited (acme), Airy & Söhne (airy)")
    assert rows(answer.text) == 0


@pytest.mark.parametrize(
    ("query", "field", "sentence"),
    [
        ("start_date=2026-99-01", "start_date", "From is a date such as 2025-01-31, but '2026-99-01' came."),
        ("start_date=2026-02-02&end_date=2026-02-01", "start_date", "From is not after To"),
        ("min_quantity=abc", "min_quantity", "The minimum is a decimal number"),
        ("max_quantity=-1", "max_quantity", "The maximum is a decimal number"),
        ("min_quantity=9&max_quantity=8", "min_quantity", "9 is more than 8"),
        ("timezone=Mars/Olympus", "timezone", "The time zone is an IANA name"),
        ("meter_id=nothing", "meter_id", "No meter has this name or id"),
        ("customer_id=nobody", "customer_id", "No customer has the id, external id or name 'nobody'."),
        ("customer_id=a%00b", "customer_id", "printable characters only"),
        ("other=eu", "other", "This page has no parameter 'other'"),
        ("meta=region", "meta", "Metadata is a key, = and a value, such as region=eu, but 'region' came."),
        ("meta=%3Deu", "meta", "Metadata is a key, = and a value"),
        ("meta.region=a%00b", "meta", "NUL"),
        ("voided=maybe", "voided", "voided is one of true, false"),
        ("at=noon", "at", "at "),
        ("customer_id=acme&customer_id=airy", "other", "customer_id is given more than once"),
        ("page=0", "page", "The page is a whole number"),
        ("page_size=5000", "page_size", "The page size is a whole number from 1 to 1,000."),
        ("as_of=99999999", "as_of", "as_of is at most"),
    ],
)
def test_what_cannot_be_read_says_so_next_to_its_field_and_stays_typed(filled, query, field, sentence):
    answer = page(filled, query)
    assert answer.status_code == 422
    assert sentence in note(answer.text, field)
    assert "Nothing is listed" in answer.text
    if field in ("start_date", "min_quantity", "timezone"):
        typed = parse_qs(query)[field][0]
        assert f'value="{typed}"' in answer.text


def test_htmx_gets_the_part_with_the_address_to_show(filled):
    answer = page(filled, "customer_id=limited&min_quantity=60&meter_id=&max_quantity=&page_size=50", **PART)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert rows(answer.text) == 10
    assert answer.headers["HX-Push-Url"] == "/logs?customer_id=acme&min_quantity=60"
    assert "HX-Request" in answer.headers["Vary"]
    assert 'id="note-customer_id" hx-swap-oob="true"' in answer.text


def test_htmx_keeps_the_list_when_a_field_cannot_be_read(filled):
    answer = page(filled, "min_quantity=abc", **PART)
    assert answer.status_code == 200
    assert answer.headers["HX-Reswap"] == "none"
    assert "HX-Push-Url" not in answer.headers
    assert 'id="results"' not in answer.text
    assert "The minimum is a decimal number" in note(answer.text, "min_quantity")


def test_a_history_restore_gets_the_whole_page(filled):
    answer = page(filled, "min_quantity=60", **PART, **{"HX-History-Restore-Request": "true"})
    assert answer.text.startswith("<!doctype html>")


def test_a_form_sent_without_script_ends_at_the_short_address(filled):
    answer = page(filled, "meter_id=api_calls&customer_id=&min_quantity=&max_quantity=5")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/logs?meter_id=api_calls&max_quantity=5"


def test_pages_are_numbered_and_pinned(filled):
    html = page(filled, "page_size=25").text
    links = [unescape(url) for url in re.findall(r'<a class="page"[^>]*href="([^"]+)"', html)]
    assert [parse_qs(urlsplit(url).query)["page"] for url in links] == [["2"], ["3"], ["6"]]
    assert all("as_of=130" in url and "page_size=25" in url for url in links)


def test_a_page_beyond_the_last_shows_the_last(filled):
    html = page(filled, "page_size=25&page=999").text
    assert rows(html) == 5
    assert 'aria-current="page">6<' in html


def test_a_pinned_list_stays_as_it_was_and_says_what_came_since(tmp_path):
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    instance.send(meter, customer, 1)
    instance.send(meter, customer, 2)
    html = page(instance, "as_of=1").text
    assert rows(html) == 1
    assert "1 new event Show it" in visible(html)
    instance.services.close()


def test_an_empty_result_says_so_and_offers_the_way_out(filled):
    html = page(filled, "meter_id=api_calls&min_quantity=100000").text
    assert "No event of this window passes these filters." in html
    assert "0 of 130 events" in visible(html)


def test_an_instance_without_meters_points_to_the_first_step(empty):
    assert "There are no meters yet." in page(empty).text


def test_times_stand_in_the_chosen_zone(filled):
    html = page(filled, "timezone=Asia/Kathmandu").text
    assert "+05:45 Asia/Kathmandu" in html


def test_metadata_narrows_the_list_in_the_words_of_the_api(filled):
    html = page(filled, "meta.region=eu&meta.path=/v1/7&meta.path=/v1/9").text
    assert rows(html) == 2
    assert "2 of 130 events" in visible(html)
    assert re.findall(r'name="meta" type="search" list="metadata" value="([^"]*)"', html) == [
        "region=eu",
        "path=/v1/7",
        "path=/v1/9",
        "",
    ]
    assert "0 of 130 events" in visible(page(filled, "meta.region=us").text)


def test_metadata_as_it_was_typed_ends_at_the_address_of_the_api(filled):
    answer = page(filled, "meta=region%3Deu&meta=path%3D/v1/7&meta=&customer_id=limited")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/logs?customer_id=acme&meta.path=%2Fv1%2F7&meta.region=eu"
    part = page(filled, "meta=region%3Deu&meta=&customer_id=limited", **PART)
    assert part.headers["HX-Push-Url"] == "/logs?customer_id=acme&meta.region=eu"
    assert all("meta.region=eu" in unescape(url) for url in re.findall(r'href="(/logs\?[^"]*page=2[^"]*)"', part.text))


def test_a_chip_adds_its_metadata_to_the_filters(filled):
    html = page(filled, "meta.region=eu&page_size=25").text
    links = [unescape(url) for url in re.findall(r'<a class="chip" href="([^"]+)"', html)]
    assert "/logs?page_size=25&meta.region=eu&meta.path=%2Fv1%2F0" in links


def test_every_link_of_the_list_keeps_the_metadata(filled):
    html = page(filled, "meta.region=eu&page_size=25").text
    for pattern in (
        r'class="page"[^>]*href="([^"]+)"',
        r'id="export-\w+" href="([^"]+)"',
        r'hx-get="(/logs/news[^"]+)"',
    ):
        found = [unescape(url) for url in re.findall(pattern, html)]
        assert found
        assert all(parse_qs(urlsplit(url).query)["meta.region"] == ["eu"] for url in found)


def test_a_jump_to_a_time_is_the_page_with_the_newest_event_up_to_it(filled):
    first = page(filled, "page_size=25")
    times = []
    for number in range(1, 7):
        html = page(filled, f"page_size=25&page={number}").text
        times += re.findall(r'time-cell"><time datetime="([^"]+)"', html)
    at = times[60]
    form = first.text[first.text.index('<form class="jump') :]
    kept = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form[: form.index("</form>")]))
    assert kept == {"page_size": "25", "as_of": "130"}
    answer = filled.client.get("/logs", query_string=kept | {"at": at})
    assert answer.headers["Location"] == "/logs?page_size=25&page=3&as_of=130"
    assert at in filled.client.get(answer.headers["Location"]).text
    part = filled.client.get("/logs", query_string=kept | {"at": at}, headers=PART)
    assert part.headers["HX-Push-Url"] == answer.headers["Location"]
    assert 'aria-current="page">3<' in part.text


@pytest.fixture
def arriving(tmp_path):
    """Two events of a meter, and a way to more."""
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    first = instance.send(meter, customer, 1)
    instance.send(meter, customer, 20)
    yield instance, lambda quantity: instance.send(meter, customer, quantity), first
    instance.services.close()


def news(instance, html: str):
    (url,) = re.findall(r'hx-get="(/logs/news[^"]+)"', html)
    return instance.client.get(unescape(url), headers=PART)


def test_what_came_since_is_offered_and_counted_by_the_filters(arriving):
    instance, send, _ = arriving
    html = page(instance, "min_quantity=10").text
    assert news(instance, html).status_code == 204
    send(5)
    assert news(instance, html).status_code == 204
    send(50)
    send(60)
    answer = news(instance, html)
    assert visible(answer.text) == "2 new events Show them"
    assert 'href="/logs?min_quantity=10"' in answer.text
    assert "HX-Push-Url" not in answer.headers
    send(70)
    assert "3 new events" in visible(news(instance, answer.text).text), "the offer goes on counting"


def test_a_list_that_follows_gets_the_new_events_marked(arriving):
    instance, send, _ = arriving
    html = page(instance, "live=true").text
    assert 'id="stop" href="/logs"' in html
    assert news(instance, html).status_code == 204
    new = send(7)
    answer = news(instance, html)
    assert rows(answer.text) == 2
    assert re.findall(r'<tr data-row class="fresh">.*?title="([0-9a-f-]{36})"', answer.text, re.DOTALL) == [new.id]
    assert news(instance, answer.text).status_code == 204
    assert "data-follows" not in page(instance, "live=true&as_of=2").text, "a pinned list stands still"


def test_a_list_of_voided_events_and_one_without(arriving):
    instance, _, first = arriving
    html = page(instance, "voided=true").text
    assert rows(html) == 0
    instance.services.ingest.void(first.id, "twice", By("cli"))
    assert visible(news(instance, html).text) == "1 newly voided Show it"
    html = page(instance, "voided=true&meter_id=m").text
    assert (rows(html), first.id in html) == (1, True)
    assert "Voided events count in no figure." in html
    html = page(instance, "voided=false&meter_id=m").text
    assert (rows(html), first.id in html) == (1, False)
    assert "Sum 20 calls" in visible(html)


def test_an_export_is_exactly_what_was_listed(arriving):
    instance, send, _ = arriving
    html = page(instance, "min_quantity=10").text
    urls = [unescape(url) for url in re.findall(r'id="export-\w+" href="([^"]+)"', html)]
    assert [parse_qs(urlsplit(url).query)["format"] for url in urls] == [["csv"], ["ndjson"]]
    send(90)
    table, lines = (instance.client.get(url) for url in urls)
    assert len(table.text.splitlines()) == 2
    assert '"quantity":"20"' in lines.text
    assert lines.text.count("\n") == 1
    assert table.headers["Content-Disposition"] == 'attachment; filename="usage-logs-2.csv"'
    assert instance.client.get("/logs/export?format=csv&min_quantity=x").status_code == 422
    assert instance.client.get("/logs/export").status_code == 422
    assert instance.app.test_client().get(urls[0]).status_code == 302


def test_an_event_has_a_page_of_its_own(arriving):
    instance, _, first = arriving
    html = page(instance).text
    url = f"/events/{first.id}"
    assert f'href="{url}"' in html
    shown = instance.client.get(url).text
    assert first.id in shown
    assert f'href="{url}/void?next={url}"' in shown
    assert instance.client.get("/events/00000000-0000-7000-8000-000000000999").status_code == 404
    assert instance.client.get(f"{url}?timezone=Mars").status_code == 422


def test_metadata_is_shown_as_it_was_sent_digit_for_digit(tmp_path):
    instance = instance_in(tmp_path)
    event = instance.send(instance.meter("m", "M"), instance.customer("c", None), 1, deep={"a": [1, {"b": None}]})
    for html in (page(instance).text, instance.client.get(f"/events/{event.id}").text):
        assert '{\n  "deep": {\n    "a": [' in unescape(html)
    instance.services.close()


def test_a_voided_event_is_listed_marked(tmp_path):
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    wrong, right = instance.send(meter, customer, 1234567), instance.send(meter, customer, 8)
    instance.services.ingest.void(wrong.id, "sent twice <b>", By("key:sk_live_0123456789ab billing"))
    html = page(instance, f"meter_id=m&{WINDOW}").text
    assert rows(html) == 2
    assert "Sum 8 calls" in visible(html)
    assert re.findall(r"<s>([^<]*)</s>", html) == ["1,234,567"]
    (title,) = re.findall(r'<span class="voided" title="([^"]*)"', html)
    said = re.fullmatch(
        r"Voided (on \d{4}-\d\d-\d\d [\d:.]+ UTC by the key billing \(sk_live_0123456789ab\): sent twice <b>)",
        unescape(title),
    )
    assert said
    assert f"voided {said[1]}." in unescape(visible(html))
    assert f"Voided {said[1].removeprefix('on ')}" in unescape(visible(html))
    assert "<s>" not in page(instance, f"as_of=2&{WINDOW}").text
    assert right.id in html
    instance.services.close()


def test_strangers_text_is_escaped_everywhere(tmp_path):
    instance = instance_in(tmp_path)
    bad = '<script>alert("1")</script>'
    meter = instance.meter("m", f"Meter {bad}", unit=bad)
    customer = instance.customer(f"id {bad}", f"Customer {bad}")
    event = instance.send(meter, customer, 7, key=f"key {bad}", **{bad: bad, "long": "x" * 5000})
    instance.services.ingest.void(event.id, f"reason {bad}", By(f"key:sk_live_0123456789ab name {bad}"))
    for query in ("", "meter_id=m", f"customer_id={bad}", f"min_quantity={bad}", f"meta={bad}", f"meta.{bad}={bad}"):
        assert "<script>alert" not in page(instance, query).text
        assert "<script>alert" not in page(instance, query, **PART).text
    assert "<script>alert" not in instance.client.get("/?panels=all").text
    assert "<script>alert" not in instance.client.get(f"/events/{event.id}").text
    instance.services.close()


def test_htmx_without_a_session_leaves_for_the_sign_in_page(filled):
    answer = filled.app.test_client().get("/logs?meter_id=bytes", headers=PART, follow_redirects=True)
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/logs?meter_id%3Dbytes"
    assert answer.text == ""


def test_htmx_gets_the_sentence_of_an_error_and_keeps_the_list(filled):
    answer = filled.client.get("/nothing", headers=PART)
    assert answer.status_code == 404
    assert answer.headers["HX-Reswap"] == "none"
    assert 'id="stale"' in answer.text
    assert "<html" not in answer.text


def test_a_stranger_is_sent_to_sign_in_and_back(filled):
    answer = filled.app.test_client().get("/logs?meter_id=bytes")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=/logs?meter_id%3Dbytes"


def test_an_opened_row_leads_to_its_customer_and_meter(filled):
    for path in ("/logs?customer_id=bare_1&page_size=25", None):
        if path is None:
            event = filled.client.get("/api/v1/usage?customer_id=bare_1").get_json()["data"][0]
            path = f"/events/{event['id']}"
        facts = filled.client.get(path).text.split('<dl class="facts">')[1].split("</dl>")[0]
        (customer,) = re.findall(r'href="(/customers/[^"]+)">bare_1</a>', facts)
        (meter,) = re.findall(r'href="(/meters/[^"]+)">Bytes</a>', facts)
        assert "<title>bare_1 " in filled.client.get(customer).text
        assert "<title>Bytes " in filled.client.get(meter).text
        assert facts.count(">bare_1<") == 1, "an external id that stands for a name is written once"
