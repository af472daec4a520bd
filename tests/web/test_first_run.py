"""The first run: a meter, a key, the first event; each step where the last one ended."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape

from tests.web.conftest import submit, visible


def command_of(html: str) -> list[str]:
    code = next(unescape(code) for code in re.findall(r"<code>(.*?)</code>", html, re.DOTALL) if "curl" in code)
    return shlex.split(code.replace("\\\n", " "))


def test_from_nothing_to_the_first_event(empty):
    start = empty.client.get("/").text
    assert 'action="/first-run"' in start
    made = submit(
        empty,
        "/first-run",
        form="meter",
        meter_name="api_calls",
        unit="calls",
        aggregation_type="SUM",
        property_name="",
    )
    assert (made.status_code, made.headers["Location"]) == (303, "/first-run?meter=api_calls")
    second = empty.client.get(made.headers["Location"]).text
    assert "Waiting for the first event" in visible(second)
    assert "sk_live_..." in second
    key = submit(empty, "/first-run?meter=api_calls", form="key", name="first")
    words = command_of(key.text)
    header = next(word for word in words if word.startswith("X-API-Key: "))
    secret = header.removeprefix("X-API-Key: ")
    assert f'data-copy="{secret}"' in key.text
    assert empty.client.get("/first-run/event?meter=api_calls").text.count("Waiting") == 1
    sent = empty.app.test_client().post(
        words[1].removeprefix("http://localhost"),
        json=json.loads(words[words.index("-d") + 1]),
        headers={"X-API-Key": secret},
    )
    assert sent.status_code == 201
    arrived = empty.client.get("/first-run/event?meter=api_calls").text
    assert "The first event arrived" in visible(arrived)
    assert sent.json["id"] in arrived
    assert "hx-get" not in arrived  # it asks no more
    assert 'href="/logs?meter_id=api_calls"' in arrived


def test_what_is_wrong_stands_at_its_field(empty):
    wrong = submit(empty, "/first-run", form="meter", meter_name="API", unit="hits", aggregation_type="SUM")
    assert wrong.status_code == 422
    assert "The name in calls is 1 to 63" in unescape(wrong.text)
    assert 'value="hits"' in wrong.text
    empty.meter("calls", "Calls")
    nameless = submit(empty, "/first-run?meter=calls", form="key", name="")
    assert nameless.status_code == 422
    assert "Give the key a name" in unescape(nameless.text)
    assert empty.services.store.keys.all() == []


def test_a_meter_without_events_leads_on_from_the_dashboard(empty):
    meter = empty.meter("calls", "Calls")
    assert "Go on with the first steps" in visible(empty.client.get("/").text)
    empty.send(meter, empty.customer("acme", None), 1)
    assert "first steps" not in visible(empty.client.get("/").text)


def test_without_a_meter_nothing_waits(empty):
    assert "Waiting" not in empty.client.get("/first-run/event").text
    assert empty.client.post("/first-run", data={"form": "meter", "meter_name": "x"}).status_code == 403
