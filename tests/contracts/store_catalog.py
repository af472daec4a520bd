"""Meters and customers in a store."""

from __future__ import annotations

import uuid
from contextlib import suppress
from decimal import Decimal

import pytest

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Customer, Meter, MeterFilter
from fluxrate.core.revenue.model import Charge
from fluxrate.core.store import Store
from tests.contracts.store_billing import make_plan
from tests.contracts.store_case import NOW, StoreCase, make_meter, new, together


class MeterContract(StoreCase):
    def test_meter_create_and_read(self, store: Store) -> None:
        """A meter is read back as it was created, with an id and a token of its own."""
        filters = (MeterFilter("region", ("us", "eu")), MeterFilter("tëst", ('"quoted"',)))
        made = make_meter(store, "bytes", property_name="n", unit="B", decimals=0, filters=filters)
        assert store.meters.get(made.pk) == made
        assert (made.filters, made.status, made.unit, made.decimals) == (filters, "ACTIVE", "B", 0)
        assert (made.created_at, made.updated_at) == (NOW, NOW)
        assert uuid.UUID(made.id) != uuid.UUID(made.meter_token)

    def test_meter_find_by_each_name(self, store: Store) -> None:
        """A meter is found by id, by meter_name and by token, UUIDs in any case; nothing else finds one."""
        meter = make_meter(store)
        for ref in (meter.id, meter.id.upper(), meter.meter_name, meter.meter_token, meter.meter_token.upper()):
            assert store.meters.find(ref) == meter
        for ref in ("", "CALLS", "call", str(uuid.uuid4()), "it's", "%"):
            assert store.meters.find(ref) is None
        assert store.meters.get(999) is None

    def test_meter_id_comes_before_name_and_name_before_token(self, store: Store) -> None:
        """When one meter is named like another's id or token, the id wins over the name, the name over the token."""
        first = make_meter(store)
        named_like_id = make_meter(store, first.id)
        named_like_token = make_meter(store, first.meter_token)
        assert store.meters.find(first.id) == first
        assert store.meters.find(first.meter_token) == named_like_token
        assert named_like_id.pk != first.pk

    def test_meter_taken_name(self, store: Store, meter: Meter) -> None:
        """A meter_name is given once, on creation and on change."""
        other = make_meter(store, "other")
        with pytest.raises(Conflict, match="'calls' is taken") as created:
            make_meter(store)
        with pytest.raises(Conflict, match="'calls' is taken") as changed:
            store.meters.update(other.pk, {"meter_name": "calls"}, NOW)
        assert created.value.field == changed.value.field == "meter_name"
        assert len(store.meters.all()) == 2

    def test_meter_update(self, store: Store, meter: Meter) -> None:
        """A change touches what it names and the time of change."""
        filters = (MeterFilter("a", ("b",)),)
        changed = store.meters.update(meter.pk, {"name": "X", "status": "ARCHIVED", "filters": filters}, NOW + 5)
        assert changed == store.meters.get(meter.pk)
        assert (changed.name, changed.status, changed.filters) == ("X", "ARCHIVED", filters)
        assert (changed.meter_name, changed.created_at, changed.updated_at) == ("calls", NOW, NOW + 5)
        assert store.meters.update(meter.pk, {"decimals": 6}, NOW + 6).decimals == 6

    def test_meter_decimals_stay(self, store: Store, meter: Meter) -> None:
        """The decimals of a meter cannot change, because stored quantities are scaled by them."""
        with pytest.raises(Conflict) as refused:
            store.meters.update(meter.pk, {"decimals": 2, "name": "no"}, NOW)
        assert refused.value.field == "decimals"
        assert store.meters.get(meter.pk) == meter

    def test_meter_update_or_first_event(self, store: Store, meter: Meter) -> None:
        """Of a change of what is counted and a first event by the old rules, at the same moment, one is refused."""
        changed, stored = [], []

        def race(number: int) -> None:
            with suppress(Conflict):
                if number % 2:
                    stored.append(store.events.append([new(meter, rules=meter.rules)], NOW))
                else:
                    changed.append(store.meters.update(meter.pk, {"aggregation_type": "MAX"}, NOW, seen=0))

        together(8, race)
        assert bool(changed) != bool(stored)
        found = store.meters.get(meter.pk)
        assert found is not None
        assert found.aggregation_type == ("MAX" if changed else "SUM")
        assert len(store.events.read_after(0)) == len(stored)

    def test_meter_update_of_what_was_seen(self, store: Store, meter: Meter) -> None:
        """Only events of this meter that came after what was seen stand in the way."""
        other = make_meter(store, "other")
        [last] = store.events.append([new(meter)], NOW)
        store.events.append([new(other)], NOW)
        assert store.meters.update(meter.pk, {"property_name": "p"}, NOW, seen=last.event.seq).property_name == "p"
        with pytest.raises(Conflict, match="first events"):
            store.meters.update(other.pk, {"property_name": "p"}, NOW, seen=last.event.seq)

    def test_meter_unknown(self, store: Store) -> None:
        """Changing or deleting a meter that is not there is NotFound."""
        with pytest.raises(NotFound):
            store.meters.update(9, {"name": "X"}, NOW)
        with pytest.raises(NotFound):
            store.meters.delete(9)

    def test_meter_field_unknown(self, store: Store, meter: Meter) -> None:
        """What no caller may change is refused as a mistake of the program."""
        with pytest.raises(ValueError, match="meter_token"):
            store.meters.update(meter.pk, {"meter_token": "x"}, NOW)

    def test_meter_list(self, store: Store) -> None:
        """Lists are by name in any case, cut in pages, with the total of what the status leaves."""
        for name in ("b", "A", "c", "B", "a"):
            make_meter(store, f"m{len(store.meters.all())}", name=name)
        store.meters.update(store.meters.all()[0].pk, {"status": "ARCHIVED"}, NOW)
        assert [meter.name for meter in store.meters.all()] == ["A", "a", "b", "B", "c"]
        page, total = store.meters.list(page=2, page_size=2)
        assert ([meter.name for meter in page], total) == (["b", "B"], 5)
        page, total = store.meters.list(page=1, page_size=10, status="ACTIVE")
        assert ([meter.name for meter in page], total) == (["a", "b", "B", "c"], 4)
        assert store.meters.list(page=9, page_size=10) == ([], 5)

    def test_meter_delete(self, store: Store, meter: Meter) -> None:
        """A meter without events can be deleted, and its key is never given again; one with events cannot."""
        empty = make_meter(store, "empty")
        store.meters.delete(empty.pk)
        assert store.meters.find("empty") is None
        assert make_meter(store, "later").pk > empty.pk
        store.events.append([new(meter)], NOW)
        with pytest.raises(Conflict, match="has events"):
            store.meters.delete(meter.pk)
        assert store.meters.get(meter.pk) == meter

    def test_meter_of_a_plan(self, store: Store, meter: Meter) -> None:
        """A meter that a plan charges by stays; one whose id stands elsewhere in a plan goes."""
        other = make_meter(store, "other")
        charge = Charge("USAGE", f'"meter_id":"{other.id}"', meter_id=meter.id, unit_price=Decimal(1))
        plan = make_plan(store, charges=(charge,))
        store.meters.delete(other.pk)
        with pytest.raises(Conflict, match=plan.name):
            store.meters.delete(meter.pk)
        assert store.meters.get(meter.pk) == meter
        store.plans.delete(plan.pk)
        store.meters.delete(meter.pk)
        assert store.meters.get(meter.pk) is None


class CustomerContract(StoreCase):
    def test_customers_found_together(self, store: Store) -> None:
        """Many at once are who they are one by one: by id in any case, else by external id."""
        names = [f"c{number}" for number in range(1_200)]
        made = [store.customers.create(external_id=name, name=None, email=None, now=NOW) for name in names[:20]]
        twin = store.customers.create(external_id=made[0].id, name=None, email=None, now=NOW)
        refs = [*names, made[1].id.upper(), made[0].id, twin.id, "C1", "", str(uuid.uuid4())]
        found = store.customers.find_many(refs)
        assert found == {ref: one for ref in refs if (one := store.customers.find(ref)) is not None}
        assert found[made[0].id] == made[0]
        assert store.customers.find_many([]) == {}

    def create(self, store: Store, external_id: str, name: str | None = None, email: str | None = None) -> Customer:
        return store.customers.create(external_id=external_id, name=name, email=email, now=NOW)

    def test_customer_create_and_find(self, store: Store) -> None:
        """A customer is found by id and by external id, which is compared byte for byte."""
        made = self.create(store, "Acme", "Acme Ltd", "a@acme.test")
        assert store.customers.find(made.id.upper()) == store.customers.find("Acme") == made
        assert store.customers.by_external_id("Acme") == store.customers.get(made.pk) == made
        assert store.customers.get(made.pk + 1) is None
        assert made.created_at == made.updated_at == NOW
        for ref in ("acme", "Acme ", "ACME", ""):
            assert store.customers.find(ref) is store.customers.by_external_id(ref) is None
        self.create(store, "acme")
        assert store.customers.count() == 2

    def test_customer_unicode_forms_are_different_customers(self, store: Store) -> None:
        """Two texts that only look alike are two customers, whatever the server's collation thinks."""
        for external_id in ("caf\u00e9", "cafe\u0301", "\U0001f600", "\u212a", "K"):
            assert self.create(store, external_id).external_id == external_id
        assert store.customers.count() == 5

    def test_customer_id_wins(self, store: Store) -> None:
        """When a customer's external id is another's id, the id wins."""
        first = self.create(store, "first")
        second = self.create(store, first.id)
        assert store.customers.find(first.id) == first
        assert store.customers.by_external_id(first.id) == second

    def test_customer_taken_external_id(self, store: Store) -> None:
        """An external id is given once, on creation and on change."""
        self.create(store, "a")
        other = self.create(store, "b")
        with pytest.raises(Conflict, match="'a' is taken") as created:
            self.create(store, "a")
        with pytest.raises(Conflict):
            store.customers.update(other.pk, {"external_id": "a"}, NOW)
        assert created.value.field == "external_id"

    def test_customer_update(self, store: Store) -> None:
        """A change touches what it names and the time of change."""
        made = self.create(store, "a", "A", "a@a.test")
        changed = store.customers.update(made.pk, {"name": None, "external_id": "z"}, NOW + 1)
        assert changed == store.customers.find("z")
        assert (changed.name, changed.email, changed.updated_at) == (None, "a@a.test", NOW + 1)
        with pytest.raises(NotFound):
            store.customers.update(99, {"name": "x"}, NOW)
        with pytest.raises(ValueError, match="created_at"):
            store.customers.update(made.pk, {"created_at": 0}, NOW)

    def test_customer_list_and_search(self, store: Store) -> None:
        """Lists are by external id in byte order; a search looks into id, name and e-mail, in any case, taken
        literally.
        """
        self.create(store, "b_1", "Bravo", "x@b.test")
        self.create(store, "B", "100% organic")
        self.create(store, "a", None, "Alpha@a.test")
        self.create(store, "\u00e9", "\u00c9clair")

        def found(search: str | None) -> list[str]:
            page, total = store.customers.list(page=1, page_size=10, search=search)
            assert len(page) == total
            return [customer.external_id for customer in page]

        assert found(None) == found("") == ["B", "a", "b_1", "\u00e9"]
        assert found("BRAVO") == ["b_1"]
        assert found("alpha@") == ["a"]
        assert found("b") == ["B", "b_1"]
        assert found("%") == ["B"]
        assert found("_") == ["b_1"]
        assert found("clair") == ["\u00e9"]
        assert found("nothing") == []
        assert store.customers.list(page=2, page_size=3)[1] == 4

    def test_customer_many_at_once(self, store: Store, meter: Meter) -> None:
        """Customers are looked up by the thousand, by key and by external id; unknown ones are left out."""
        names = [f"c{number}" for number in range(2500)]
        store.events.append([new(meter, customer_external_id=name) for name in names], NOW)
        pks = store.customers.pks_of([*names, "unknown"])
        assert set(pks) == set(names)
        customers = store.customers.by_pks([*pks.values(), 10**6])
        assert {customer.external_id: pk for pk, customer in customers.items()} == pks
        assert store.customers.pks_of([]) == store.customers.by_pks([]) == {}

    def test_customer_delete(self, store: Store, meter: Meter) -> None:
        """A customer without events can be deleted, and its key is never given again; one with events cannot."""
        empty = self.create(store, "empty")
        store.customers.delete(empty.pk)
        assert store.customers.find("empty") is None
        assert self.create(store, "later").pk > empty.pk
        [stored] = store.events.append([new(meter)], NOW)
        with pytest.raises(Conflict, match="has events"):
            store.customers.delete(stored.event.customer_pk)
        with pytest.raises(NotFound):
            store.customers.delete(empty.pk)
