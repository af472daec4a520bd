"""The one way in for events: check, resolve, deduplicate, store, make visible.

`accept` takes drafts and gives one outcome each, in order. Every accepted event is on disk before it returns, and later
reads of this process include it. A rejected event leaves no trace and does not use up its key. The same key on the same
meter counts once for ever; the answer to a repeat is the first event. `void` takes an event out of the figures again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from msgspec import Raw

from fluxrate.core import amounts, calendar, text
from fluxrate.core.answers import LogRow
from fluxrate.core.catalog import Catalog
from fluxrate.core.drafts import ABSENT, Draft, decode_value, metadata_text
from fluxrate.core.errors import FluxrateError, NotFound, RuleBroken
from fluxrate.core.live import LiveColumns, properties
from fluxrate.core.metric import Metric
from fluxrate.core.model import Event, Meter, NewEvent, Stored, seq_of
from fluxrate.core.registry import Metrics
from fluxrate.core.store import Store
from fluxrate.core.vitals import LEFT_OUT, Intake, reason_of

KEY_LENGTH = 255
REASON_LENGTH = 500
_OURS = 500
_KNOWN_CUSTOMERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
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


class _Checked(NamedTuple):
    """A draft that passed; `timed` where the sender said when it happened."""

    event: NewEvent
    meter: Meter
    timed: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that ingestion obeys; `max_future` in microseconds."""

    max_future: int
    auto_create_customers: bool


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
        self._customers: dict[str, int | None] = {}

    def accept(self, drafts: Sequence[Draft | FluxrateError], *, atomic: bool = False) -> list[Outcome]:
        """Store what is right and say what is wrong, item by item; with `atomic`, one wrong item rejects them all."""
        now = self._clock()
        meters: dict[tuple[str | None, ...], Meter] = {}
        checked = [self._checked(draft, meters, now) for draft in drafts]
        if atomic and any(isinstance(found, FluxrateError) for found in checked):
            return self._counted([_rejected(found, _LEFT_OUT) for found in checked])
        right = [found.event for found in checked if isinstance(found, _Checked)]
        stored = iter(self.store(right))
        return self._counted(
            [
                self._outcome(found, next(stored)) if isinstance(found, _Checked) else _rejected(found, found)
                for found in checked
            ]
        )

    def store(self, events: Sequence[NewEvent]) -> list[Stored]:
        """Put checked events on disk in one transaction, arrived now, and make them visible."""
        if not events:
            return []
        stored = self._store.events.append(events, self._clock())
        self._remember(stored, events)
        fresh = [item.event.seq for item in stored if not item.duplicate]
        if fresh:
            self._live.acknowledge(max(fresh))
        self._intake.stored(len(fresh), len(stored) - len(fresh))
        return stored

    def void(self, event_id: str, reason: str, actor: str) -> LogRow:
        """Take an event out of the figures from now on, and keep why and who (see `model.Void`); on disk and visible.

        What counts no more stays in the log, and its idempotency key stays taken. Raises RuleBroken for a `reason` that
        is no text to show, NotFound for an unknown event, Conflict when it was voided before.
        """
        why = text.clean(reason, "reason", longest=REASON_LENGTH)
        seq = seq_of(event_id)
        event = None if seq is None else self._store.events.get(seq)
        # The sequence alone does not name an event: the time of arrival in the id must be right, too.
        if event is None or event.id != event_id.lower():
            raise NotFound(f"No event has the id {text.show(event_id)}.")
        void = self._store.voids.add(event.seq, why, actor, self._clock())
        self._live.acknowledge(void.seq)
        meters = {meter.pk: meter for meter in self._store.meters.all()}
        customers = self._store.customers.by_pks([event.customer_pk])
        return LogRow(event, meters[event.meter_pk], customers[event.customer_pk], void)

    def customer_pk(self, external_id: str) -> int | None:
        """The customer's key, or None when it is to be created with its first event.

        Raises NotFound when AUTO_CREATE_CUSTOMERS is off and nobody has this external id.
        """
        try:
            return self._customers[external_id]
        except KeyError:
            text.identifier(external_id, "customer_external_id")
        found = self._store.customers.by_external_id(external_id)
        if found is None and not self._limits.auto_create_customers:
            raise NotFound(f"No customer has the external id {text.show(external_id)}.", field="customer_external_id")
        # None stays true until `_remember`: the store itself finds or creates the customer of such an event.
        self._customers[external_id] = pk = None if found is None else found.pk
        return pk

    def timestamp(self, sent: str | None, now: int) -> int:
        """When it happened: the sender's instant, else now; refuses what lies before 1970 or too far ahead."""
        if sent is None:
            return now
        instant = calendar.parse_instant(sent)
        if instant < 0:
            raise RuleBroken(f"timestamp is in 1970 or later, but {text.show(sent)} came.", field="timestamp")
        if instant > now + self._limits.max_future:
            hours = self._limits.max_future / 3_600_000_000
            raise RuleBroken(
                f"timestamp is at most {hours:g} hours ahead of the server's clock ({calendar.rfc3339(now)}), "
                f"but {text.show(sent)} came.",
                field="timestamp",
            )
        return instant

    def check_meter(self, meter: Meter) -> Metric:
        """The meter's metric; an archived meter takes no events."""
        if meter.status != "ACTIVE":
            raise RuleBroken(f"The meter {meter.meter_name} is archived and takes no events.", field="meter")
        return self._metric(meter)

    def _metric(self, meter: Meter) -> Metric:
        return self._metrics.get(meter.aggregation_type, field="aggregation_type")

    def _checked(
        self, draft: Draft | FluxrateError, meters: dict[tuple[str | None, ...], Meter], now: int
    ) -> _Checked | FluxrateError:
        if isinstance(draft, FluxrateError):
            return draft
        try:
            reference = (draft.meter_token, draft.meter_id, draft.meter_name)
            meter = meters.get(reference)
            if meter is None:
                meter = meters[reference] = self._meter(draft)
            return _Checked(self._new_event(draft, meter, now), meter, draft.timestamp is not None)
        except FluxrateError as refused:
            if refused.status >= _OURS:
                # The store is away: that says nothing about the event, and the sender is to try again.
                raise
            return refused

    def _counted(self, outcomes: list[Outcome]) -> list[Outcome]:
        """The same outcomes, after operators' counters heard of conflicts and refusals."""
        refused = Counter(
            LEFT_OUT if outcome.left_out else reason_of(outcome.error) for outcome in outcomes if outcome.error
        )
        self._intake.judged(sum(outcome.conflict for outcome in outcomes), refused)
        return outcomes

    def _meter(self, draft: Draft) -> Meter:
        given = {
            name: value
            for name in ("meter_token", "meter_id", "meter_name")
            if (value := getattr(draft, name)) is not None
        }
        if len(given) != 1:
            raise RuleBroken(
                f"An event names its meter by one of meter_token, meter_id or meter_name, but {len(given)} came.",
                field="meter_token",
            )
        ((field, reference),) = given.items()
        found = self._catalog.meter(reference)
        if found is None or reference not in (found.meter_token, found.id, found.meter_name):
            raise NotFound(f"No meter has the {field} {text.show(reference)}.", field=field)
        return found

    def _new_event(self, draft: Draft, meter: Meter, now: int) -> NewEvent:
        key = idempotency_key(draft.idempotency_key)
        # A repeat has its first answer also where nothing new is taken any more.
        if meter.status == "ACTIVE" or key is None or self._store.events.find_key(meter.pk, key) is None:
            metric = self.check_meter(meter)
        else:
            metric = self._metric(meter)
        meta, quantity = _value(draft, meter, metric)
        check_quantity(quantity, metric)
        check_property(meta, meter, metric)
        pk, external_id = self._customer(draft)
        return NewEvent(
            meter_pk=meter.pk,
            customer_pk=pk,
            customer_external_id=external_id,
            timestamp=self.timestamp(draft.timestamp, now),
            quantity=quantity,
            idempotency_key=key,
            metadata=metadata_text(meta),
        )

    def _customer(self, draft: Draft) -> tuple[int | None, str]:
        if (draft.customer_id is None) == (draft.customer_external_id is None):
            raise RuleBroken(
                "An event names its customer by either customer_external_id or customer_id.",
                field="customer_external_id",
            )
        if draft.customer_external_id is not None:
            return self.customer_pk(draft.customer_external_id), draft.customer_external_id
        found = self._store.customers.find(draft.customer_id or "") if "\0" not in (draft.customer_id or "") else None
        if found is None:
            raise NotFound(f"No customer has the id {text.show(draft.customer_id)}.", field="customer_id")
        return found.pk, found.external_id

    def _outcome(self, checked: _Checked, stored: Stored) -> Outcome:
        new, event = checked.event, stored.event
        if not stored.duplicate:
            return Outcome("accepted", event, checked.meter)
        # A repeat that leaves the time to us says nothing else than the first: the clock has merely moved on.
        same_time = new.timestamp == event.timestamp or not checked.timed
        same = new.quantity == event.quantity and same_time and self._same_customer(new, event)
        return Outcome("duplicate", event, checked.meter, conflict=not same)

    def _same_customer(self, new: NewEvent, event: Event) -> bool:
        if new.customer_pk is not None:
            return new.customer_pk == event.customer_pk
        first = self._store.customers.by_pks([event.customer_pk])
        return first[event.customer_pk].external_id == new.customer_external_id

    def _remember(self, stored: Sequence[Stored], events: Sequence[NewEvent]) -> None:
        if len(self._customers) > _KNOWN_CUSTOMERS:
            self._customers.clear()
        for item, event in zip(stored, events, strict=True):
            if not item.duplicate and event.customer_pk is None:
                self._customers[event.customer_external_id] = item.event.customer_pk


_LEFT_OUT = RuleBroken("Not stored, because another event of this atomic batch was refused.")


def idempotency_key(sent: str | None) -> str | None:
    """The key as sent; refuses an empty or overlong one and control characters."""
    return None if sent is None else text.identifier(sent, "idempotency_key", longest=KEY_LENGTH)


def check_quantity(quantity: int, metric: Metric) -> None:
    """Refuse a zero where it would add nothing."""
    if quantity == 0 and metric.positive_quantity:
        raise RuleBroken("quantity is greater than 0 on a SUM meter, but 0 came.", field="quantity")


def check_property(meta: Mapping[str, Any] | None, meter: Meter, metric: Metric) -> None:
    """Refuse an event that a distinct count could not count."""
    if metric.needs_property and all((meta or {}).get(key) is None for key in properties(meter)):
        named = " or ".join(f"metadata.{key}" for key in properties(meter))
        raise RuleBroken(f"An event on {meter.meter_name} has {named}, whose distinct values count.", field="metadata")


def _value(draft: Draft, meter: Meter, metric: Metric) -> tuple[dict[str, Any] | None, int]:
    """The metadata and scaled quantity, from either shape of event."""
    if draft.properties is None:
        return draft.metadata, _quantity(draft.quantity, meter, metric, "quantity")
    if draft.quantity is not ABSENT or draft.metadata is not None:
        raise RuleBroken("An event has either properties or quantity and metadata, not both.", field="properties")
    rest = dict(draft.properties)
    field = "quantity"
    raw = ABSENT
    if meter.property_name and not metric.needs_property:
        field = f"properties.{meter.property_name}"
        raw = rest.pop(meter.property_name, ABSENT)
    meta = {key: decode_value(value, f"properties.{text.show(key)[1:-1]}") for key, value in rest.items()}
    return meta, _quantity(raw, meter, metric, field)


def _quantity(raw: Raw, meter: Meter, metric: Metric, field: str) -> int:
    """A JSON text is exact, a JSON number is rounded to the meter's places; none means one where things are counted."""
    token = bytes(raw).decode(errors="replace")
    if token in ("", "null"):
        if metric.counts_things:
            return int(10**meter.decimals)
        raise RuleBroken(f'{field} is missing; it is a decimal such as "1.5".', field=field)
    if token.startswith('"'):
        return amounts.scale_text(decode_value(raw, field), meter.decimals, field=field)
    return amounts.scale_json_number(token, meter.decimals, field=field)


def _rejected(found: object, error: FluxrateError) -> Outcome:
    return Outcome("rejected", error=found if isinstance(found, FluxrateError) else error)
