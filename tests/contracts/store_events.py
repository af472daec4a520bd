"""Events in a store: order, keys that count once, threads, and what a reader sees."""

from __future__ import annotations

import random
import threading

import pytest

from fluxrate.core.errors import Conflict
from fluxrate.core.model import Event, Meter, Stored, event_id
from fluxrate.core.store import Store
from tests.contracts.store_case import MAX, NOW, StoreCase, everything, make_meter, new, together


class EventContract(StoreCase):
    def test_known_keys(self, store: Store, meter: Meter) -> None:
        """Of many keys those that an event of this very meter holds, byte for byte."""
        other = make_meter(store, "other")
        store.events.append([new(meter, f"k{number}") for number in range(1_500)] + [new(other, "theirs")], NOW)
        asked = [f"k{number}" for number in range(0, 3_000, 2)] + ["K1", "theirs", "x" * 300, ""]
        assert store.events.known_keys(meter.pk, asked) == {f"k{number}" for number in range(0, 1_500, 2)}
        assert store.events.known_keys(other.pk, asked) == {"theirs"}
        assert store.events.known_keys(meter.pk, []) == set()

    def test_append_and_read(self, store: Store, meter: Meter) -> None:
        """Events are stored in the order given, and read back as they were."""
        batch = [new(meter, f"k{i}", quantity=i, timestamp=NOW - i, metadata=f'{{"i":{i}}}') for i in range(123)]
        stored = store.events.append(batch, NOW)
        customer = store.customers.find("acme")
        assert customer is not None
        assert customer.created_at == NOW
        seqs = [one.event.seq for one in stored]
        assert seqs == list(range(seqs[0], seqs[0] + 123))
        assert not any(one.duplicate for one in stored)
        for one, asked in zip(stored, batch, strict=True):
            assert one.event == store.events.get(one.event.seq)
            assert one.event == Event(
                seq=one.event.seq,
                meter_pk=meter.pk,
                customer_pk=customer.pk,
                timestamp=asked.timestamp,
                quantity=asked.quantity,
                ingested_at=NOW,
                idempotency_key=asked.idempotency_key,
                metadata=asked.metadata,
            )
            assert one.event.id == event_id(one.event.seq, NOW)
        assert everything(store) == [
            (e.seq, e.meter_pk, e.customer_pk, e.timestamp, e.quantity, e.metadata) for e in (s.event for s in stored)
        ]
        assert store.events.last_seq() == seqs[-1]

    def test_nothing(self, store: Store) -> None:
        """An empty batch changes nothing; an empty store has no events."""
        assert store.events.append([], NOW) == []
        assert (store.events.last_seq(), store.events.seq_at(MAX), everything(store)) == (0, 0, [])
        assert store.events.get(1) is None
        assert store.events.by_seqs([]) == {}

    def test_extremes(self, store: Store, meter: Meter) -> None:
        """The largest quantity, the oldest time, any Unicode text and a large metadata come back unchanged."""
        texts = ["\u00e9\U0001f600\u202e\u0007", '\\"{},NULL\\\\', "NULL", "", "a\tb\nc\r", "'; DROP TABLE events; --"]
        batch = [new(meter, key, quantity=MAX, timestamp=0, customer_external_id=key, metadata=key) for key in texts]
        batch.append(new(meter, quantity=0, metadata='{"x":"' + "y" * 100_000 + '"}'))
        stored = store.events.append(batch, NOW)
        read = store.events.by_seqs([one.event.seq for one in stored])
        for one, asked in zip(stored, batch, strict=True):
            event = read[one.event.seq]
            assert event == one.event
            assert (event.quantity, event.idempotency_key, event.metadata) == (
                asked.quantity,
                asked.idempotency_key,
                asked.metadata,
            )
        assert set(store.customers.pks_of(texts)) == set(texts)
        assert [one.duplicate for one in store.events.append(batch[:-1], NOW)] == [True] * len(texts)

    def test_repeated_batch(self, store: Store, meter: Meter) -> None:
        """The same batch again adds nothing, uses no sequence, and answers with the first events."""
        batch = [new(meter, f"k{i}") for i in range(60)]
        first = store.events.append(batch, NOW)
        again = store.events.append(batch, NOW + 9)
        assert again == [Stored(one.event, True) for one in first]
        assert len(everything(store)) == 60
        assert store.events.last_seq() == first[-1].event.seq

    def test_partly_repeated_batch(self, store: Store, meter: Meter) -> None:
        """Of a batch that is partly known only the new part goes in, in order, after what was there."""
        first = store.events.append([new(meter, f"k{i}") for i in range(0, 200, 2)], NOW)
        mixed = store.events.append([new(meter, f"k{i}") for i in range(200)], NOW + 1)
        assert [one.duplicate for one in mixed] == [i % 2 == 0 for i in range(200)]
        assert [one.event for one in mixed if one.duplicate] == [one.event for one in first]
        fresh = [one.event.seq for one in mixed if not one.duplicate]
        assert fresh == sorted(fresh)
        assert fresh[0] > first[-1].event.seq
        assert len(everything(store)) == 200

    def test_repeats_inside_a_batch(self, store: Store, meter: Meter) -> None:
        """Of a key that stands twice in one batch the first counts, also when the others say something else."""
        batch = [new(meter, "a", quantity=1), new(meter, "b"), new(meter, "a", quantity=2), new(meter, "a", quantity=3)]
        stored = store.events.append(batch, NOW)
        assert [one.duplicate for one in stored] == [False, False, True, True]
        assert {stored[index].event for index in (0, 2, 3)} == {stored[0].event}
        assert stored[0].event.quantity == 1
        assert len(everything(store)) == 2

    def test_key_belongs_to_a_meter(self, store: Store, meter: Meter) -> None:
        """The same key on another meter is another event; events without a key are always new."""
        other = make_meter(store, "other")
        batch = [new(meter, "k"), new(other, "k"), new(meter), new(meter)]
        assert not any(one.duplicate for one in store.events.append(batch, NOW))
        again = store.events.append(batch, NOW)
        assert [one.duplicate for one in again] == [True, True, False, False]
        assert [again[index].event.meter_pk for index in (0, 1)] == [meter.pk, other.pk]
        assert len(everything(store)) == 6

    def test_find_key(self, store: Store, meter: Meter) -> None:
        """An event is found by the key it was sent with, on its meter only."""
        [stored] = store.events.append([new(meter, "k")], NOW)
        assert store.events.find_key(meter.pk, "k") == stored.event
        assert store.events.find_key(meter.pk, "K") is store.events.find_key(meter.pk + 1, "k") is None

    def test_customers_are_made_once(self, store: Store, meter: Meter) -> None:
        """Missing customers are created once, known ones used; a key given by the caller is taken as it is."""
        known = store.customers.create(external_id="known", name="Known", email=None, now=NOW)
        names = ["new", "known", "new", "newer"]
        stored = store.events.append([new(meter, customer_external_id=name) for name in names], NOW)
        pks = store.customers.pks_of(names)
        assert [one.event.customer_pk for one in stored] == [pks[name] for name in names]
        assert pks["known"] == known.pk
        assert store.customers.count() == 3
        [direct] = store.events.append([new(meter, customer_pk=known.pk, customer_external_id="known")], NOW)
        assert direct.event.customer_pk == known.pk

    def test_repeat_makes_no_customer(self, store: Store, meter: Meter) -> None:
        """A repeated key adds nothing, also no customer that only the repeat names."""
        store.events.append([new(meter, "k")], NOW)
        store.events.append([new(meter, "k", customer_external_id="other")], NOW)
        mixed = [new(meter, "k", customer_external_id="other"), new(meter, "l", customer_external_id="real")]
        store.events.append(mixed, NOW)
        assert set(store.customers.pks_of(["acme", "other", "real"])) == {"acme", "real"}

    def test_arrival_never_runs_backwards(self, store: Store, meter: Meter) -> None:
        """When the clock goes back, the moment of arrival stays where it was until the clock has caught up."""
        clocks = [NOW, NOW - 60_000_000, NOW - 1, NOW + 1]
        arrivals = [store.events.append([new(meter)], now)[0].event.ingested_at for now in clocks]
        assert arrivals == [NOW, NOW, NOW, NOW + 1]

    def test_seq_at(self, store: Store, meter: Meter) -> None:
        """The sequence at an instant is that of the last event that had arrived, gaps or not."""
        expected = {}
        for step in range(20):
            batch = [new(meter, f"k{step // 2}-{i}") for i in range(3)] + [new(meter, f"n{step}")] * 2
            stored = store.events.append(batch, NOW + step * 10)
            expected[NOW + step * 10] = max(one.event.seq for one in stored)
        assert store.events.seq_at(NOW - 1) == store.events.seq_at(0) == 0
        for instant, seq in expected.items():
            assert store.events.seq_at(instant) == store.events.seq_at(instant + 9) == seq
        assert store.events.seq_at(MAX) == expected[NOW + 190]

    def test_read_after(self, store: Store, meter: Meter) -> None:
        """Reading goes on after any sequence, at most `limit` rows at a time, and ends with nothing."""
        seqs = [one.event.seq for one in store.events.append([new(meter)] * 25, NOW)]
        assert [row[0] for row in store.events.read_after(seqs[9], limit=10)] == seqs[10:20]
        assert [row[0] for row in store.events.read_after(seqs[20])] == seqs[21:]
        assert list(store.events.read_after(seqs[-1])) == []
        assert type(store.events.read_after(0)[0]) is tuple

    def test_read_up_to(self, store: Store, meter: Meter) -> None:
        """With a last sequence, reading ends there, whatever has come since."""
        seqs = [one.event.seq for one in store.events.append([new(meter)] * 25, NOW)]
        assert [row[0] for row in store.events.read_after(seqs[4], upto=seqs[9])] == seqs[5:10]
        assert [row[0] for row in store.events.read_after(seqs[4], 3, upto=seqs[9])] == seqs[5:8]
        assert [row[0] for row in store.events.read_after(0, upto=10**12)] == seqs
        assert list(store.events.read_after(seqs[9], upto=seqs[9])) == []

    def test_by_seqs(self, store: Store, meter: Meter) -> None:
        """Events are looked up by the thousand by sequence; unknown sequences are left out."""
        stored = store.events.append([new(meter) for _ in range(2500)], NOW)
        found = store.events.by_seqs([10**9, *(one.event.seq for one in stored)])
        assert found == {one.event.seq: one.event for one in stored}

    def test_deleted_meter_or_customer(self, store: Store, meter: Meter) -> None:
        """A batch that names what is not there is refused whole, uses no sequence and creates no customer."""
        good = new(meter, "k", customer_external_id="fresh")
        for bad in (new(meter, customer_pk=999), new(meter, meter_pk=999)):
            with pytest.raises(Conflict, match="deleted"):
                store.events.append([good, bad], NOW)
        assert (everything(store), store.events.last_seq(), store.customers.count()) == ([], 0, 0)

    def test_bad_row_refuses_the_batch(self, store: Store, meter: Meter) -> None:
        """The database itself refuses a negative quantity, and nothing of that batch stays."""
        with pytest.raises(Exception, match="quantity"):
            store.events.append([new(meter, "k"), new(meter, quantity=-1)], NOW)
        assert (everything(store), store.events.last_seq()) == ([], 0)

    def test_racing_keys(self, store: Store, meter: Meter) -> None:
        """Threads that send the same keys at the same time, in different orders, all get the same events,
        each once.
        """
        batches = [[new(meter, f"{b}-{i}", customer_external_id=f"c{b}-{i % 7}") for i in range(40)] for b in range(10)]
        answers: list[list[Stored]] = []

        def send(number: int) -> None:
            shuffle = random.Random(number)
            for batch in shuffle.sample(batches, len(batches)):
                stored = store.events.append(shuffle.sample(batch, len(batch)), NOW)
                answers.append(stored)

        together(6, send)
        outcomes: dict[str | None, set[int]] = {}
        fresh = 0
        for stored in (one for answer in answers for one in answer):
            outcomes.setdefault(stored.event.idempotency_key, set()).add(stored.event.seq)
            fresh += not stored.duplicate
        assert len(outcomes) == fresh == len(everything(store)) == 400
        assert all(len(seqs) == 1 for seqs in outcomes.values())
        assert store.customers.count() == 70

    def test_reader_misses_nothing(self, store: Store, meter: Meter) -> None:
        """While four threads write, reading after the last sequence seen finds every event, once and in order."""
        acknowledged: set[int] = set()
        seen: list[int] = []
        done = threading.Event()

        def write(number: int) -> None:
            sizes = random.Random(number)
            for turn in range(40):
                names = [f"{number}-{turn}-{i}" for i in range(sizes.choice((1, 3, 60)))]
                stored = store.events.append([new(meter, n, customer_external_id=f"c{number}") for n in names], NOW)
                acknowledged.update(one.event.seq for one in stored)

        def read() -> None:
            finished = False
            while not finished:
                finished = done.is_set()
                seen.extend(row[0] for row in store.events.read_after(seen[-1] if seen else 0, limit=50))
            while rows := store.events.read_after(seen[-1]):
                seen.extend(row[0] for row in rows)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            together(4, write)
        finally:
            done.set()
            reader.join()
        assert seen == sorted(acknowledged)

    def test_own_write_is_seen(self, store: Store, meter: Meter) -> None:
        """Whatever a thread has written, it reads at once, and `last_seq` covers it."""

        def work(number: int) -> None:
            for turn in range(15):
                [stored] = store.events.append([new(meter, f"{number}-{turn}")], NOW)
                assert store.events.last_seq() >= stored.event.seq
                assert store.events.read_after(stored.event.seq - 1, limit=1)[0][0] == stored.event.seq

        together(4, work)

    def test_reopening(self, store: Store, meter: Meter, url: str) -> None:
        """Everything is there after the store is closed and opened again, and sequences and times go on."""
        first = store.events.append([new(meter, f"k{i}") for i in range(10)], NOW)
        before = everything(store)
        store.close()
        again = Store(url)
        try:
            assert again.migrate() == []
            assert everything(again) == before
            [later] = again.events.append([new(meter)], NOW - 1)
            assert later.event.seq == first[-1].event.seq + 1
            assert later.event.ingested_at == NOW
        finally:
            again.close()
