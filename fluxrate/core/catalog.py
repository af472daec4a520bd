"""What every request looks up first, kept in the process: API keys, meters and customers by what names them.

An answer is good for one refresh interval, and until this process changes a row of its table: a key revoked here is
refused at once, one revoked by another process within the interval. That something is not there is never kept, so a
customer is found as soon as its first event has made it. Whoever is about to change a row reads it from the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from fluxrate.core import accounts, credentials
from fluxrate.core.errors import NotFound, Unavailable
from fluxrate.core.model import ApiKey, Customer, Event, Meter
from fluxrate.core.store import Store

MOST = 10_000
"""Answers of one kind that are kept at a time."""

MOST_IDS = 100_000
"""Customers whose id is kept, some 15 MB."""

_LOG = logging.getLogger(__name__)
_MINUTE = 60_000_000

Found = TypeVar("Found")


class _Kept(NamedTuple, Generic[Found]):
    """An answer, the edition of the table it was read from, and until when it is good (in monotonic seconds)."""

    found: Found
    edition: object
    until: float


class Answers(Generic[Found]):
    """Answers of one table by question, each for `seconds` at most; safe to call from any thread.

    `edition()` gives another object after every change of the table by this process. Beyond `most` answers the one
    read longest ago goes, which is also the next to grow old.
    """

    def __init__(self, edition: Callable[[], object], seconds: float, most: int = MOST) -> None:
        self._edition = edition
        self._seconds = seconds
        self._most = most
        self._kept: dict[Hashable, _Kept[Found]] = {}
        self._lock = threading.Lock()

    def get(self, question: Hashable, read: Callable[[], Found | None]) -> Found | None:
        """What `read` gives, or gave a moment ago; None is not kept."""
        kept = self._kept.get(question)
        if kept is not None and kept.edition is self._edition() and time.monotonic() < kept.until:
            return kept.found
        # Both are taken before the reading: what changes meanwhile makes the answer old, not lasting.
        edition, until = self._edition(), time.monotonic() + self._seconds
        found = read()
        with self._lock:
            self._kept.pop(question, None)
            if found is not None:
                self._kept[question] = _Kept(found, edition, until)
                while len(self._kept) > self._most:
                    del self._kept[next(iter(self._kept))]
        return found


class Catalog:
    """Keys, meters and customers of one store; `seconds` is the refresh interval."""

    def __init__(self, store: Store, seconds: float, most: int = MOST) -> None:
        self._store = store
        self.seconds = seconds
        self._keys = Answers[ApiKey](lambda: store.keys.edition, seconds, most)
        self._meters = Answers[Meter](lambda: store.meters.edition, seconds, most)
        self._every_meter = Answers[tuple[Meter, ...]](lambda: store.meters.edition, seconds, most)
        self._customers = Answers[Customer](lambda: store.customers.edition, seconds, most)
        self._customers_by_pk = Answers[Customer](lambda: store.customers.edition, seconds, most)
        self._ids: dict[int, str] = {}
        self._used: dict[int, int] = {}
        self._using = threading.Lock()

    def key(self, secret: str) -> ApiKey | None:
        """The key whose secret this is, if it is not revoked."""
        # Kept by digest: no secret stays in memory, and how long a dictionary takes tells nothing about one.
        return self._keys.get(credentials.digest(secret), lambda: accounts.key_of(self._store, secret))

    def use(self, key: ApiKey, now: int) -> None:
        """Note when a key was used, once a minute: each note waits for the disk."""
        last = self._used.get(key.pk, key.last_used_at)
        if last is not None and now - last <= _MINUTE:
            return
        with self._using:
            if self._used.get(key.pk, last) != last:
                return
            self._used[key.pk] = now
        try:
            self._store.keys.touch(key.pk, now)
        except Unavailable as away:
            # Whoever only reads goes on while the disk is full; the note is made in a minute.
            _LOG.warning("the use of the key %s could not be noted: %s", key.prefix, away.detail)

    def meter(self, reference: str) -> Meter | None:
        """The meter of an id, meter_name or meter_token."""
        return self._meters.get(reference, lambda: self._store.meters.find(reference)) if _storable(reference) else None

    def forget(self) -> None:
        """Ask the store anew for every meter and customer: it has refused what an answer from here led to."""
        self._store.meters.edition = object()
        self._store.customers.edition = object()

    def meters(self) -> tuple[Meter, ...]:
        """Every meter by name, archived ones too."""
        return self._every_meter.get(None, lambda: tuple(self._store.meters.all())) or ()

    def customer(self, reference: str) -> Customer | None:
        """The customer of an id or external id."""
        if not _storable(reference):
            return None
        return self._customers.get(reference, lambda: self._store.customers.find(reference))

    def customer_of(self, event: Event) -> Customer:
        """The customer of a stored event, who cannot be deleted any more."""
        pk = event.customer_pk
        found = self._customers_by_pk.get(pk, lambda: self._store.customers.get(pk))
        if found is None:
            raise NotFound("The customer of this event has been deleted.")
        return found

    def customer_id(self, event: Event) -> str:
        """The id of a stored event's customer, which no process can change: it is kept until there are too many."""
        found = self._ids.get(event.customer_pk)
        if found is None:
            found = self.customer_of(event).id
            if len(self._ids) >= MOST_IDS:
                self._ids.clear()
            self._ids[event.customer_pk] = found
        return found


def _storable(reference: str) -> bool:
    """PostgreSQL takes no NUL, not even in a question."""
    return "\0" not in reference
