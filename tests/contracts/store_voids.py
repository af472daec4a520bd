"""Voids in a store: once an event, sequences of the events' own counter, threads, and what a reader sees."""

from __future__ import annotations

import random
import threading

import pytest
from sqlalchemy import exc

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import Meter, Void
from fluxrate.core.store import Store
from tests.contracts.store_case import MAX, NOW, StoreCase, everything, make_meter, new, together


def events_of(store: Store, meter: Meter, count: int, now: int = NOW) -> list[int]:
    """The sequences of `count` new events, each a microsecond older than the one before."""
    batch = [new(meter, timestamp=NOW - i) for i in range(count)]
    return [one.event.seq for one in store.events.append(batch, now)]


class VoidContract(StoreCase):
    def test_void_and_read(self, store: Store, meter: Meter) -> None:
        """A void says what it was told, stands after its event, and leaves the event as it was."""
        first, second = events_of(store, meter, 2)
        before = everything(store)
        void = store.voids.add(second, "sent twice", "key:billing", NOW + 5)
        assert void == Void(second + 1, second, "sent twice", "key:billing", NOW + 5)
        assert store.events.last_seq() == void.seq
        assert store.voids.by_events([first, second, void.seq]) == {second: void}
        assert [tuple(row) for row in store.voids.read_after(0)] == [(void.seq, second, meter.pk, NOW - 1)]
        assert everything(store) == before
        assert store.events.get(void.seq) is None
        [later] = store.events.append([new(meter)], NOW)
        assert later.event.seq == void.seq + 1

    def test_no_voids(self, store: Store) -> None:
        """A store without voids says so."""
        assert list(store.voids.read_after(0)) == []
        assert store.voids.by_events([]) == store.voids.by_events([1, 2]) == {}

    def test_any_text_of_a_void(self, store: Store, meter: Meter) -> None:
        """Reason and actor are kept as they are, in any script and of any length."""
        texts = ["\u00e9\U0001f600 \u202e", "'; DROP TABLE voids; --", '{}\\"NULL', "x" * 100_000]
        for seq, text in zip(events_of(store, meter, len(texts)), texts, strict=True):
            added = store.voids.add(seq, text, text[::-1], NOW)
            found = store.voids.by_events([seq])[seq]
            assert (found, found.reason, found.actor) == (added, text, text[::-1])

    def test_void_once(self, store: Store, meter: Meter) -> None:
        """The second void of an event is a conflict, uses no sequence, and the first stays what it was."""
        [seq] = events_of(store, meter, 1)
        first = store.voids.add(seq, "first", "key:a", NOW)
        with pytest.raises(Conflict, match="voided already"):
            store.voids.add(seq, "second", "key:b", NOW + 1)
        assert store.voids.by_events([seq]) == {seq: first}
        assert store.events.last_seq() == first.seq

    def test_void_of_no_event(self, store: Store, meter: Meter) -> None:
        """What is no event cannot be voided, another void neither; no sequence is used."""
        [seq] = events_of(store, meter, 1)
        void = store.voids.add(seq, "r", "key:a", NOW)
        for other in (0, -1, void.seq, void.seq + 1, MAX):
            with pytest.raises(NotFound, match="no such event"):
                store.voids.add(other, "r", "key:a", NOW)
        assert (len(store.voids.read_after(0)), store.events.last_seq()) == (1, void.seq)

    def test_database_refuses_bad_voids(self, store: Store, meter: Meter) -> None:
        """A second void, one of no event, and one that stands before its event are refused by the tables themselves."""
        first, second = events_of(store, meter, 2)
        store.voids.add(first, "r", "key:a", NOW)
        for seq, event_seq in ((10, first), (11, 99), (second - 1, second), (second, second)):
            with pytest.raises(exc.IntegrityError), store.write() as connection:
                connection.exec_driver_sql(f"INSERT INTO voids VALUES ({seq}, {event_seq}, 'r', 'a', 0)")
        assert len(store.voids.read_after(0)) == 1

    def test_read_voids_after(self, store: Store, meter: Meter) -> None:
        """Voids are read in the order of their own sequences, from any one to any other, with their events' places."""
        other = make_meter(store, "other")
        seqs = [*events_of(store, meter, 5), *events_of(store, other, 5)]
        random.Random(1).shuffle(seqs)
        events = store.events.by_seqs(seqs)
        voids = [store.voids.add(seq, "r", "key:a", NOW) for seq in seqs]
        rows = [(v.seq, v.event_seq, events[v.event_seq].meter_pk, events[v.event_seq].timestamp) for v in voids]
        assert list(store.voids.read_after(0)) == rows
        assert type(store.voids.read_after(0)[0]) is tuple
        assert list(store.voids.read_after(voids[2].seq)) == rows[3:]
        assert list(store.voids.read_after(voids[2].seq, voids[6].seq)) == rows[3:7]
        assert list(store.voids.read_after(0, voids[0].seq - 1)) == list(store.voids.read_after(voids[-1].seq)) == []

    def test_voids_by_events(self, store: Store, meter: Meter) -> None:
        """Voids of thousands of events are found at once; events without one are left out."""
        seqs = events_of(store, meter, 2500)
        voids = {seq: store.voids.add(seq, "r", "key:a", NOW) for seq in seqs[::100]}
        assert store.voids.by_events([*seqs, 10**9]) == voids

    def test_moment_of_a_void_never_runs_backwards(self, store: Store, meter: Meter) -> None:
        """Events and voids share one moment of arrival, which stays where it was while the clock is behind."""
        [first] = events_of(store, meter, 1, NOW + 100)
        assert store.voids.add(first, "r", "key:a", NOW).voided_at == NOW + 100
        [second] = events_of(store, meter, 1, NOW + 50)
        assert store.events.by_seqs([second])[second].ingested_at == NOW + 100
        assert store.voids.add(second, "r", "key:a", NOW + 200).voided_at == NOW + 200
        [third] = events_of(store, meter, 1, NOW)
        assert store.events.by_seqs([third])[third].ingested_at == NOW + 200

    def test_seq_at_counts_voids(self, store: Store, meter: Meter) -> None:
        """The sequence at an instant is that of the last event or void that had arrived."""
        expected: dict[int, int] = {}
        for moment in range(NOW, NOW + 120, 30):
            seqs = events_of(store, meter, 3, moment)
            expected[moment] = seqs[-1]
            for place in (1, 2):
                later = moment + 10 * place
                expected[later] = store.voids.add(seqs[place], "r", "key:a", later).seq
        assert store.events.seq_at(NOW - 1) == 0
        for moment, seq in expected.items():
            assert store.events.seq_at(moment) == store.events.seq_at(moment + 9) == seq
        assert store.events.seq_at(MAX) == store.events.last_seq() == expected[NOW + 110] == 20

    def test_racing_voids(self, store: Store, meter: Meter) -> None:
        """Of threads that void the same events at the same time one wins each, and the others are told so."""
        seqs = events_of(store, meter, 20)
        won: list[Void] = []
        lost: list[int] = []

        def work(number: int) -> None:
            for seq in random.Random(number).sample(seqs, len(seqs)):
                try:
                    won.append(store.voids.add(seq, "r", f"key:{number}", NOW))
                except Conflict:
                    lost.append(seq)

        together(6, work)
        assert sorted(void.event_seq for void in won) == seqs
        assert len(lost) == 5 * len(seqs)
        assert store.voids.by_events(seqs) == {void.event_seq: void for void in won}
        assert sorted(void.seq for void in won) == list(range(seqs[-1] + 1, seqs[-1] + 1 + len(seqs)))

    def test_reader_misses_no_void(self, store: Store, meter: Meter) -> None:
        """While threads append and void, reading up to the last sequence, again and again, finds everything once, and
        no void before its event.
        """
        acknowledged: set[int] = set()
        events: set[int] = set()
        seen: list[int] = []
        early: list[object] = []
        done = threading.Event()

        def write(number: int) -> None:
            for turn in range(25):
                stored = store.events.append([new(meter, f"{number}-{turn}-{i}") for i in range(3)], NOW)
                acknowledged.update(one.event.seq for one in stored)
                acknowledged.add(store.voids.add(stored[turn % 3].event.seq, "r", "key:a", NOW).seq)

        def read() -> None:
            finished, last = False, 0
            while not finished:
                finished = done.is_set()
                upto = store.events.last_seq()
                found = [row[0] for row in store.events.read_after(last, upto=upto)]
                events.update(found)
                voids = store.voids.read_after(last, upto)
                early.extend(row for row in voids if row[1] not in events)
                seen.extend(sorted([*found, *(row[0] for row in voids)]))
                last = upto

        reader = threading.Thread(target=read)
        reader.start()
        try:
            together(4, write)
        finally:
            done.set()
            reader.join()
        assert early == []
        assert seen == sorted(acknowledged) == list(range(1, 401))

    def test_reopening_with_voids(self, store: Store, meter: Meter, url: str) -> None:
        """Voids are there after the store is closed and opened again."""
        [seq] = events_of(store, meter, 1)
        void = store.voids.add(seq, "r", "key:a", NOW)
        store.close()
        again = Store(url)
        try:
            assert again.migrate() == []
            assert again.voids.by_events([seq]) == {seq: void}
            with pytest.raises(Conflict):
                again.voids.add(seq, "r", "key:a", NOW)
        finally:
            again.close()
