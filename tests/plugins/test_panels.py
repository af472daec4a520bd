"""The built-in panels."""

from __future__ import annotations

import pytest

from fluxrate.core.calendar import Window
from fluxrate.core.query import Query
from fluxrate.core.zones import DAY
from fluxrate.plugin import PanelContext
from fluxrate.plugins.panels import customers, headline, intake, late, silent, trend
from tests.web.conftest import instance_in


@pytest.fixture
def instance(tmp_path):
    made = instance_in(tmp_path)
    yield made
    made.services.close()


def days(instance, first: int, last: int, meter=None, **more) -> PanelContext:
    """A context about the days from `first` to `last` days ago, both included."""
    today = instance.services.clock() // DAY * DAY
    query = Query(Window(today - first * DAY, today - last * DAY + DAY, "UTC"), **more)
    return PanelContext(instance.services, query, meter, tuple(instance.services.catalog.meters()))


def test_late_are_events_that_arrived_in_the_window_for_the_time_before_it(instance):
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    for ago in (0, 3, 3, 40):
        instance.send(meter, customer, 1, ago=ago * DAY + 1)
    assert late(days(instance, 1, 0)) == 3
    assert late(days(instance, 29, 0)) == 1
    assert late(days(instance, 50, 0)) == 0
    assert late(days(instance, 20, 10)) == 0, "they arrived after it was over"
    assert late(days(instance, 1, 0, as_of=2)) == 1, "two had arrived by then"


def test_a_void_takes_no_late_event_away(instance):
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    event = instance.send(meter, customer, 1, ago=3 * DAY)
    url = f"/api/v1/events/{event.id}/void"
    token = instance.client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
    assert instance.client.post(url, json={"reason": "twice"}, headers={"X-CSRF-Token": token}).status_code == 200
    assert late(days(instance, 1, 0)) == 1


def test_silent_are_the_meters_that_have_stopped(instance):
    stopped, longer, going, new, never = (instance.meter(name, name) for name in ("a", "b", "c", "d", "e"))
    customer = instance.customer("c", None)
    instance.send(longer, customer, 1, ago=90 * DAY)
    instance.send(stopped, customer, 1, ago=20 * DAY)
    for ago in (1, 20):
        instance.send(going, customer, 1, ago=ago * DAY)
    instance.send(new, customer, 1, ago=1 * DAY)
    found = silent(days(instance, 6, 0))
    assert [one.meter.pk for one in found] == [stopped.pk, longer.pk]
    assert all(one.day <= one.last < one.day + DAY for one in found)
    assert [one.meter.pk for one in silent(days(instance, 15, 5))] == [going.pk, stopped.pk, longer.pk]
    assert never.pk not in {one.meter.pk for one in silent(days(instance, 99, 0))}


def test_the_intake_is_what_this_process_was_sent_and_who_is_new(instance):
    meter, customer = instance.meter("m", "M"), instance.customer("c", None)
    for key in ("a", "b", "b", "b"):
        instance.send(meter, customer, 1, key=key)
    instance.services.vitals.intake.judged(1, {"malformed": 4, "not_found": 2})
    data = intake(days(instance, 1, 0))
    assert (data["sent"], data["taken"].duplicates, data["new_customers"]) == (10, 2, 1)
    assert (str(data["duplicate_rate"]), str(data["conflict_rate"])) == ("0.2", "0.1")
    assert intake(days(instance, 9, 5))["new_customers"] == 0


def test_panels_agree_on_the_figures_of_one_window(instance):
    meter = instance.meter("m", "M")
    people = [instance.customer(f"c{i}", None) for i in range(12)]
    for i in range(60):
        instance.send(meter, people[i % 12], i + 1, ago=i * DAY)
    context = days(instance, 29, 0, meter)
    whole, over_time, top = headline(context)["compared"], trend(context)["compared"], customers(context)
    assert whole.usage.total == over_time.usage.total == sum(range(1, 31))
    assert (whole.before.total, whole.before.event_count) == (over_time.before.total, over_time.before.event_count)
    assert sum(bucket.usage for bucket in over_time.usage.buckets) == whole.usage.total
    assert over_time.places == tuple(range(30))
    for row in top["rows"]:
        assert row.compared.usage.total == row.rank.usage == sum(bucket.usage for bucket in row.compared.usage.buckets)
        assert row.compared.usage.event_count == row.rank.event_count
