"""The catalog: what it keeps is never older than its interval, and never older than a change of this process."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from fluxrate.core import accounts, catalog
from fluxrate.core.catalog import Answers, Catalog
from fluxrate.core.errors import NotFound
from tests.instances import NOW, make_meter, new, open_instance

SECONDS = 5.0
MINUTE = 60_000_000


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock of the catalog, which stands still until a test moves it."""
    now = [1_000.0]
    monkeypatch.setattr(catalog.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def parts(tmp_path):
    parts = open_instance(tmp_path / "instance")
    yield parts
    parts.store.close()


@pytest.fixture
def other(parts):
    """The same instance, opened by another process."""
    other = open_instance(parts.instance)
    yield other
    other.store.close()


@pytest.fixture
def kept(parts):
    """A catalog of its store, with the interval SECONDS."""
    return Catalog(parts.store, SECONDS)


def test_each_thing_is_found_by_every_name_it_has(parts, kept):
    """As the store finds it: a meter by id, name and token, a customer by both ids, a key by its secret."""
    meter = make_meter(parts)
    customer = parts.store.customers.create(external_id="acme", name=None, email=None, now=NOW)
    key, secret = accounts.create_key(parts.store, "k", ["usage.read"], NOW)
    for _ in range(2):
        assert {kept.meter(name) for name in (meter.id, meter.meter_name, meter.meter_token)} == {meter}
        assert {kept.customer(name) for name in (customer.id, "acme")} == {customer}
        assert kept.key(secret) == key
        assert kept.meters() == (meter,)
        assert kept.meter("nope") is kept.customer("nope") is kept.key(secret + "x") is kept.meter("a\0") is None
        assert kept.customer("a\0") is None


def test_what_another_process_changed_is_seen_after_the_interval(parts, other, kept, clock):
    """Not before: in between nothing is asked. A revoked key, a renamed customer, an archived meter."""
    meter = make_meter(parts)
    customer = parts.store.customers.create(external_id="acme", name="Old", email=None, now=NOW)
    key, secret = accounts.create_key(parts.store, "k", ["usage.read"], NOW)

    def seen() -> tuple[object, ...]:
        found = kept.meter("calls"), kept.meters()[0], kept.customer("acme"), kept.key(secret)
        return found[0].status, found[1].status, found[2].name, found[3] is not None

    assert seen() == ("ACTIVE", "ACTIVE", "Old", True)
    other.store.meters.update(meter.pk, {"status": "ARCHIVED"}, NOW)
    other.store.customers.update(customer.pk, {"name": "New"}, NOW)
    other.store.keys.revoke(key.pk, NOW)
    clock[0] += SECONDS - 0.001
    assert seen() == ("ACTIVE", "ACTIVE", "Old", True)
    clock[0] += 0.001
    assert seen() == ("ARCHIVED", "ARCHIVED", "New", False)


def test_what_this_process_changes_is_seen_at_once(parts, kept, clock):
    """Whatever changes a row drops what was read of its table."""
    meter = make_meter(parts)
    customer = parts.store.customers.create(external_id="acme", name="Old", email=None, now=NOW)
    key, secret = accounts.create_key(parts.store, "k", ["usage.read"], NOW)
    assert (kept.meter("calls"), kept.customer("acme"), kept.key(secret)) == (meter, customer, key)
    assert parts.store.meters.update(meter.pk, {"name": "New"}, NOW) == kept.meter("calls") == kept.meters()[0]
    assert parts.store.customers.update(customer.pk, {"name": "New"}, NOW) == kept.customer("acme")
    make_meter(parts, "more")
    assert len(kept.meters()) == 2
    accounts.revoke_key(parts.store, key, NOW)
    assert kept.key(secret) is None
    parts.store.customers.delete(customer.pk)
    parts.store.meters.delete(meter.pk)
    assert kept.customer("acme") is kept.meter("calls") is None


def test_that_something_is_not_there_is_not_kept(parts, other, kept, clock):
    """A customer is found right after its first event, a meter and a key right after another process made them."""
    meter = make_meter(parts)
    assert kept.customer("acme") is kept.meter("later") is kept.key("sk_live_000000000000_x") is None
    parts.ingest.store([new(meter, customer="acme")])
    assert kept.customer("acme") is not None
    made = make_meter(other, "later")
    assert kept.meter("later") == made
    key, secret = accounts.create_key(other.store, "k", ["admin"], NOW)
    assert kept.key(secret) == key


def test_customer_of_an_event(parts, kept):
    """The customer of a stored event is known by the event, and as changed a moment ago."""
    meter = make_meter(parts)
    acme, bolt = (one.event for one in parts.ingest.store([new(meter, customer=name) for name in ("acme", "bolt")]))
    assert [kept.customer_of(event).external_id for event in (acme, bolt, acme)] == ["acme", "bolt", "acme"]
    parts.store.customers.update(acme.customer_pk, {"name": "New"}, NOW)
    assert kept.customer_of(acme) == parts.store.customers.find("acme")
    with pytest.raises(NotFound):
        kept.customer_of(msgspec.structs.replace(acme, customer_pk=99))


def test_ids_of_customers_are_kept(parts, kept, monkeypatch):
    """What a customer is called may change, its id may not: it is asked for once, until too many are kept."""
    meter = make_meter(parts)
    first, second = (one.event for one in parts.ingest.store([new(meter, customer=name) for name in ("a", "b")]))
    ids = [parts.store.customers.find(name).id for name in ("a", "b")]
    monkeypatch.setattr("fluxrate.core.catalog.MOST_IDS", 1)
    assert [kept.customer_id(event) for event in (first, second, first)] == [*ids, ids[0]]
    parts.store.customers.update(first.customer_pk, {"external_id": "other"}, NOW)
    with monkeypatch.context() as without:
        without.setattr(parts.store.customers, "get", None)
        assert kept.customer_id(first) == ids[0]


def test_answers_are_bounded_in_number():
    """One more than the most, and the answer read longest ago is read again; the others are not."""
    asked = []

    def ask(question: int) -> str | None:
        return answers.get(question, lambda: asked.append(question) or f"answer {question}")

    edition = object()
    answers = Answers[str](lambda: edition, 1_000, most=3)
    for question in (1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 1):
        assert ask(question) == f"answer {question}"
    assert asked == [1, 2, 3, 4, 1]


def test_an_answer_that_changed_while_it_was_read_is_read_again():
    """It is handed out this once, as it would have been a moment earlier, and not kept."""
    edition, reads = [object()], []

    def read() -> int:
        reads.append(len(reads))
        if len(reads) == 1:
            edition[0] = object()
        return reads[-1]

    answers = Answers[int](lambda: edition[0], 1_000)
    assert [answers.get("x", read) for _ in range(3)] == [0, 1, 1]


def test_a_change_is_seen_by_its_own_thread_whatever_others_read(parts, kept, clock):
    """Four threads keep reading the row that a fifth keeps changing: after each change that one sees its own."""
    meter, stop = make_meter(parts), threading.Event()

    def read() -> None:
        while not stop.is_set():
            kept.meter("calls")

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            readers = [pool.submit(read) for _ in range(4)]
            for number in range(60):
                parts.store.meters.update(meter.pk, {"name": str(number)}, NOW)
                assert kept.meter("calls").name == str(number)
            stop.set()
            for reader in readers:
                reader.result()
    finally:
        stop.set()
        sys.setswitchinterval(before)


def test_the_use_of_a_key_is_noted_once_a_minute(parts, kept, clock):
    """Not at every request: each note waits for the disk. Of several requests at once, one writes."""
    key, secret = accounts.create_key(parts.store, "k", ["admin"], NOW)

    def noted() -> int | None:
        return parts.store.keys.all()[0].last_used_at

    kept.use(kept.key(secret), NOW)
    kept.use(kept.key(secret), NOW + 30_000_000)
    assert noted() == NOW
    again, notes = kept.key(secret), []
    parts.store.keys.touch = lambda pk, now, touch=parts.store.keys.touch: notes.append(pk) or touch(pk, now)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: kept.use(again, NOW + MINUTE + 1), range(8)))
    assert (noted(), notes) == (NOW + MINUTE + 1, [key.pk])


def test_a_use_that_cannot_be_noted_is_no_reason_to_refuse(parts, kept, monkeypatch):
    """While the store cannot be written, those who read go on."""
    _, secret = accounts.create_key(parts.store, "k", ["admin"], NOW)
    found = kept.key(secret)
    monkeypatch.setattr("fluxrate.core.store.connect.WRITER_SECONDS", 0)
    held, done = threading.Event(), threading.Event()

    def write_for_long() -> None:
        with parts.store.write():
            held.set()
            done.wait(10)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write_for_long)
        held.wait(10)
        kept.use(found, NOW)
        done.set()
        writer.result()
    assert parts.store.keys.all()[0].last_used_at is None
