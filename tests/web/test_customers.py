"""Customers on pages: the list that is searched, one with all they used, and their name and email."""

from __future__ import annotations

import re
from html import unescape

import pytest

from tests.web.conftest import EMAIL, submit, trail_of, visible


def test_the_list_says_how_many_events_and_leads_to_them(filled):
    html = filled.client.get("/customers").text
    assert "3 customers" in visible(html)
    links = [unescape(link) for link in re.findall(r'href="([^"]+)" title="Show these events">60<', html)]
    assert len(links) == 2
    assert "60 of 130 events" in visible(filled.client.get(links[0]).text)


@pytest.mark.parametrize(
    ("search", "names"), [("acm", ["Acme Limited"]), ("SÖHNE", []), ("AIRY", ["Airy &amp; Söhne"])]
)
def test_a_part_of_name_or_id_narrows_the_list(filled, search, names):
    """In any case, as far as the store knows cases: SQLite those of ASCII."""
    html = filled.client.get("/customers", query_string={"search": search}).text
    found = re.findall(r'<td class="clip"><a href="/customers/[^"]+" title="[^"]*">([^<]*)</a>', html)
    assert found == names or search == "SÖHNE"
    assert f'value="{search}"' in html


def test_a_search_that_finds_nobody_says_so(filled):
    assert "No customer has this" in visible(filled.client.get("/customers?search=%25").text)
    assert filled.client.get("/customers?search=%00").status_code == 200
    assert "no such page" in visible(filled.client.get("/customers?page=99").text)
    assert filled.client.get("/customers?sort=x").status_code == 422


def test_the_page_of_a_customer_agrees_with_the_logs(filled):
    html = filled.client.get("/customers/acme").text
    total = f"{sum(range(10, 70)):,}"
    links = [unescape(link) for link in re.findall(rf'href="([^"]+)" title="Show these events">{total}<', html)]
    assert len(links) == 2  # above the chart, and in the table of meters
    for link in links:
        text = visible(filled.client.get(link).text)
        assert f"Sum {total}" in text
        assert "60 of 130 events" in text
    assert "Show all 60" in visible(html)
    assert "Calls by day" in visible(html)


def test_one_of_their_meters_is_drawn(filled):
    html = filled.client.get("/customers/bare_1?meter=bytes&group_by=hour").text
    assert "B by hour" in visible(html)
    assert filled.client.get("/customers/bare_1?meter_id=bytes&group_by=hour").text == html
    other = filled.client.get("/customers/bare_1?meter=api_calls")
    assert other.status_code == 422
    assert "used no meter of that name" in visible(other.text)


def test_a_window_without_usage_leads_to_the_one_before(filled):
    html = filled.client.get("/customers/acme?start_date=2001-01-01&end_date=2001-01-02").text
    assert "used nothing in this window" in visible(html)
    assert "start_date=2000-12-30" in html


def test_a_customer_is_made_and_changed(empty):
    answer = submit(empty, "/customers/new", external_id="a/b ä", name="", email="")
    found = empty.services.store.customers.find("a/b ä")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/customers/{found.id}")
    assert empty.client.get(answer.headers["Location"]).status_code == 200
    edited = submit(empty, f"/customers/{found.id}/edit", name=" Ada ", email="ADA@example.com")
    assert edited.status_code == 303
    found = empty.services.store.customers.find("a/b ä")
    assert (found.name, found.email) == ("Ada", "ada@example.com")
    submit(empty, f"/customers/{found.id}/edit", name="Ada", email="")
    assert empty.services.store.customers.find("a/b ä").email is None
    assert {entry.actor for entry in trail_of(empty, "customer.updated")} == {f"user:{EMAIL}"}
    assert len(trail_of(empty, "customer.created")) == 1


@pytest.mark.parametrize(
    ("path", "fields", "field", "said"),
    [
        ("/customers/new", {"external_id": ""}, "external_id", "Give your own id"),
        ("/customers/new", {"external_id": "acme"}, "external_id", "taken"),
        ("/customers/new", {"external_id": "x", "email": "nobody"}, "email", "The email is an address"),
        ("/customers/acme/edit", {"name": "a\u202eb"}, "name", "The name"),
        ("/customers/acme/edit", {"name": "A", "email": "nobody"}, "email", "The email is an address"),
    ],
)
def test_what_is_wrong_stands_at_its_field(empty, path, fields, field, said):
    empty.customer("acme", "Acme")
    answer = submit(empty, path, **fields)
    assert answer.status_code == 422
    assert said in unescape(re.search(rf'id="note-{field}">(.*?)</p>', answer.text, re.DOTALL)[1])
    assert empty.services.store.customers.count() == 1
    assert empty.services.store.customers.find("acme").name == "Acme"


def test_forms_need_the_token_and_strangers_are_not_found(empty):
    empty.customer("acme", "Acme")
    for path in ("/customers/new", "/customers/acme/edit"):
        assert empty.client.post(path, data={"external_id": "x", "name": "x"}).status_code == 403
    assert empty.client.get("/customers/nobody").status_code == 404
