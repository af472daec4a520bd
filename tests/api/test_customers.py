"""Customers: made by their first event or by hand, found by either id, changed by name and email."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.callers import Api, problem

KEYS = ["id", "external_id", "name", "email", "created_at", "updated_at"]


def test_a_new_customer_has_the_documented_keys(api):
    """`POST /customers` answers 201 with every key of a customer, and both ids find it."""
    response = api.post("/customers", {"external_id": "acme", "name": "Acme Limited", "email": "Billing@Acme.example"})
    assert response.status_code == 201
    customer = response.json
    assert list(customer) == KEYS
    UUID(customer["id"])
    assert (customer["name"], customer["email"]) == ("Acme Limited", "billing@acme.example")
    for reference in ("acme", customer["id"], customer["id"].upper()):
        assert api.get(f"/customers/{reference}").json == customer
    assert api.get("/customers").json["data"] == [customer]


def test_the_first_event_makes_its_customer(api):
    """An unknown external id becomes a customer without a name; a second event finds the same one."""
    api.meter()
    first, second = api.track(customer="new co"), api.track(customer="new co")
    assert first["customer_id"] == second["customer_id"]
    customer = api.get("/customers/new co").json
    assert (customer["id"], customer["name"], customer["email"]) == (first["customer_id"], None, None)


def test_external_ids_are_compared_byte_for_byte(api):
    """Case, accents and their spelling matter: an external id is a key, not a name."""
    api.meter()
    spellings = ["acme", "Acme", "ACME", "Zürich", "Zu\u0308rich", "a.b", "a:b", "日本", "a%20b", "a+b", "😀"]
    for external_id in spellings:
        api.track(customer=external_id)
    assert api.get("/customers").json["meta"]["total"] == len(spellings)
    for external_id in ("acme", "Acme", "Zürich", "日本", "a.b", "a:b", "😀", "a+b"):
        assert api.get(f"/customers/{external_id}").json["external_id"] == external_id


def test_name_and_email_can_change(api):
    """PATCH and PUT change what is sent and leave the rest; null takes it away."""
    before = api.post("/customers", {"external_id": "acme", "name": "Acme"}).json
    after = api.patch("/customers/acme", {"email": "a@b.c"}).json
    assert after == before | {"email": "a@b.c", "updated_at": after["updated_at"]}
    assert api.call("PUT", "/customers/acme", json={"name": None}).json["name"] is None
    assert api.get("/customers/acme").json["email"] == "a@b.c"


def test_an_external_id_is_given_once(api):
    """A second customer of the same external id is a conflict."""
    api.post("/customers", {"external_id": "acme"})
    problem(api.post("/customers", {"external_id": "acme"}), 409, "'acme'")


def test_search_finds_part_of_a_name_or_id(api):
    """`search` looks in external id, name and email in any case, and takes wildcards for what they are."""
    for external_id, name in (("c1", "Acme 100%"), ("c2", "Globex"), ("x_3", None)):
        api.post("/customers", {"external_id": external_id, "name": name})

    def found(search: str) -> list[str]:
        return [row["external_id"] for row in api.get("/customers", search=search).json["data"]]

    assert found("ACME") == ["c1"]
    assert found("c") == ["c1", "c2"]
    assert found("0%") == ["c1"]
    assert found("%") == ["c1"]
    assert found("_") == ["x_3"]
    assert found("nobody") == []


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"external_id": ""}, 400, "external_id"),
        ({"external_id": " acme"}, 400, "external_id"),
        ({"external_id": "a\0b"}, 400, "U+0000"),
        ({"external_id": "a\nb"}, 400, "U+000A"),
        ({"external_id": "x" * 256}, 400, "255"),
        ({"external_id": 7}, 422, "external_id"),
        ({"external_id": None}, 422, "external_id"),
        ({"name": ""}, 400, "name"),
        ({"name": "a\x7fb"}, 400, "U+007F"),
        ({"name": "\u2066"}, 400, "U+2066"),
        ({"name": ["a"]}, 422, "name"),
        ({"email": "nobody"}, 422, "email"),
        ({"email": "a@b\0.c"}, 400, "U+0000"),
        ({"email": "x" * 300 + "@b.c"}, 400, "email"),
        ({"plan": "gold"}, 422, "plan is unknown here"),
    ],
)
def test_a_customer_that_breaks_a_rule_is_not_made(api, change, status, said):
    """A wrong field is refused in a sentence about it, and no customer is there afterwards."""
    problem(api.post("/customers", {"external_id": "acme"} | change), status, said)
    assert api.get("/customers").json["data"] == []


def test_a_refused_change_changes_nothing(api):
    """A change is taken whole or not at all; the external id is the join key and cannot change."""
    customer = api.post("/customers", {"external_id": "acme"}).json
    problem(api.patch("/customers/acme", {"name": "ok", "email": "no"}), 422, "email")
    problem(api.patch("/customers/acme", {"external_id": "other"}), 422, "external_id is unknown here")
    problem(api.patch("/customers/nope", {"name": "x"}), 404, "'nope'")
    assert api.get("/customers/acme").json == customer


def test_without_auto_creation_an_unknown_customer_is_not_found(make_app):
    """With AUTO_CREATE_CUSTOMERS=false an event of an unknown customer is a 404, and nobody is made."""
    api = Api(make_app(AUTO_CREATE_CUSTOMERS="false"))
    api.meter()
    event = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"}
    problem(api.post("/sdk/track", event), 404, "'acme'")
    assert api.post("/events", [event, event]).json["rejected"] == 2
    assert api.get("/customers").json["data"] == []
    api.post("/customers", {"external_id": "acme"})
    assert api.post("/sdk/track", event).status_code == 201


def test_a_customer_that_nothing_hangs_on_is_deleted(api):
    """It answers as it was and is gone, and its first event makes another one; one with events stays."""
    api.meter()
    made = api.post("/customers", {"external_id": "acme", "name": "Acme"}).json
    assert api.call("DELETE", f"/customers/{made['id']}").json == made
    entry = api.get("/audit").json["data"][0]
    assert (entry["action"], entry["target"], entry["details"]) == ("customer.deleted", "customer:acme", {})
    problem(api.get("/customers/acme"), 404, "'acme'")
    problem(api.call("DELETE", "/customers/acme"), 404, "'acme'")
    assert api.track(customer="acme")["customer_id"] != made["id"]
    problem(api.call("DELETE", "/customers/acme"), 409, "has events")
    assert api.get("/customers/acme").json["name"] is None
