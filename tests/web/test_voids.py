"""Voiding an event by hand: a plain form behind the row of the log, with a reason and the session's token."""

from __future__ import annotations

import re
from html import unescape

import pytest

from fluxrate.core.model import COMMAND_LINE
from tests.web.conftest import EMAIL, instance_in, visible


@pytest.fixture
def world(tmp_path):
    """An instance, and an event of 5 on its one meter, besides one of 7."""
    instance = instance_in(tmp_path)
    meter, customer = instance.meter("m", "M"), instance.customer("acme", "Acme")
    event = instance.send(meter, customer, 5, region="eu")
    instance.send(meter, customer, 7)
    yield instance, event
    instance.services.close()


def form_of(instance, path: str) -> dict[str, str]:
    """The hidden fields of the page's own form."""
    html = instance.client.get(path).text
    html = html[html.index('class="deed-form"') :]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html)}


def sum_of(instance) -> str:
    return re.search(r"Sum ([\d,]+)", visible(instance.client.get("/logs?meter_id=m").text))[1]


def test_from_the_row_of_the_log_to_the_mark(world):
    """The row leads to a page that says what will happen; with a reason the event is marked and the figure follows."""
    instance, event = world
    assert sum_of(instance) == "12"
    log = instance.client.get("/logs?meter_id=m").text
    (link,) = [unescape(url) for url in re.findall(rf'href="(/events/{event.id}/void[^"]*)"', log)]
    page = visible(instance.client.get(link).text)
    for said in ("5 calls", "Acme", event.id, "This cannot be undone"):
        assert said in page
    answer = instance.client.post(link, data=form_of(instance, link) | {"reason": " sent <b>twice</b> "})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/logs?meter_id=m")
    back = instance.client.get(answer.headers["Location"]).text
    assert "<s>5</s>" in back
    assert f"by {EMAIL}: sent <b>twice</b>" in unescape(visible(back))
    assert f"/events/{event.id}/void" not in back
    assert sum_of(instance) == "7"
    (entry,), _ = instance.services.store.trail.list(
        0, instance.services.clock() + 1, actor=None, action="event.voided", page=1, page_size=5
    )
    assert (entry.actor, entry.target, entry.details) == (
        f"user:{EMAIL}", f"event:{event.id}", {"reason": "sent <b>twice</b>"},
    )  # fmt: skip
    assert entry.address == "127.0.0.1"


@pytest.mark.parametrize(
    ("reason", "status", "said"),
    [("", 422, "Give the reason"), ("   ", 422, "Give the reason"), ("x" * 501, 400, "500"), ("a\0b", 400, "reason")],
)
def test_without_a_reason_that_can_be_kept_nothing_is_done(world, reason, status, said):
    """The sentence stands at the field, and the event counts."""
    instance, event = world
    path = f"/events/{event.id}/void"
    answer = instance.client.post(path, data=form_of(instance, path) | {"reason": reason})
    assert answer.status_code == status
    assert said in visible(answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert instance.services.store.voids.by_events([event.seq]) == {}


def test_the_form_needs_the_token(world):
    instance, event = world
    path = f"/events/{event.id}/void"
    for data in ({"reason": "r"}, {"reason": "r", "csrf_token": "x"}):
        assert instance.client.post(path, data=data).status_code == 403
    assert instance.app.test_client().post(path, data=form_of(instance, path) | {"reason": "r"}).status_code == 302
    assert instance.services.store.voids.by_events([event.seq]) == {}


def test_a_voided_event_says_who_when_and_why(world):
    """The page has no form then; who sends one all the same, because somebody was quicker, sees the same with a 409."""
    instance, event = world
    path = f"/events/{event.id}/void"
    fields = form_of(instance, path)
    instance.services.ingest.void(event.id, "the first", COMMAND_LINE)
    for answer, status in (
        (instance.client.get(path), 200),
        (instance.client.post(path, data=fields | {"reason": "the second"}), 409),
    ):
        assert answer.status_code == status
        assert re.search(r"Voided \d{4}-\d\d-\d\d [\d:.]+ UTC by the command line: the first", visible(answer.text))
        assert "deed-form" not in answer.text


def test_what_is_no_event_is_a_page_in_style(world):
    instance, _ = world
    for ref in ("nope", "01a20530-c5aa-7000-8000-000000000001"):
        answer = instance.client.get(f"/events/{ref}/void")
        assert answer.status_code == 404
        assert "No event has the id" in answer.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x"])
def test_the_way_back_is_local(world, target):
    instance, event = world
    path = f"/events/{event.id}/void"
    fields = form_of(instance, path) | {"reason": "r", "next": target}
    assert instance.client.post(path, data=fields).headers["Location"] == "/"
    assert "evil" not in instance.client.get(path, query_string={"next": target}).text
