"""The one way in for events: check, resolve, deduplicate, store, make visible.

`accept` takes drafts and gives one outcome each, in order. Every accepted event is on disk before it returns, and later
reads of this process include it. A rejected event leaves no trace and does not use up its key. The same key on the same
meter counts once for ever; the answer to a repeat is the first event. `void` takes an event out of the figures again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import msgspec

from fluxrate.core import text
from fluxrate.core.answers import LogRow
from fluxrate.core.catalog import Catalog
from fluxrate.core.checks import Batch, KnownCustomers, Limits, archived, check_timestamp
from fluxrate.core.drafts import Draft
from fluxrate.core.errors import Conflict, FluxrateError, NotFound, RuleBroken
from fluxrate.core.live import LiveColumns
from fluxrate.core.metric import Metric
from fluxrate.core.model import By, Event, Meter, NewEvent, Note, Stored, seq_of
from fluxrate.core.registry import Metrics
from fluxrate.core.store import Store
from fluxrate.core.vitals import LEFT_OUT, Intake, reason_of

REASON_LENGTH = 500

_TRIES = 5
"""How often a batch is judged, where what it names changes each time before it is stored."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one draft. `conflict`: a repeat of a known key that says something else than the first time."""

    status: Literal["accepted", "duplicate", "rejected"]
    event: Event | None = None
    meter: Meter | None = None
    conflict: bool = False
    error: FluxrateError | None = None

    @property
    def left_out(self) -> bool:
        """Right in itself, but part of an atomic batch that was refused."""
        return self.error is _LEFT_OUT


class Ingest:
    """Accepts events for one store; safe to call from any thread."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        live: LiveColumns,
        metrics: Metrics,
        clock: Callable[[], int],
        limits: Limits,
        intake: Intake,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._intake = intake
        self._live = live
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._customers = KnownCustomers(store, limits, catalog.seconds)

    def accept(self, drafts: Sequence[Draft | FluxrateError], *, atomic: bool = False) -> list[Outcome]:
        """Store what is right and say what is wrong, item by item; with `atomic`, one wrong item rejects them all."""
        for _ in range(_TRIES - 1):
            try:
                return self._accepted(drafts, atomic)
            except Conflict:
                # A meter or customer has become another since it was looked up: judged anew, each event has its answer.
                self._catalog.forget()
        return self._accepted(drafts, atomic)

    def _accepted(self, drafts: Sequence[Draft | FluxrateError], atomic: bool) -> list[Outcome]:
        self._customers.refresh()
        batch = Batch(self._store, self._catalog, self._metrics, self._customers, self._limits, self._clock(), drafts)
        checked = [batch.check(draft) for draft in drafts]
        right = [found for found in checked if isinstance(found, NewEvent)]
        if atomic and len(right) < len(checked):
            return self._counted([_rejected(found, _LEFT_OUT) for found in checked])
        stored = self.store(right)
        owners, ones = self._owners(right, stored), iter(stored)
        return self._counted(
            [
                _outcome(draft, found, next(ones), batch.meters[found.meter_pk], owners)
                if isinstance(found, NewEvent)
                else _rejected(found, found)
                for draft, found in zip(drafts, checked, strict=True)
            ]
        )

    def store(self, events: Sequence[NewEvent]) -> list[Stored]:
        """Put checked events on disk in one transaction, arrived now, and make them visible.

        Raises Conflict where a meter or customer of theirs has changed or is gone since they were checked.
        """
        if not events:
            return []
        book = self._customers.book()
        stored = self._store.events.append(events, self._clock())
        for item, event in zip(stored, events, strict=True):
            if event.customer_pk is None and not item.duplicate:
                book[event.customer_external_id] = item.event.customer_pk
        fresh = [item.event.seq for item in stored if not item.duplicate]
        if fresh:
            self._live.acknowledge(max(fresh))
        self._intake.stored(len(fresh), len(stored) - len(fresh))
        return stored

    def void(self, event_id: str, reason: str, by: By) -> LogRow:
        """Take an event out of the figures from now on, and keep why and who (see `model.Void`); on disk and visible.

        What counts no more stays in the log, and its idempotency key stays taken. Raises RuleBroken for a `reason` that
        is no text to show, NotFound for an unknown event, Conflict when it was voided before.
        """
        why = text.clean(reason, "reason", longest=REASON_LENGTH)
        row = self.event(event_id)
        now = self._clock()
        note = Note(by, "event.voided", f"event:{row.event.id}", now, {"reason": why})
        void = self._store.voids.add(row.event.seq, why, by.actor, now, note)
        self._live.acknowledge(void.seq)
        return replace(row, void=void)

    def event(self, event_id: str) -> LogRow:
        """The event of this id as the store has it now; raises NotFound."""
        seq = seq_of(event_id)
        event = None if seq is None else self._store.events.get(seq)
        # The sequence alone does not name an event: the time of arrival in the id must be right, too.
        if event is None or event.id != event_id.lower():
            raise NotFound(f"No event has the id {text.show(event_id)}.")
        meters = {meter.pk: meter for meter in self._store.meters.all()}
        customers = self._store.customers.by_pks([event.customer_pk])
        void = self._store.voids.by_events([event.seq]).get(event.seq)
        return LogRow(event, meters[event.meter_pk], customers[event.customer_pk], void)

    def customer_pk(self, external_id: str) -> int | None:
        """The customer's key, or None when the store finds or creates the customer (see `KnownCustomers.pk`)."""
        return self._customers.pk(external_id)

    def timestamp(self, sent: str | None, now: int) -> int:
        """When it happened: the sender's instant, else now; refuses what lies before 1970 or too far ahead."""
        return now if sent is None else check_timestamp(sent, now, self._limits)

    def check_meter(self, meter: Meter) -> Metric:
        """The meter's metric; an archived meter takes no events."""
        if meter.status != "ACTIVE":
            raise archived(meter)
        return self._metrics.get(meter.aggregation_type, field="aggregation_type")

    def _counted(self, outcomes: list[Outcome]) -> list[Outcome]:
        """The same outcomes, after operators' counters heard of conflicts and refusals."""
        refused = [outcome for outcome in outcomes if outcome.error]
        conflicts = [outcome for outcome in outcomes if outcome.conflict]
        if refused or conflicts:
            reasons = Counter(LEFT_OUT if one.left_out else reason_of(one.error) for one in refused if one.error)
            self._intake.judged(len(conflicts), reasons)
        return outcomes

    def _owners(self, new: Sequence[NewEvent], stored: Sequence[Stored]) -> dict[int, str]:
        """The external ids of the customers of first events that a repeat named by external id, all in one question."""
        pks = {
            item.event.customer_pk
            for item, sent in zip(stored, new, strict=True)
            if item.duplicate and sent.customer_pk is None
        }
        return {pk: found.external_id for pk, found in self._store.customers.by_pks(pks).items()} if pks else {}


_LEFT_OUT = RuleBroken("Not stored, because another event of this atomic batch was refused.")


def _outcome(
    draft: Draft | FluxrateError, new: NewEvent, stored: Stored, meter: Meter, owners: Mapping[int, str]
) -> Outcome:
    event = stored.event
    if not stored.duplicate:
        return Outcome("accepted", event, meter)
    # A repeat that leaves the time to us says nothing else than the first: the clock has merely moved on.
    timed = isinstance(draft, Draft) and draft.timestamp is not None
    same_time = new.timestamp == event.timestamp or not timed
    if new.customer_pk is None:
        same_customer = owners.get(event.customer_pk) == new.customer_external_id
    else:
        same_customer = new.customer_pk == event.customer_pk
    return Outcome(
        "duplicate", event, meter, conflict=not (new.quantity == event.quantity and same_time and same_customer)
    )


def _rejected(found: object, error: FluxrateError) -> Outcome:
    return Outcome("rejected", error=found if isinstance(found, FluxrateError) else error)
