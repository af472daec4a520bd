"""Meters: made, read, changed and archived; what their figures are made of stays once events are counted."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.callers import Api, exact, problem

KEYS = [
    "id", "name", "meter_name", "meter_token", "aggregation_type", "property_name", "unit", "decimals", "filters",
    "status", "created_at", "updated_at",
]  # fmt: skip


def test_a_new_meter_has_the_documented_keys_and_defaults(api):
    """`POST /meters` answers 201 with every key of a meter; only the name and the aggregation must be said."""
    response = api.post("/meters", {"meter_name": "api_calls", "aggregation_type": "SUM"})
    assert response.status_code == 201
    meter = response.json
    assert list(meter) == KEYS
    assert UUID(meter["id"]) != UUID(meter["meter_token"])
    assert (meter["name"], meter["decimals"], meter["filters"], meter["status"]) == ("api_calls", 6, [], "ACTIVE")
    assert meter["unit"] is meter["property_name"] is None
    assert meter["created_at"] == meter["updated_at"]
    assert api.get("/meters/api_calls").json == meter
    assert api.get("/meters").json["data"] == [meter]


def test_everything_about_a_meter_can_be_said(api):
    """All fields of a new meter are kept as sent."""
    body = {
        "meter_name": "egress",
        "name": "Egress – Öffentlich",
        "aggregation_type": "UNIQUE_COUNT",
        "property_name": "host.name",
        "unit": "GiB",
        "decimals": 18,
        "filters": [{"key": "region", "values": ["eu", "us"]}],
    }
    meter = api.post("/meters", body).json
    assert {name: meter[name] for name in body} == body


def test_a_meters_filters_decide_which_events_count(api):
    """Events outside the meter's filters are stored and listed, but are in no figure."""
    api.meter(filters=[{"key": "region", "values": ["eu", "us"]}, {"key": "paid", "values": ["true"]}])
    for region, paid in (("eu", True), ("us", False), ("ap", True), ("us", True), (None, True)):
        api.track(quantity="1", metadata={"region": region, "paid": paid})
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 2
    assert api.get("/meters/calls/stats").json["total_events"] == 2
    assert api.get("/meters/calls/events").json["meta"]["total"] == 5


def test_a_filters_value_is_compared_as_it_was_sent(api):
    """A value in decomposed Unicode matches what senders write the same way: nothing is tidied up."""
    decomposed = "Zu\u0308rich"
    api.meter(filters=[{"key": "city", "values": [decomposed]}])
    api.track(metadata={"city": decomposed})
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 1


def test_the_list_can_be_narrowed_to_a_status(api):
    """`status=` lists the active or the archived meters."""
    api.meter("one")
    api.meter("two")
    assert api.patch("/meters/two", {"status": "ARCHIVED"}).json["status"] == "ARCHIVED"
    assert [row["meter_name"] for row in api.get("/meters", status="ACTIVE").json["data"]] == ["one"]
    assert [row["meter_name"] for row in api.get("/meters", status="ARCHIVED").json["data"]] == ["two"]
    problem(api.get("/meters", status="archived"), 422, "ACTIVE, ARCHIVED", "'archived'")


def test_a_name_is_given_once(api):
    """A second meter of the same meter_name is a conflict, also when the first is archived."""
    api.meter()
    problem(api.post("/meters", {"meter_name": "calls", "aggregation_type": "MAX"}), 409, "'calls'")
    api.patch("/meters/calls", {"status": "ARCHIVED"})
    problem(api.post("/meters", {"meter_name": "calls", "aggregation_type": "MAX"}), 409, "'calls'")
    assert api.get("/meters").json["meta"]["total"] == 1


def test_what_a_meter_is_called_can_change_at_any_time(api):
    """Name, unit and status change with events there; the rest of the meter stays, and the change is dated."""
    before = api.meter()
    api.track()
    after = api.patch("/meters/calls", {"name": "API calls", "unit": "calls"}).json
    assert after["updated_at"] > after["created_at"]
    assert after == before | {"name": "API calls", "unit": "calls", "updated_at": after["updated_at"]}
    assert api.patch("/meters/calls", {"unit": None}).json["unit"] is None
    assert api.patch("/meters/calls", {}).json["name"] == "API calls"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("aggregation_type", "MAX"),
        ("property_name", "user"),
        ("decimals", 3),
        ("filters", [{"key": "region", "values": ["eu"]}]),
    ],
)
def test_what_the_figures_are_made_of_is_fixed_once_events_are_counted(api, field, value):
    """A change that would rewrite figures is a conflict that names the field; saying the same again is none."""
    meter = api.meter()
    api.track(quantity="1.23")
    assert list(problem(api.patch("/meters/calls", {field: value}), 409, field)["errors"]) == [field]
    assert api.patch("/meters/calls", {field: meter[field]}).status_code == 200
    assert api.get("/meters/calls").json == meter | {"updated_at": api.get("/meters/calls").json["updated_at"]}
    assert exact(api.get("/meters/calls/usage"))["metric"] == "SUM"


def test_the_aggregation_can_change_before_the_first_event(api):
    """Nothing is counted yet, so what will be may still be chosen."""
    api.meter()
    change = {"aggregation_type": "UNIQUE_COUNT", "property_name": "user", "filters": [{"key": "a", "values": ["b"]}]}
    assert api.patch("/meters/calls", change).status_code == 200
    api.track(metadata={"user": 1, "a": "b"})
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 1


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"meter_name": "Calls"}, 400, "meter_name"),
        ({"meter_name": "a b"}, 400, "meter_name"),
        ({"meter_name": ""}, 400, "meter_name"),
        ({"meter_name": "x" * 64}, 400, "meter_name"),
        ({"meter_name": "a\0"}, 400, "meter_name"),
        ({"meter_name": 5}, 422, "meter_name"),
        ({"meter_name": None}, 422, "meter_name"),
        ({"aggregation_type": "MEDIAN"}, 422, "SUM, COUNT"),
        ({"aggregation_type": ["SUM"]}, 422, "aggregation_type"),
        ({"name": ""}, 400, "name"),
        ({"name": "a\0b"}, 400, "U+0000"),
        ({"name": "a\u202eb"}, 400, "U+202E"),
        ({"name": "x" * 256}, 400, "255"),
        ({"unit": "a\nb"}, 400, "unit"),
        ({"unit": "x" * 33}, 400, "unit"),
        ({"property_name": "a\x1b[31m"}, 400, "property_name"),
        ({"property_name": ""}, 400, "property_name"),
        ({"decimals": 19}, 422, "decimals"),
        ({"decimals": -1}, 422, "decimals"),
        ({"decimals": "6"}, 422, "decimals"),
        ({"decimals": 1.5}, 422, "decimals"),
        ({"decimals": True}, 422, "decimals"),
        ({"decimals": None}, 422, "decimals"),
        ({"filters": [{"key": "a", "values": ["b"]}] * 6}, 422, "filters"),
        ({"filters": [{"key": "a", "values": []}]}, 422, "filters.0.values"),
        ({"filters": [{"key": "a"}]}, 422, "filters.0.values is missing"),
        ({"filters": [{"key": "a", "values": ["b"], "not": True}]}, 422, "filters.0.not is unknown here"),
        ({"filters": [{"key": "a\0", "values": ["b"]}]}, 400, "filters.key"),
        ({"filters": [{"key": "a", "values": ["b\0"]}]}, 400, "filters.values"),
        ({"filters": {"key": "a"}}, 422, "filters"),
        ({"status": "ACTIVE"}, 422, "status is unknown here"),
        ({"id": "1"}, 422, "id is unknown here"),
        ({"meter_token": "1"}, 422, "meter_token is unknown here"),
    ],
)
def test_a_meter_that_breaks_a_rule_is_not_made(api, change, status, said):
    """A wrong field is refused in a sentence about it, and no meter is there afterwards."""
    problem(api.post("/meters", {"meter_name": "calls", "aggregation_type": "SUM"} | change), status, said)
    assert api.get("/meters").json["data"] == []


def test_a_change_that_breaks_a_rule_changes_nothing(api):
    """A refused change leaves the meter as it was, also the parts of it that were right."""
    meter = api.meter()
    problem(api.patch("/meters/calls", {"unit": "ok", "status": "GONE"}), 422, "status", "'GONE'")
    problem(api.patch("/meters/calls", {"unit": "ok", "name": "\0"}), 400, "name")
    problem(api.patch("/meters/calls", {"meter_name": "other"}), 422, "meter_name is unknown here")
    problem(api.patch("/meters/nope", {"unit": "ok"}), 404, "'nope'")
    assert api.get("/meters/calls").json == meter


def test_many_unknown_fields_are_told_in_one_short_sentence(api):
    """However much is wrong, the answer names the first faults and counts the rest."""
    body = {f"x{i}": i for i in range(10_000)}
    refused = problem(api.post("/meters", body), 422, "So are 9992 more")
    assert len(refused["errors"]) == 10


def test_an_archived_meter_keeps_its_figures(api):
    """Archiving stops new events; what was counted can still be read, and the meter can be taken up again."""
    api.meter()
    api.track(quantity="2")
    api.patch("/meters/calls", {"status": "ARCHIVED"})
    event = {"meter_name": "calls", "customer_external_id": "new", "quantity": "1"}
    problem(api.post("/sdk/track", event), 400, "archived")
    assert exact(api.get("/meters/calls/usage"))["total_usage"] == 2
    assert api.get("/customers").json["meta"]["total"] == 1
    api.patch("/meters/calls", {"status": "ACTIVE"})
    assert api.post("/sdk/track", event).status_code == 201


def test_a_repeat_on_an_archived_meter_has_its_first_answer(api):
    """The same key changes nothing and answers with the first event, also after the meter was archived."""
    api.meter()
    event = {"meter_name": "calls", "customer_external_id": "c", "quantity": "1", "idempotency_key": "k"}
    first = api.post("/sdk/track", event)
    api.patch("/meters/calls", {"status": "ARCHIVED"})
    again = api.post("/sdk/track", event)
    assert (again.status_code, again.json["id"]) == (200, first.json["id"])
    assert again.headers["Idempotent-Replayed"] == "true"
    problem(api.post("/sdk/track", {**event, "idempotency_key": "other"}), 400, "archived")


def test_two_callers_who_make_the_same_meter_make_one(app):
    """Of racing creations one wins and the others are told of the conflict."""
    from concurrent.futures import ThreadPoolExecutor

    secret = Api(app).secret

    def make(_: int) -> int:
        return Api(app, secret).post("/meters", {"meter_name": "calls", "aggregation_type": "SUM"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(make, range(8))) == [201] + [409] * 7


def test_a_meter_that_nothing_hangs_on_is_deleted(api):
    """It is gone and its name is free again; one with events, voided ones too, or in a plan stays."""
    made = api.meter("idle")
    assert api.call("DELETE", f"/meters/{made['meter_token']}").json == made
    entry = api.get("/audit").json["data"][0]
    assert (entry["action"], entry["target"]) == ("meter.deleted", "meter:idle")
    problem(api.get("/meters/idle"), 404, "'idle'")
    problem(api.call("DELETE", "/meters/idle"), 404, "'idle'")
    assert api.get("/meters").json["data"] == []
    assert api.meter("idle")["id"] != made["id"]
    charge = {"charge_type": "USAGE", "name": "Calls", "meter_id": "idle", "unit_price": "1"}
    plan = {"external_id": "p", "name": "Paid", "plan_type": "USAGE", "currency": "USD", "billing_interval": "month"}
    assert api.post("/plans", {**plan, "charges": [charge]}).status_code == 201
    problem(api.call("DELETE", "/meters/idle"), 409, "Paid")
    api.meter("calls")
    event = api.track("calls")["id"]
    assert api.post(f"/events/{event}/void", {"reason": "a test"}).status_code == 200
    problem(api.call("DELETE", "/meters/calls"), 409, "archive it")
    assert api.get("/meters").json["meta"]["total"] == 2


def test_a_feature_of_type_meter_is_a_meter(api):
    """`POST /features` takes the fields of a meter beside its type, and there is no other type."""
    body = {"type": "meter", "meter_name": "calls", "aggregation_type": "MAX", "decimals": 0}
    made = api.post("/features", body)
    assert made.status_code == 201
    assert list(made.json) == [*KEYS, "type"]
    assert made.json.pop("type") == "meter"
    assert api.get("/meters/calls").json == {name: made.json[name] for name in KEYS}
    problem(api.post("/features", body), 409, "'calls'")
    for wrong in ({"type": "static"}, {"type": None}):
        problem(api.post("/features", body | wrong), 422, "type")
    problem(api.post("/features", {"meter_name": "x", "aggregation_type": "SUM"}), 422, "type is missing")
    problem(api.post("/features", {**body, "meter_name": "x", "price": 1}), 422, "price is unknown here")
    assert api.get("/meters").json["meta"]["total"] == 1
