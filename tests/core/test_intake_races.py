"""What an event is checked by changes while it is checked, by this process or by another one on the same store.

Two instances on one folder stand for two processes; what the one looked up may be a refresh interval old.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from fluxrate.core import meters
from fluxrate.core.drafts import decode_one
from fluxrate.core.errors import Conflict, NotFound, RuleBroken
from tests.instances import NOW, make_meter, new, open_instance

LONG = 3_600_000
"""A refresh interval that does not end within a test: whatever was looked up stays as old as it can be."""


@pytest.fixture
def ours(tmp_path):
    parts = open_instance(tmp_path, REFRESH_INTERVAL_MS=LONG, AUTO_CREATE_CUSTOMERS=False)
    parts.live.load()
    yield parts
    parts.close()


@pytest.fixture
def theirs(tmp_path, ours):
    parts = open_instance(tmp_path, REFRESH_INTERVAL_MS=LONG)
    parts.live.load()
    yield parts
    parts.close()


def draft(customer="acme", **fields):
    event = {"meter_name": "calls", "customer_external_id": customer, "quantity": "1"} | fields
    return decode_one(json.dumps({name: value for name, value in event.items() if value is not None}).encode())


def change(parts, meter, **fields):
    """As `PATCH /meters/{meter}` does it, by what this process has seen so far."""
    state = parts.live.current()
    found = parts.store.meters.get(meter.pk)
    has_events = len(state.snapshot(meter.pk)) > 0
    return meters.change(
        parts.store, parts.registry.metrics, found, fields, has_events=has_events, seen=state.seq, now=NOW + 1
    )


def customer(parts, external_id="acme"):
    return parts.store.customers.create(external_id=external_id, name=None, email=None, now=NOW)


def warm(parts, count=1):
    """Make the process know the meter `calls` and its customers by a batch that stores nothing."""
    outcomes = parts.ingest.accept([draft(timestamp="1969-01-01T00:00:00Z")] * count)
    assert {outcome.status for outcome in outcomes} == {"rejected"}


def test_a_meter_that_counts_otherwise_by_now(ours, theirs):
    """An event that the new aggregation could not count is refused by it, not stored by the old one."""
    meter = make_meter(ours)
    customer(ours)
    warm(ours)
    assert change(theirs, meter, aggregation_type="UNIQUE_COUNT").aggregation_type == "UNIQUE_COUNT"
    [outcome] = ours.ingest.accept([draft()])
    assert outcome.status == "rejected"
    assert isinstance(outcome.error, RuleBroken)
    assert "user_id" in outcome.error.detail
    [right] = ours.ingest.accept([draft(metadata={"user_id": "u"})])
    assert right.status == "accepted"
    assert right.meter.aggregation_type == "UNIQUE_COUNT"


def test_a_meter_archived_by_now(ours, theirs):
    """It takes no event any more; a repeat still has its first answer."""
    meter = make_meter(ours)
    customer(ours)
    [first] = ours.ingest.accept([draft(idempotency_key="k")])
    change(theirs, meter, status="ARCHIVED")
    repeat, late = ours.ingest.accept([draft(idempotency_key="k"), draft()])
    assert (repeat.status, repeat.event.id) == ("duplicate", first.event.id)
    assert late.status == "rejected"
    assert "archived" in late.error.detail


def test_a_meter_whose_first_event_another_process_stored(ours, theirs):
    """What its figures are made of is fixed from then on, also for who has not heard of the event."""
    meter = make_meter(ours)
    customer(ours)
    [outcome] = ours.ingest.accept([draft(quantity="5")])
    assert outcome.status == "accepted"
    for fields in ({"aggregation_type": "MAX"}, {"property_name": "p"}, {"filters": [{"key": "a", "values": ["b"]}]}):
        with pytest.raises(Conflict, match="fixed"):
            change(theirs, meter, **fields)
    assert theirs.store.meters.get(meter.pk) == meter
    assert change(theirs, meter, name="Calls", status="ARCHIVED").name == "Calls"


def test_checked_events_of_a_changed_meter_are_not_stored(ours):
    """The look is in the transaction, so nothing can come between; a batch without a change is not disturbed."""
    meter = make_meter(ours)
    sent = [new(meter, rules=meter.rules), new(meter)]
    assert all(not item.duplicate for item in ours.ingest.store(sent))
    other = replace(meter, property_name="p")
    with pytest.raises(Conflict, match="changed"):
        ours.ingest.store([new(meter), new(meter, rules=other.rules)])
    assert len(ours.store.events.read_after(0)) == len(sent)


def test_a_customer_deleted_by_now(ours, theirs):
    """Its event is refused by name, and the rest of the batch goes in."""
    make_meter(ours)
    customer(ours, "stays")
    gone = customer(ours)
    warm(ours)
    theirs.store.customers.delete(gone.pk)
    lost, by_id, stays = ours.ingest.accept([draft(), draft(None, customer_id=gone.id), draft("stays")])
    assert (lost.status, by_id.status, stays.status) == ("rejected", "rejected", "accepted")
    assert isinstance(lost.error, NotFound)
    assert isinstance(by_id.error, NotFound)


def test_an_external_id_that_means_somebody_else_by_now(tmp_path, theirs):
    """Events go to the new one within the refresh interval, not to the old one for ever."""
    parts = open_instance(tmp_path, REFRESH_INTERVAL_MS=50)
    make_meter(parts)
    [before] = parts.ingest.accept([draft()])
    theirs.store.customers.update(before.event.customer_pk, {"external_id": "acme-old"}, NOW)
    successor = customer(theirs)
    time.sleep(0.1)
    [after] = parts.ingest.accept([draft()])
    parts.close()
    assert after.event.customer_pk == successor.pk


def test_a_customer_renamed_while_its_event_is_stored(ours, monkeypatch):
    """What the transaction found out is not believed afterwards, where this process has changed it meanwhile."""
    parts = ours
    make_meter(parts)
    owner = customer(parts)
    append = parts.store.events.append

    def slow(events, now):
        stored = append(events, now)
        parts.store.customers.update(owner.pk, {"external_id": "acme-old"}, NOW)
        customer(parts)
        return stored

    monkeypatch.setattr(parts.store.events, "append", slow)
    parts.ingest.store([new(parts.store.meters.all()[0])])
    monkeypatch.undo()
    [outcome] = parts.ingest.accept([draft()])
    assert outcome.event.customer_pk != owner.pk


def test_a_large_batch_asks_for_all_at_once(ours, theirs, monkeypatch):
    """Repeats on an archived meter and customers by id are judged as in small batches, without a question for each."""
    meter = make_meter(ours)
    owner = customer(ours)
    sent = [draft(None, customer_id=owner.id, idempotency_key=f"k{number}") for number in range(20)]
    first = ours.ingest.accept(sent)
    assert {outcome.status for outcome in first} == {"accepted"}
    change(theirs, meter, status="ARCHIVED")
    monkeypatch.setattr(ours.store.events, "find_key", None)
    monkeypatch.setattr(ours.store.customers, "find", None)
    more = [draft(None, customer_id="nobody", idempotency_key="k0"), draft(idempotency_key="new"), draft()]
    outcomes = ours.ingest.accept(sent + more)
    assert [outcome.event.id for outcome in outcomes[:20]] == [outcome.event.id for outcome in first]
    assert [outcome.status for outcome in outcomes[20:]] == ["rejected"] * 3
    assert isinstance(outcomes[20].error, NotFound)
