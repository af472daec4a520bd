"""Meters on pages: the list, the forms with the API's rules, what one meter shows, and archiving."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape

import pytest

from tests.web.conftest import EMAIL, HOUR, submit, trail_of, visible

NEW = {"name": "API calls", "meter_name": "api_calls", "aggregation_type": "SUM", "unit": "calls", "decimals": "2"}


def table_of(html: str, name: str) -> str:
    """The text of the section with this title."""
    return visible(html[html.index(f'id="{name}"') :].partition("</section>")[0])


def test_the_list_has_every_active_meter_with_its_figure_that_leads_to_its_events(filled):
    html = filled.client.get("/meters").text
    assert "2 meters" in visible(html)
    # 30 days: all sixty events of each customer, 10..69 and 100..159.
    total = sum(range(10, 70)) + sum(range(100, 160))
    (link,) = re.findall(rf'href="([^"]+)" title="Show these events">{total:,}<', html)
    assert f"Sum {total:,}" in visible(filled.client.get(unescape(link)).text)


def test_a_meter_is_made_as_typed_and_the_trail_says_who(empty):
    answer = submit(empty, "/meters/new", **NEW, property_name="size", filters="region=eu\nregion=us\n kind = a=b ")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/meters/api_calls")
    meter = empty.services.store.meters.find("api_calls")
    assert (meter.name, meter.unit, meter.decimals, meter.property_name) == ("API calls", "calls", 2, "size")
    assert [(own.key, own.values) for own in meter.filters] == [("region", ("eu", "us")), ("kind", ("a=b",))]
    (entry,) = trail_of(empty, "meter.created")
    assert (entry.actor, entry.target) == (f"user:{EMAIL}", "meter:api_calls")
    assert empty.client.get("/meters/api_calls").status_code == 200


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("meter_name", "API calls", "The name in calls is 1 to 63 of a-z"),
        ("meter_name", "", "Give the name that stands in calls"),
        ("meter_name", "taken", "taken"),
        ("name", "a\0b", "The name"),
        ("unit", "x" * 33, "The unit"),
        ("decimals", "19", "Decimals are a whole number from 0 to 18"),
        ("decimals", "1.5", "Decimals are a whole number"),
        ("aggregation_type", "MEDIAN", "SUM"),
        ("filters", "region", "A filter is a line such as region=eu"),
        ("filters", "\n".join(f"k{i}=v" for i in range(6)), "at most 5 keys"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(empty, field, typed, said):
    empty.meter("taken", "Taken")
    answer = submit(empty, "/meters/new", **NEW | {field: typed})
    assert answer.status_code == 422
    note = re.search(rf'id="note-{field}">(.*?)</p>', answer.text, re.DOTALL)[1]
    assert said in unescape(note)
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', answer.text)
    kept = "unit" if field == "name" else "name"
    assert f'value="{NEW[kept]}"' in answer.text
    assert len(empty.services.store.meters.all()) == 1


def test_before_the_first_event_everything_but_decimals_may_change(empty):
    meter = empty.meter("calls", "Calls")
    html = empty.client.get("/meters/calls/edit").text
    assert 'name="aggregation_type"' in html
    assert 'name="decimals"' not in html
    answer = submit(
        empty, "/meters/calls/edit", name="New", unit="", aggregation_type="MAX", property_name="", filters=""
    )
    assert answer.status_code == 303
    changed = empty.services.store.meters.get(meter.pk)
    assert (changed.name, changed.unit, changed.aggregation_type) == ("New", None, "MAX")


def test_after_the_first_event_the_form_says_what_is_fixed_and_refuses_it(empty):
    meter = empty.meter("calls", "Calls")
    empty.send(meter, empty.customer("acme", None), 1)
    html = empty.client.get("/meters/calls/edit").text
    assert "they cannot change any more" in visible(html)
    assert 'name="aggregation_type"' not in html
    assert submit(empty, "/meters/calls/edit", name="Renamed", unit="hits").status_code == 303
    # Somebody's form was open since before the first event.
    refused = submit(empty, "/meters/calls/edit", name="Again", unit="hits", aggregation_type="MAX")
    assert refused.status_code == 422
    assert "is fixed, because events are already counted by it" in visible(refused.text)
    found = empty.services.store.meters.get(meter.pk)
    assert (found.name, found.unit, found.aggregation_type) == ("Renamed", "hits", "SUM")
    (entry,) = trail_of(empty, "meter.updated")
    assert entry.details["name"] == {"from": "Calls", "to": "Renamed"}


def test_archiving_asks_first_and_can_be_taken_back(empty):
    meter = empty.meter("calls", "Calls")
    assert "takes no events" in visible(empty.client.get("/meters/calls/archive").text)
    assert empty.services.store.meters.get(meter.pk).status == "ACTIVE"
    assert submit(empty, "/meters/calls/archive").headers["Location"] == "/meters/calls"
    assert empty.services.store.meters.get(meter.pk).status == "ARCHIVED"
    assert "0 meters" in visible(empty.client.get("/meters").text)
    assert "Calls" in empty.client.get("/meters?status=ARCHIVED").text
    assert "This meter is archived" in empty.client.get("/meters/calls").text
    submit(empty, "/meters/calls/restore")
    assert empty.services.store.meters.get(meter.pk).status == "ACTIVE"
    assert len(trail_of(empty, "meter.updated")) == 2


def test_many_meters_are_searched_by_either_name(empty):
    for i in range(26):
        empty.meter(f"m{i:02}", f"Meter {i:02}")
        if i == 24:
            assert 'id="search"' not in empty.client.get("/meters").text
    assert 'id="search"' in empty.client.get("/meters").text
    assert "26 meters" in visible(empty.client.get("/meters").text)
    by_name = empty.client.get("/meters?search=METER 2").text
    assert "6 of 26 meters" in visible(by_name)
    assert re.findall(r'title="(Meter \d\d)"', by_name) == [f"Meter {i}" for i in range(20, 26)]
    assert re.findall(r'title="(Meter \d\d)"', empty.client.get("/meters?search=m07").text) == ["Meter 07"]
    assert re.findall(r'title="(Meter \d\d)"', empty.client.get("/meters?search=m&page=2").text) == ["Meter 25"]
    nothing = visible(empty.client.get("/meters?search=<b>").text)
    assert "No meter has this in their name" in nothing
    assert "0 of 26 meters" in nothing
    assert "0 meters" in visible(empty.client.get("/meters?search=m07&status=ARCHIVED").text.replace("0 of 0", "0"))
    assert "This list has no such page" in visible(empty.client.get("/meters?page=9").text)


def test_forms_need_the_token(empty):
    empty.meter("calls", "Calls")
    for path in ("/meters/new", "/meters/calls/edit", "/meters/calls/archive", "/meters/calls/restore"):
        assert empty.client.post(path, data=NEW | {"csrf_token": "x"}).status_code == 403
    assert len(empty.services.store.meters.all()) == 1


def test_the_page_of_a_meter_agrees_with_the_logs(filled):
    html = filled.client.get("/meters/api_calls?group_by=week").text
    total = sum(range(10, 70)) + sum(range(100, 160))
    links = re.findall(rf'href="([^"]+)" title="Show these events">{total:,}<', html)
    assert f"Sum {total:,}" in visible(filled.client.get(unescape(links[0])).text)
    acme = f"{sum(range(10, 70)):,}"
    (link,) = re.findall(rf'href="([^"]+)" title="Show these events">{acme}<', html)
    assert f"Sum {acme}" in visible(filled.client.get(unescape(link)).text)
    assert "Calls by week" in visible(html)
    assert "Show all 120" in visible(html)


def test_a_meter_is_told_apart_by_the_metadata_that_it_has(filled):
    html = filled.client.get("/meters/api_calls?breakdown=meta.region").text
    keys = re.findall(r'<option value="meta\.(\w+)"', html)
    assert sorted(keys) == ["path", "region"]
    text = table_of(html, "breakdown")
    assert f"eu {sum(range(10, 70)):,} 60" in text
    assert f"Without it {sum(range(100, 160)):,} 60" in text
    # The parameters of the link mean the same to the API.
    total = f"{sum(range(10, 70)):,}"
    links = [unescape(link) for link in re.findall(rf'href="([^"]+)" title="Show these events">{total}<', html)]
    (link,) = [link for link in links if "meta.region=eu" in link]
    assert filled.client.get(link.replace("/logs", "/api/v1/usage")).json["meta"]["total"] == 60
    # Sixty values: ten of them, and the rest in one row.
    assert "All others" in table_of(filled.client.get("/meters/api_calls?breakdown=meta.path").text, "breakdown")
    assert "carry no metadata" in table_of(filled.client.get("/meters/bytes").text, "breakdown")
    assert filled.client.get("/meters/api_calls?breakdown=meta.nope").status_code == 200


@pytest.mark.parametrize("group", ["minute", "hour", "day", "week", "month", "quarter", "year"])
def test_every_grouping_answers(filled, group):
    assert filled.client.get(f"/meters/api_calls?group_by={group}").status_code == 200
    assert filled.client.get(f"/meters/api_calls?group_by={group}&start_date=2020-01-01").status_code == 200


def test_what_cannot_be_read_is_said_and_the_page_stands(filled):
    answer = filled.client.get("/meters/api_calls?start_date=soon&group_by=blink&other=1")
    assert answer.status_code == 422
    for said in ("From is a date", "group_by is one of", "no parameter"):
        assert said in unescape(answer.text)
    assert filled.client.get("/meters/nope").status_code == 404
    assert filled.client.get("/meters?status=x").status_code == 200


@pytest.mark.parametrize("aggregation", ["SUM", "COUNT", "MAX", "UNIQUE_COUNT"])
def test_the_event_that_the_page_tells_to_send_is_counted(empty, aggregation):
    """The curl command is taken apart as a shell does it and sent: the meter takes the event and counts it."""
    filters = "region=it's"
    submit(empty, "/meters/new", **NEW | {"aggregation_type": aggregation}, property_name="who", filters=filters)
    html = empty.client.get("/meters/api_calls").text
    code = unescape(re.search(r'data-language="curl">.*?<code>(.*?)</code>', html, re.DOTALL)[1])
    words = shlex.split(code.replace("\\\n", " "))
    path = words[1].removeprefix("http://localhost")
    body = json.loads(words[words.index("-d") + 1])
    token = re.search(r'name="csrf_token" value="([^"]+)"', html)[1]
    answer = empty.client.post(path, json=body, headers={"X-CSRF-Token": token})
    assert answer.status_code == 201, answer.text
    assert re.search(r"Count 1|Events 1 ", table_head(empty.client.get("/meters/api_calls").text))
    for language in ("python", "go", "javascript"):
        assert body["meter_token"] in html[html.index(f'data-language="{language}"') :]


def table_head(html: str) -> str:
    return visible(html[html.index('class="headline"') : html.index('class="chart-unit"')])


def test_names_of_strangers_are_text(empty):
    nasty = "<img src=x onerror=alert(1)>\"'"
    meter = empty.meter("calls", nasty, unit="<b>", property_name=nasty)
    customer = empty.customer(nasty, nasty)
    empty.send(meter, customer, 1, ago=HOUR, **{nasty: nasty})
    for path in ("/meters", "/meters/calls", "/meters/calls/edit", "/meters/calls/archive"):
        assert "<img" not in empty.client.get(path).text


def test_a_meter_that_is_named_new_has_a_page(empty):
    meter = empty.meter("new", "The new one")
    assert f"/meters/{meter.id}" in empty.client.get("/meters").text
    assert "The new one" in empty.client.get(f"/meters/{meter.id}").text
