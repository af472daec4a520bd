"""Every rule an event has to pass before it is stored: from a draft to a `NewEvent`, or the reason why not.

`Batch.check` judges one draft after another and remembers what many of them name alike, their meters. Nothing is
written here, and nothing of a refused event stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from msgspec import Raw, Struct

from fluxrate.core import amounts, text
from fluxrate.core.catalog import Catalog
from fluxrate.core.drafts import ABSENT, METADATA_KEYS, Draft, decode_value, metadata_text
from fluxrate.core.errors import FluxrateError, Malformed, NotFound, RuleBroken
from fluxrate.core.instants import parse_instant, rfc3339
from fluxrate.core.live import properties
from fluxrate.core.metric import Metric
from fluxrate.core.model import Customer, Meter, NewEvent, Rules
from fluxrate.core.registry import Metrics
from fluxrate.core.store import Store

KEY_LENGTH = 255

_OURS = 500
_FEW = 4
_KNOWN_CUSTOMERS = 1_000_000
_QUOTE = 0x22
_METER_NAMES = ("meter_token", "meter_id", "meter_name")
_Reference = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings that ingestion obeys; `max_future` in microseconds."""

    max_future: int
    auto_create_customers: bool


class KnownCustomers:
    """The keys of customers by external id, kept for the next batch.

    They are kept until this process changes a customer, and for `seconds`, the refresh interval, at most: another
    process may have given an external id to somebody else.
    """

    def __init__(self, store: Store, limits: Limits, seconds: float) -> None:
        self._store = store
        self._limits = limits
        self._seconds = seconds
        self._edition = store.customers.edition
        self._until = monotonic() + seconds
        self._pks: dict[str, int] = {}

    def pk(self, external_id: str) -> int | None:
        """The customer's key, or None where the store is to find or create the customer with the event.

        Raises RuleBroken for what is no identifier; NotFound when AUTO_CREATE_CUSTOMERS is off and nobody has this
        external id.
        """
        # What is found goes where it was looked for: into nothing, where all was forgotten meanwhile.
        pks = self._pks
        try:
            return pks[external_id]
        except KeyError:
            text.identifier(external_id, "customer_external_id")
        if self._limits.auto_create_customers:
            return None
        found = self._store.customers.by_external_id(external_id)
        if found is None:
            raise NotFound(f"No customer has the external id {text.show(external_id)}.", field="customer_external_id")
        pks[external_id] = found.pk
        return found.pk

    def book(self) -> dict[str, int]:
        """Where to write down what a transaction that begins after this call finds out."""
        self.refresh()
        return self._pks

    def refresh(self) -> None:
        """Forget what a change of the customers may have made untrue, or what is too much; once a batch."""
        edition = self._store.customers.edition
        if edition is not self._edition or monotonic() >= self._until or len(self._pks) > _KNOWN_CUSTOMERS:
            self.forget()
            self._edition = edition

    def forget(self) -> None:
        """Forget all: it is old, or the store has refused a key, so another process has deleted its customer."""
        self._until = monotonic() + self._seconds
        # A new dictionary: other threads may be reading this one.
        self._pks = {}


class _Target(Struct, frozen=True, gc=False):
    """A meter with what its events are checked by."""

    meter: Meter
    metric: Metric
    active: bool
    rules: Rules


class Batch:
    """The checks of one batch that arrives at `now`; used by one thread."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        metrics: Metrics,
        customers: KnownCustomers,
        limits: Limits,
        now: int,
        drafts: Sequence[Draft | FluxrateError] = (),
    ) -> None:
        """`drafts` are those that will come: what they name is then looked up for all of them at once."""
        self._store = store
        self._catalog = catalog
        self._drafts = [draft for draft in drafts if isinstance(draft, Draft)]
        self._metrics = metrics
        self._customer_pk: Callable[[str], int | None] = customers.pk
        self._limits = limits
        self._now = now
        self._targets: dict[_Reference, _Target | FluxrateError] = {}
        self._strangers = 0
        self._by_name: dict[str, Meter] | None = None
        self._by_id: dict[str, Customer] | None = None
        self._repeats: dict[int, set[str]] = {}
        self.meters: dict[int, Meter] = {}
        """The meters of the events that passed, by key."""

    def check(self, draft: Draft | FluxrateError) -> NewEvent | FluxrateError:
        """The event, or why it is none. Raises only what says nothing about the event: the store is away."""
        if isinstance(draft, FluxrateError):
            return draft
        try:
            reference = (draft.meter_token, draft.meter_id, draft.meter_name)
            target = self._targets.get(reference)
            if target is None:
                target = self._targets[reference] = self._target(reference)
            return self._event(draft, target) if isinstance(target, _Target) else target
        except FluxrateError as refused:
            if refused.status >= _OURS:
                # The sender is to try again.
                raise
            return refused

    def _target(self, reference: _Reference) -> _Target | FluxrateError:
        try:
            meter = find_meter(self._meter_called, reference)
        except (Malformed, RuleBroken, NotFound) as refused:
            # Kept like a meter: a batch with a mistyped name would ask the store for each of its events.
            self._strangers += 1
            return refused
        self.meters[meter.pk] = meter
        metric = self._metrics.get(meter.aggregation_type, field="aggregation_type")
        return _Target(meter, metric, meter.status == "ACTIVE", meter.rules)

    def _meter_called(self, value: str) -> Meter | None:
        # A batch of 10,000 names that no meter has would ask for three seconds, one by one.
        if self._strangers < _FEW:
            return self._catalog.meter(value)
        if self._by_name is None:
            every = self._store.meters.all()
            tokens, names = {one.meter_token: one for one in every}, {one.meter_name: one for one in every}
            self._by_name = tokens | names | {one.id: one for one in every}
        return self._by_name.get(value)

    def _event(self, draft: Draft, target: _Target) -> NewEvent:
        meter, metric = target.meter, target.metric
        key = draft.idempotency_key
        if key is not None:
            text.identifier(key, "idempotency_key", longest=KEY_LENGTH)
        # A repeat has its first answer also where nothing new is taken any more.
        if not target.active and (key is None or not self._repeated(meter, key)):
            raise archived(meter)
        if draft.properties is None:
            meta, quantity = draft.metadata, quantity_of(draft.quantity, meter, metric, "quantity")
        else:
            meta, quantity = _properties(draft, draft.properties, meter, metric)
        if not quantity:
            check_quantity(quantity, metric)
        if metric.needs_property:
            check_property(meta, meter, metric)
        external_id = draft.customer_external_id
        if external_id is not None and draft.customer_id is None:
            pk = self._customer_pk(external_id)
        else:
            pk, external_id = self._customer(draft)
        sent = draft.timestamp
        timestamp = self._now if sent is None else check_timestamp(sent, self._now, self._limits)
        return NewEvent(meter.pk, pk, external_id, timestamp, quantity, key, metadata_text(meta), target.rules)

    def _customer(self, draft: Draft) -> tuple[int, str]:
        """The customer of an event that does not name it by external id alone."""
        if draft.customer_id is None or draft.customer_external_id is not None:
            nobody = draft.customer_id is None
            raise (Malformed if nobody else RuleBroken)(
                "An event names its customer by either customer_external_id or customer_id, but "
                + ("none came." if nobody else "both came."),
                field="customer_external_id",
            )
        found = self._customer_by_id(draft.customer_id)
        if found is None:
            raise NotFound(f"No customer has the id {text.show(draft.customer_id)}.", field="customer_id")
        return found.pk, found.external_id

    def _customer_by_id(self, reference: str) -> Customer | None:
        # A batch of 10,000 that name nobody would ask for ten seconds, one by one.
        if len(self._drafts) <= _FEW:
            return self._catalog.customer(reference)
        if self._by_id is None:
            named = [draft.customer_id for draft in self._drafts if draft.customer_id is not None]
            self._by_id = self._store.customers.find_many(name for name in named if "\0" not in name)
        return self._by_id.get(reference)

    def _repeated(self, meter: Meter, key: str) -> bool:
        """Whether an event of the meter holds the key."""
        if len(self._drafts) <= _FEW:
            return self._store.events.find_key(meter.pk, key) is not None
        if meter.pk not in self._repeats:
            keys = [draft.idempotency_key for draft in self._drafts if draft.idempotency_key is not None]
            self._repeats[meter.pk] = self._store.events.known_keys(meter.pk, (k for k in keys if "\0" not in k))
        return key in self._repeats[meter.pk]


def find_meter(called: Callable[[str], Meter | None], reference: _Reference) -> Meter:
    """The meter of a (meter_token, meter_id, meter_name) of which one is given, by what looks it up; raises Malformed
    (none is given), RuleBroken (several) or NotFound.
    """
    given = [(name, value) for name, value in zip(_METER_NAMES, reference, strict=True) if value is not None]
    if len(given) != 1:
        raise (RuleBroken if given else Malformed)(
            f"An event names its meter by one of meter_token, meter_id or meter_name, but {len(given)} came.",
            field="meter_token",
        )
    ((field, value),) = given
    found = called(value)
    if found is None or value not in (found.meter_token, found.id, found.meter_name):
        raise NotFound(f"No meter has the {field} {text.show(value)}.", field=field)
    return found


def archived(meter: Meter) -> RuleBroken:
    """The refusal of an event on an archived meter."""
    return RuleBroken(f"The meter {meter.meter_name} is archived and takes no events.", field="meter")


def check_timestamp(sent: str, now: int, limits: Limits) -> int:
    """When it happened; refuses what lies before 1970 or too far ahead."""
    instant = parse_instant(sent)
    if instant < 0:
        raise RuleBroken(f"timestamp is in 1970 or later, but {text.show(sent)} came.", field="timestamp")
    if instant > now + limits.max_future:
        hours = limits.max_future / 3_600_000_000
        raise RuleBroken(
            f"timestamp is at most {hours:g} hours ahead of the server's clock ({rfc3339(now)}), "
            f"but {text.show(sent)} came.",
            field="timestamp",
        )
    return instant


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


def quantity_of(raw: Raw, meter: Meter, metric: Metric, field: str) -> int:
    """A JSON text is exact, a JSON number is rounded to the meter's places; none means one where things are counted."""
    token = bytes(raw)
    if not token or token == b"null":
        if metric.counts_things:
            return int(10**meter.decimals)
        raise Malformed(f'{field} is missing; it is a decimal such as "1.5".', field=field)
    if token[0] != _QUOTE:
        return amounts.scale_json_number(token.decode(errors="replace"), meter.decimals, field=field)
    # Digits between quotes stand for themselves; whatever else the text is, is read as JSON first.
    short = amounts.short_scaled(token[1:-1].decode(errors="replace"), meter.decimals)
    return amounts.scale_text(decode_value(raw, field), meter.decimals, field=field) if short is None else short


def _properties(draft: Draft, sent: Mapping[str, Raw], meter: Meter, metric: Metric) -> tuple[dict[str, Any], int]:
    """The metadata and scaled quantity of an event that carries both in its properties."""
    if draft.quantity is not ABSENT or draft.metadata is not None:
        raise RuleBroken("An event has either properties or quantity and metadata, not both.", field="properties")
    if len(sent) > METADATA_KEYS + 1:
        # Before each of them is decoded.
        raise RuleBroken(f"properties has at most {METADATA_KEYS + 1} keys, but {len(sent)} came.", field="properties")
    rest = dict(sent)
    field = "quantity"
    raw = ABSENT
    if meter.property_name and not metric.needs_property:
        field = f"properties.{meter.property_name}"
        raw = rest.pop(meter.property_name, ABSENT)
    meta = {key: decode_value(value, f"properties.{text.show(key)[1:-1]}") for key, value in rest.items()}
    return meta, quantity_of(raw, meter, metric, field)
