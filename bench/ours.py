"""Fluxrate as a contender: a real instance, asked through its engine.

`fill` makes an instance as the server would have it: meter, customers and events in the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.answers import OTHERS, Answer
from bench.contenders import Contender, Plan
from bench.events import DAY, DECIMALS, ENDPOINTS, HOUR, REGIONS, USERS, YEAR_END, Events
from bench.questions import PAGE_SIZE, TOP, Kind, Question
from fluxrate import __version__
from fluxrate.app import command_services
from fluxrate.config import load_config
from fluxrate.core import meters
from fluxrate.core.answers import Bucket, Group, LogPage, Ranking, Usage
from fluxrate.core.calendar import Window
from fluxrate.core.model import Meter, NewEvent, Number
from fluxrate.core.query import Query
from fluxrate.core.services import Services
from fluxrate.core.store import customers as store_customers

METER = "requests"
ENDPOINT_NAMES = tuple(f"/v1/endpoint-{code:03d}" for code in range(ENDPOINTS))
USER_NAMES = tuple(f"user-{code:05d}" for code in range(USERS))

_ARRIVED = YEAR_END
_BATCH = 50_000
_GROUPS = {0: None, HOUR: "hour", DAY: "day"}
_KEYS = {"region": REGIONS, "endpoint": ENDPOINT_NAMES}
_CODES = {key: {name: code for code, name in enumerate(names)} for key, names in _KEYS.items()}


def external_id(code: int) -> str:
    """What a customer is called."""
    return f"customer-{code:06d}"


def open_instance(folder: Path, url: str = "") -> Services:
    """The parts of a server on this folder, its columns not loaded yet."""
    settings = {"DATABASE_URL": url} if url else {}
    return command_services(load_config(str(folder), settings, environ={}))


def catalogue(parts: Services, customers: int) -> tuple[Meter, list[int]]:
    """Store a meter and its customers; gives the customers' keys in the order of their codes."""
    meter = meters.create(
        parts.store,
        parts.registry.metrics,
        {"meter_name": METER, "aggregation_type": "SUM", "decimals": DECIMALS},
        _ARRIVED,
    )
    names = [external_id(code) for code in range(customers)]
    with parts.store.write() as connection:
        store_customers.add(connection, names, _ARRIVED)
    pks = parts.store.customers.pks_of(names)
    return meter, [pks[name] for name in names]


def fill(parts: Services, events: Events, customers: int, *, metadata: bool) -> None:
    """Store a meter, its customers and its events, in the order of arrival and in batches."""
    meter, known = catalogue(parts, customers)
    for batch in _batches(events.by_arrival()):
        parts.store.events.append(list(_new_events(batch, meter, known, metadata=metadata)), _ARRIVED)


class Ours(Contender):
    """An instance whose columns are loaded."""

    name = "Fluxrate"
    version = __version__

    def __init__(self, parts: Services, meter: Meter) -> None:
        self.parts, self.meter, self.engine = parts, meter, parts.engine

    def plan(self, question: Question) -> Plan:
        """One call of the engine."""
        engine, query = self.engine, _query(question)
        if question.kind is Kind.RANKING:
            return lambda: engine.ranking(self.meter, query, TOP)
        if question.kind is Kind.LOG:
            return lambda: engine.log([self.meter], query, page=question.page, page_size=PAGE_SIZE)
        metric = self.parts.registry.metrics.get(question.metric, field="metric")
        return lambda: engine.usage(self.meter, query, metric)

    def answer(self, question: Question, found: Any) -> Answer:
        """The engine's answer as integers."""
        if isinstance(found, Ranking):
            return {("rank", row.rank): (_code(row.customer.external_id), *_figures(row)) for row in found.rows}
        if isinstance(found, LogPage):
            return _log(found)
        if question.key:
            return _groups(question, found)
        return _usage(question, found)

    def add(self, events: Events) -> None:
        """Store the events, durably, and have the columns take them in."""
        self.store(events)
        self.parts.live.current()

    def store(self, events: Events) -> None:
        """Only store them, as ingestion does."""
        found = self.parts.store.customers.pks_of(sorted({external_id(code) for code in events.customer.tolist()}))
        known = {_code(name): pk for name, pk in found.items()}
        self.parts.ingest.store(list(_new_events(events.by_arrival(), self.meter, known, metadata=True)))

    def close(self) -> None:
        """Let go of the store; nothing is saved."""
        self.parts.store.close()


def _batches(events: Events) -> Iterator[Events]:
    for start in range(0, len(events), _BATCH):
        yield events.take(slice(start, start + _BATCH))


def _new_events(events: Events, meter: Meter, customer_pks: Any, *, metadata: bool) -> Iterator[NewEvent]:
    columns = (events.ts, events.quantity, events.customer, events.region, events.endpoint, events.user)
    for ts, quantity, customer, region, endpoint, user in zip(*(column.tolist() for column in columns), strict=True):
        meta = (
            f'{{"region":"{REGIONS[region]}","endpoint":"{ENDPOINT_NAMES[endpoint]}","user_id":"{USER_NAMES[user]}"}}'
        )
        yield NewEvent(meter.pk, customer_pks[customer], "", ts, quantity, None, meta if metadata else None)


def _query(question: Question) -> Query:
    decimals = Decimal(1).scaleb(-DECIMALS)
    least = question.min_quantity
    return Query(
        Window(question.start, question.end, "UTC"),
        group_by=_GROUPS[question.step],
        customers=() if question.customer is None else (external_id(question.customer),),
        min_quantity=None if least is None else least * decimals,
        meta=_meta(question),
        as_of=question.as_of,
        fill="none",
        breakdown=(f"meta.{question.key}",) if question.key else (),
        limit=TOP,
        unique=question.distinct == "bucket",
    )


def _meta(question: Question) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if question.where is None:
        return ()
    key, code = question.where
    return ((key, (_KEYS[key][code],)),)


def _usage(question: Question, found: Usage) -> Answer:
    customers = (found.unique_customers,) if question.distinct == "window" else ()
    answer: Answer = {("window",): (_amount(question, found.total), found.event_count, *customers)}
    for bucket in found.buckets:
        mine = (int(bucket.unique_customers or 0),) if question.distinct == "bucket" else ()
        answer["bucket", _number(question, bucket)] = (_amount(question, bucket.usage), bucket.event_count, *mine)
    return answer


def _groups(question: Question, found: Usage) -> Answer:
    answer: Answer = {}
    for group in found.breakdown or ():
        code = _group_code(question, group)
        answer["group", code] = _figures(group)
        for bucket in group.buckets:
            answer["group", code, _number(question, bucket)] = _figures(bucket)
    return answer


def _group_code(question: Question, group: Group) -> int:
    if group.key is None:
        return OTHERS
    ((_, name),) = group.key
    return _CODES[str(question.key)][str(name)]


def _log(found: LogPage) -> Answer:
    answer: Answer = {("total",): (found.total,)}
    for place, row in enumerate(found.rows):
        event = row.event
        answer["row", place] = (event.seq, event.timestamp, _code(row.customer.external_id), event.quantity)
    return answer


def _figures(row: Any) -> tuple[int, int]:
    return _scaled(row.usage), row.event_count


def _amount(question: Question, value: Number | None) -> int:
    return int(value or 0) if question.metric == "UNIQUE_COUNT" else _scaled(value)


def _scaled(value: Number | None) -> int:
    return int(Decimal(value or 0).scaleb(DECIMALS))


def _number(question: Question, bucket: Bucket) -> int:
    return bucket.start // (question.step or question.end)


def _code(customer: str) -> int:
    return int(customer.rpartition("-")[2])
