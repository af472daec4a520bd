"""Group commit: batches that arrive while another is being written share the next durable transaction.

Promises: a batch that returns is on the disk; it is there wholly or not at all, in its own order; a lone caller waits
for nobody. A batch that is at fault (it names a deleted customer) spoils no other. At most `most` events wait: what
would make it more is refused at once with Unavailable, and so is a batch that waited too long and was not begun.

There is no thread for it: who finds nobody writing writes, for all that wait at that moment, and then wakes the first
of those that came meanwhile to do the same. So the disk is as busy as it can be, and nobody waits for more to come.

Why writers cannot wait for each other in a circle: the only locks are taken in one order. First the place at the front
of this queue, then on SQLite the process's writer lock and the file's, on PostgreSQL the counter's row (see `counter`),
and after that nothing that a holder of something else could want: of two transactions with the same keys, customers or
meters the second is still waiting for the counter when the first inserts. The order of the keys in a batch therefore
does not matter, which it does where writers lock keys alone. Changes of one customer or meter do not take the counter,
but are one statement each and wait for nothing that a batch holds while they hold what it wants;
only a change of what a meter counts holds the counter first, so that no event comes between its look for events and
itself, and so does a transaction of many changes that makes customers (see `together`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from fluxrate.core.errors import Unavailable
from fluxrate.core.model import NewEvent, Stored

MOST_QUEUED = 100_000
"""Events that wait, unless said otherwise: some two seconds of work."""

GROUP_ROWS = 10_000
"""Events that share a transaction; a larger batch is one of its own."""

WAIT_SECONDS = 30

Write = Callable[[Sequence[NewEvent], int], list[Stored]]
"""Stores events that arrived at a moment, in one transaction."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """How the queue does: events that wait or are being written, the most that may, and counts since the start.

    `events` and `batches` were in the `commits` that went well; `failed` transactions wrote nothing, or cannot tell;
    `refused` batches were sent away because too much waited. `seconds` is the time of all transactions.
    """

    queued: int
    most: int
    commits: int
    batches: int
    events: int
    failed: int
    refused: int
    seconds: float


class _Batch:
    """One caller's events, and what became of them."""

    __slots__ = ("error", "events", "held", "leads", "now", "stored")

    def __init__(self, events: Sequence[NewEvent], now: int) -> None:
        self.events = events
        self.now = now
        self.leads = False
        # Let go once, when the batch is to lead or has its outcome. A bare lock: an Event is two more and a list.
        self.held = threading.Lock()
        self.held.acquire()
        self.stored: list[Stored] | None = None
        self.error: BaseException | None = None

    def outcome(self) -> list[Stored]:
        if self.error is not None:
            raise self.error
        if self.stored is None:
            raise Unavailable("The thread that wrote this batch was stopped; send it again.")
        return self.stored


class Commits:
    """The queue of one store; `append` is safe to call from any thread."""

    def __init__(self, write: Write, most: int = MOST_QUEUED) -> None:
        self._write = write
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[_Batch] = deque()
        self._writing = False
        self._queued = 0
        self._commits = self._batches = self._events = self._failed = self._refused = 0
        self._seconds = 0.0

    def append(self, new: Sequence[NewEvent], now: int) -> list[Stored]:
        """Store a batch with whatever else waits; raises what `write` raises for it, or Unavailable."""
        if not new:
            return []
        mine = _Batch(new, now)
        self._join(mine)
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._lead()
        return mine.outcome()

    def pressure(self) -> Pressure:
        """How the queue does at this moment."""
        with self._lock:
            return Pressure(
                self._queued,
                self._most,
                self._commits,
                self._batches,
                self._events,
                self._failed,
                self._refused,
                self._seconds,
            )

    def _join(self, mine: _Batch) -> None:
        with self._lock:
            # A batch that finds nothing waiting is taken whatever its size: it would never be smaller.
            if self._queued and self._queued + len(mine.events) > self._most:
                self._refused += 1
                raise Unavailable(f"{self._queued} events wait to be written, and at most {self._most} may.")
            self._queued += len(mine.events)
            self._waiting.append(mine)
            if not self._writing:
                self._writing = mine.leads = True

    def _wait(self, mine: _Batch) -> None:
        woken = left = False
        try:
            woken = mine.held.acquire(timeout=WAIT_SECONDS)
        finally:
            # Also where a signal ends the waiting: who has gone cannot lead.
            left = not woken and self._left(mine)
        if left:
            raise Unavailable(f"Other writers kept the database busy for more than {WAIT_SECONDS} seconds.")
        if not woken:
            # It is being written, and only the outcome can tell whether it counts.
            mine.held.acquire()

    def _left(self, mine: _Batch) -> bool:
        """Whether the batch could still be taken out of the queue."""
        with self._lock:
            if mine not in self._waiting:
                return False
            self._waiting.remove(mine)
            self._queued -= len(mine.events)
        if mine.leads:
            self._hand_on(())
        return True

    def _lead(self) -> None:
        group = self._group()
        try:
            self._store(group)
        finally:
            # The next one writes while these make their answers.
            self._hand_on(group)
            for batch in group:
                if not batch.leads:
                    batch.held.release()

    def _group(self) -> list[_Batch]:
        """The leader's batch, which is the first, and those after it that fit."""
        with self._lock:
            group = [self._waiting.popleft()]
            rows = len(group[0].events)
            while self._waiting and rows + len(self._waiting[0].events) <= GROUP_ROWS:
                group.append(self._waiting.popleft())
                rows += len(group[-1].events)
        return group

    def _hand_on(self, group: Sequence[_Batch]) -> None:
        with self._lock:
            self._queued -= sum(len(batch.events) for batch in group)
            if not self._waiting:
                self._writing = False
                return
            following = self._waiting[0]
            following.leads = True
        following.held.release()

    def _store(self, group: Sequence[_Batch]) -> None:
        try:
            self._commit(group)
        except Unavailable as away:
            # Nothing is tried again here: a commit whose answer was lost may have been one.
            for batch in group:
                batch.error = Unavailable(away.detail)
                batch.error.__cause__ = away
        except Exception as error:  # noqa: BLE001 (raised in the thread of the caller it concerns)
            if len(group) == 1:
                group[0].error = error
                return
            # One of them is at fault, and the transaction is undone: each has its own.
            for batch in group:
                self._store([batch])

    def _commit(self, group: Sequence[_Batch]) -> None:
        events = group[0].events if len(group) == 1 else [event for batch in group for event in batch.events]
        began = monotonic()
        stored = None
        try:
            stored = self._write(events, max(batch.now for batch in group))
        finally:
            self._count(group, len(events), monotonic() - began, failed=stored is None)
        start = 0
        for batch in group:
            batch.stored = stored[start : start + len(batch.events)]
            start += len(batch.events)

    def _count(self, group: Sequence[_Batch], events: int, seconds: float, *, failed: bool) -> None:
        with self._lock:
            self._seconds += seconds
            if failed:
                self._failed += 1
                return
            self._commits += 1
            self._batches += len(group)
            self._events += events
