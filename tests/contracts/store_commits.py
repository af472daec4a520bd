"""Batches that share a transaction: who waits, who is told what, and what is stored when one of them is at fault."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fluxrate.core.errors import Conflict, FluxrateError, Unavailable
from fluxrate.core.model import Meter, NewEvent, Stored
from fluxrate.core.store import Store, commits
from tests.contracts.store_case import NOW, StoreCase, everything, new, together

Answers = list["Future[list[Stored]]"]


@contextmanager
def held(store: Store) -> Iterator[None]:
    """Nobody can write events meanwhile."""
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE ingest SET last_seq = last_seq")
        yield


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def gathered(store: Store, first: list[NewEvent], *others: list[NewEvent]) -> Iterator[Answers]:
    """The batches' answers: `first` begins and is kept waiting by the block, and the others wait behind it."""
    with ThreadPoolExecutor(len(others) + 1) as pool:
        answers: Answers = []
        with held(store):
            for batch in (first, *others):
                answers.append(pool.submit(store.events.append, batch, NOW))
                waiting = sum(map(len, (first, *others)[: len(answers)]))
                until(lambda waiting=waiting: store.events.pressure().queued == waiting)  # type: ignore[misc]
            yield answers
        for answer in answers:
            answer.exception(timeout=20)


class CommitContract(StoreCase):
    def test_waiting_batches_share_a_commit(self, store: Store, meter: Meter) -> None:
        """What comes while a transaction is written goes into the next one together, each batch in its own order."""
        batches = [[new(meter, f"{b}-{i}", quantity=i) for i in range(b + 1)] for b in range(12)]
        with gathered(store, [new(meter)], *batches) as answers:
            pass
        after = store.events.pressure()
        assert (after.commits, after.batches, after.events, after.failed, after.queued) == (2, 13, 79, 0, 0)
        for batch, answer in zip(batches, answers[1:], strict=True):
            seqs = [one.event.seq for one in answer.result()]
            assert seqs == list(range(seqs[0], seqs[0] + len(batch)))
            assert [one.event.idempotency_key for one in answer.result()] == [sent.idempotency_key for sent in batch]
        assert len(everything(store)) == 79

    def test_lone_batches_have_commits_of_their_own(self, store: Store, meter: Meter) -> None:
        """Without company every batch is a transaction, and nothing waits afterwards."""
        for _ in range(3):
            store.events.append([new(meter)] * 2, NOW)
        after = store.events.pressure()
        assert (after.commits, after.batches, after.events, after.queued) == (3, 3, 6, 0)
        assert after.seconds > 0

    def test_the_same_key_in_one_commit(self, store: Store, meter: Meter) -> None:
        """A key in several batches of a transaction counts once: the first has the event, the others its repeat."""
        batches = [[new(meter, "k", quantity=b), new(meter, f"own-{b}")] for b in range(5)]
        with gathered(store, [new(meter)], *batches) as answers:
            pass
        found = [answer.result()[0] for answer in answers[1:]]
        assert [one.duplicate for one in found] == [False, True, True, True, True]
        assert {one.event.quantity for one in found} == {0}
        assert len({one.event.id for one in found}) == 1
        assert not any(answer.result()[1].duplicate for answer in answers[1:])
        assert store.events.pressure().commits == 2

    def test_one_at_fault_spoils_no_other(self, store: Store, meter: Meter) -> None:
        """A batch that cannot be stored is refused alone and whole; those that waited with it are stored whole."""
        good = [[new(meter, f"{b}-{i}", customer_external_id=f"c{b}") for i in range(3)] for b in range(4)]
        gone = [new(meter, "gone", customer_external_id="ghost"), new(meter, customer_pk=999)]
        bad = [new(meter, "bad", customer_external_id="ghost"), new(meter, quantity=-1)]
        with gathered(store, [new(meter)], good[0], gone, good[1], bad, *good[2:]) as answers:
            pass
        assert isinstance(answers[2].exception(), Conflict)
        assert "ck_events_quantity" in str(answers[4].exception())
        stored = [one for place in (1, 3, 5, 6) for one in answers[place].result()]
        assert not any(one.duplicate for one in stored)
        assert [row[0] for row in everything(store)][1:] == sorted(one.event.seq for one in stored)
        assert store.customers.find("ghost") is None
        # Neither has used up its key.
        assert not store.events.append([new(meter, "gone"), new(meter, "bad")], NOW)[0].duplicate

    def test_full_queue(self, url: str, store: Store, meter: Meter) -> None:
        """What would make too many events wait is refused at once, and is taken when there is room again."""
        small = Store(url, most_queued=5)
        with gathered(small, [new(meter, "a")] * 2, [new(meter, "b")] * 3) as answers:
            began = time.monotonic()
            with pytest.raises(Unavailable, match="5 events wait"):
                small.events.append([new(meter, "c")], NOW)
            assert time.monotonic() - began < 1
        assert [len(answer.result()) for answer in answers] == [2, 3]
        assert (small.events.pressure().refused, small.events.pressure().most) == (1, 5)
        # A batch larger than the limit would never find room: it is taken when nothing waits.
        assert len(small.events.append([new(meter, f"c{i}") for i in range(9)], NOW)) == 9
        small.close()

    def test_waited_too_long(self, store: Store, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
        """A batch whose turn does not come is refused and never stored; the one being written is waited for."""
        monkeypatch.setattr(commits, "WAIT_SECONDS", 0.05)
        with gathered(store, [new(meter, "first")], [new(meter, "late")]) as answers:
            assert isinstance(answers[1].exception(timeout=10), Unavailable)
            assert not answers[0].done()
            assert store.events.pressure().queued == 1
        assert not answers[0].result()[0].duplicate
        assert store.events.find_key(meter.pk, "late") is None
        assert store.events.pressure().queued == 0

    def test_interrupted_while_waiting(self, store: Store, meter: Meter) -> None:
        """A caller whom a signal takes out of the queue leaves nothing there that others would wait for."""

        def ring(number: int, frame: object) -> None:
            raise InterruptedError

        before = signal.signal(signal.SIGALRM, ring)
        try:
            with gathered(store, [new(meter, "first")]) as answers:
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                with pytest.raises(InterruptedError):
                    store.events.append([new(meter, "left")], NOW)
                assert store.events.pressure().queued == 1
        finally:
            signal.signal(signal.SIGALRM, before)
        assert not answers[0].result()[0].duplicate
        assert not store.events.append([new(meter, "left")], NOW)[0].duplicate
        assert store.events.pressure().queued == 0

    def test_under_pressure(self, url: str, store: Store, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
        """With a short queue, short patience and some batches at fault, what is stored is what was acknowledged, and
        nobody waits for ever.
        """
        monkeypatch.setattr(commits, "WAIT_SECONDS", 0.004)
        monkeypatch.setattr(commits, "GROUP_ROWS", 7)
        small = Store(url, most_queued=30)
        acknowledged: list[str | None] = []
        refused: list[FluxrateError] = []

        def send(number: int) -> None:
            chance = random.Random(number)
            for turn in range(60):
                owner = 999 if chance.random() < 0.05 else None
                names = [f"{number}-{turn}-{i}" for i in range(chance.choice((1, 1, 2, 9)))]
                try:
                    stored = small.events.append([new(meter, name, customer_pk=owner) for name in names], NOW)
                except FluxrateError as why:
                    refused.append(why)
                else:
                    assert [one.event.idempotency_key for one in stored] == names
                    acknowledged.extend(names)

        together(12, send)
        stored = store.events.by_seqs(row[0] for row in everything(store))
        assert sorted(event.idempotency_key for event in stored.values()) == sorted(acknowledged)  # type: ignore[type-var]
        assert {type(why) for why in refused} <= {Conflict, Unavailable}
        assert small.events.pressure().queued == 0
        small.close()

    def test_large_batches_keep_to_themselves(
        self, store: Store, meter: Meter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A transaction takes no more rows than its bound from several batches, and a larger batch alone."""
        monkeypatch.setattr(commits, "GROUP_ROWS", 10)
        sizes = (4, 6, 1, 30, 10, 3)
        with gathered(store, [new(meter)], *([new(meter)] * size for size in sizes)) as answers:
            pass
        assert [len(answer.result()) for answer in answers] == [1, *sizes]
        # The first, then 4 with 6, and each of the others: 1 and 30 are too many together, and so are 10 and 3.
        assert store.events.pressure().commits == 6

    def test_many_clients_race_for_the_same_keys(self, store: Store, meter: Meter, url: str) -> None:
        """64 clients that send the same 1,000 keys in batches of their own order make 1,000 events, and every answer
        has the first one's id. They are clients of two stores on one database, as of two processes.
        """
        stores = (store, Store(url))
        keys = [f"k{i}" for i in range(1_000)]
        answers: list[list[Stored]] = []
        running = threading.Lock()

        def send(number: int) -> None:
            shuffled = random.Random(number).sample(keys, len(keys))
            for start in range(0, 1_000, 250):
                wanted = [
                    new(meter, key, quantity=number, customer_external_id=key[-2:])
                    for key in shuffled[start : start + 250]
                ]
                stored = stores[number % 2].events.append(wanted, NOW)
                assert [one.event.idempotency_key for one in stored] == [one.idempotency_key for one in wanted]
                with running:
                    answers.append(stored)

        together(64, send)
        ids: dict[str | None, set[str]] = {}
        fresh = 0
        for one in (one for stored in answers for one in stored):
            ids.setdefault(one.event.idempotency_key, set()).add(one.event.id)
            fresh += not one.duplicate
        assert fresh == len(ids) == len(everything(store)) == 1_000
        assert all(len(found) == 1 for found in ids.values())
        assert sum(len(stored) for stored in answers) == 64_000
        stores[1].close()
