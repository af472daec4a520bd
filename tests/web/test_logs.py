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
        ("meta.region=eu", "other", "This page has no parameter 'meta.region'"),
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
    assert "show what came since" in html
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
    for query in ("", "meter_id=m", f"customer_id={bad}", f"min_quantity={bad}"):
        assert "<script>alert" not in page(instance, query).text
        assert "<script>alert" not in page(instance, query, **PART).text
    assert "<script>alert" not in instance.client.get("/?panels=all").text
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
