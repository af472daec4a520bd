"""Random questions made of what a live store holds: its meters, times, customers, quantities and metadata.

Windows are whole days, instants on and beside events, the newest hours, a whole life, and stretches with nothing in
them. The n-th question of a seed is the same as long as the store is.
"""

from __future__ import annotations

import random
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from fluxrate.core import amounts, calendar
from fluxrate.core.calendar import Window, rfc3339
from fluxrate.core.figures import MOST_PREFIXES
from fluxrate.core.model import Meter
from fluxrate.core.query import CUSTOMER, META, MOST_ROWS, ORDERS, Query
from fluxrate.core.store import Store
from fluxrate.core.store.audit import Audit, Life, Row
from fluxrate.core.verify import clock
from fluxrate.core.verify.questions import Question
from fluxrate.core.verify.tally import METRICS, texts

HOUR = 3_600 * clock.SECOND
DAY = 24 * HOUR

ZONES = (
    "America/New_York",
    "America/St_Johns",
    "America/Santiago",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
)
"""Clocks with a habit: midnights that are skipped or come twice, half hours, a day that never was."""

_ALL_ZONES = tuple(sorted(zoneinfo.available_timezones() - {"Factory"}))
_SHORTEST = {
    "minute": 60 * clock.SECOND,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
    "month": 28 * DAY,
    "quarter": 90 * DAY,
    "year": 365 * DAY,
}
_MOST_BUCKETS = 40_000
_DEEPEST = 20_000
"""The last row of a page that SQL does not cut itself."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """A window as it is asked for, and the local days it covers where it was asked for by dates."""

    window: Window
    dates: tuple[str, str]
    days: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes questions about the meters. `lives` has their events in all, as of when the questioner started."""

    store: Store
    audit: Audit
    meters: Sequence[Meter]
    lives: Mapping[int, Life]
    seed: int

    def ask(self, number: int, as_of: int) -> Question:
        """The question of this number (the first is 1), where the newest sequence is `as_of`.

        The first ones about each meter are not random: all that it ever added up, by year and then by customer, so that
        no quantity escapes.
        """
        # A generator of its own, so that one question can be asked again without those before it.
        rng = random.Random(f"{self.seed}/{number}")  # noqa: S311 (nothing secret)
        sweeps, place = divmod(number - 1, len(self.meters))
        meter = self.meters[place] if sweeps < 2 else rng.choice(self.meters)
        life = self.lives.get(meter.pk) or Life(0, 1, 1, meter.created_at, meter.created_at + 30 * DAY)
        draw = _Draw(self, rng, meter, life, as_of)
        if sweeps == 0:
            return draw.sweep("year")
        return draw.sweep(None, CUSTOMER) if sweeps == 1 else draw.question()


@dataclass(frozen=True, slots=True)
class _Draw:
    """One question in the making."""

    asker: Asker
    rng: random.Random
    meter: Meter
    life: Life
    as_of: int

    def sweep(self, group: str | None, *dimensions: str) -> Question:
        """All that the meter ever added up, in parts."""
        asked = self._between(self.life.first, self.life.last + 1, "UTC")
        query = Query(asked.window, group, breakdown=dimensions, limit=MOST_ROWS)
        # SQL would add up some of the buckets only.
        summed = group is None and _can_be_summed("usage", "SUM", (self.meter,), query)
        return Question("usage", (self.meter,), "SUM", query, asked.dates, None, (), summed, 1, 1, "desc")

    def question(self) -> Question:
        """A random question; one in ten is about a whole life by some metadata, and so sees every value of a key."""
        keys = self._keys() if self.rng.random() < 0.1 else []
        return self.sweep(None, self.rng.choice(keys)) if keys else self._random()

    def _random(self) -> Question:
        rng, own = self.rng, self.meter.aggregation_type
        kind = rng.choices(("usage", "ranking", "log"), (70, 12, 18))[0]
        if kind == "ranking" and own not in METRICS:
            kind = "usage"
        metric = own if own in METRICS and (kind != "usage" or rng.random() < 0.5) else rng.choice(METRICS)
        asked = self._window()
        query, pks = self._query(kind, asked)
        if metric == "UNIQUE_COUNT" and _most_buckets(query) > MOST_PREFIXES:
            query = replace(query, cumulative=False)
        meters = (self.meter, *self._others()) if kind == "log" and rng.random() < 0.25 else (self.meter,)
        summed = _can_be_summed(kind, metric, meters, query) and asked.days is None and rng.random() < 0.5
        page, page_size = self._page(deep=summed)
        order = rng.choice(ORDERS)
        return Question(kind, meters, metric, query, asked.dates, asked.days, pks, summed, page, page_size, order)

    def _query(self, kind: str, asked: Asked) -> tuple[Query, tuple[int, ...]]:
        rng = self.rng
        group = self._group(asked.window) if kind == "usage" else None
        customers = self._customers() if rng.random() < 0.25 else {}
        low, high = self._quantities() if kind == "log" and rng.random() < 0.4 else (None, None)
        query = Query(
            window=asked.window,
            group_by=group,
            customers=tuple(customers),
            min_quantity=low,
            max_quantity=high,
            meta=self._meta() if rng.random() < 0.2 else (),
            as_of=self._earlier() if rng.random() < 0.2 else None,
            fill="zero" if rng.random() < 0.8 else "none",
            limit=rng.choice((1, 5, 10, 1_000)),
            unique=group is not None and rng.random() < 0.3,
            cumulative=group is not None and rng.random() < 0.3,
        )
        if kind == "usage" and rng.random() < 0.25:
            query = replace(query, breakdown=self._breakdown(query))
        return query, tuple(customers.values())

    def _others(self) -> list[Meter]:
        others = [meter for meter in self.asker.meters if meter.pk != self.meter.pk]
        return self.rng.sample(others, self.rng.randint(0, len(others)))

    def _window(self) -> Asked:
        draw = self.rng.choices(
            (self._instants, self._dates, self._newest, self._whole, self._empty), (35, 30, 10, 18, 7)
        )[0]
        return draw(self._zone())

    def _zone(self) -> str:
        return self.rng.choice(("UTC", self.rng.choice(ZONES), self.rng.choice(ZONES), self.rng.choice(_ALL_ZONES)))

    def _instants(self, zone: str) -> Asked:
        rng, (_, _, _, first, last) = self.rng, self.life
        lengths = (last - first + HOUR).bit_length()
        start = self._instant()
        return self._between(start, start + 1 + rng.randrange(1 << rng.randint(lengths // 2, lengths)), zone)

    def _instant(self) -> int:
        """Anywhere in the life, or exactly at an event."""
        found = self._sample() if self.rng.random() < 0.5 else None
        return self.rng.randint(self.life.first, self.life.last) if found is None else found.timestamp

    def _dates(self, zone: str) -> Asked:
        rng = self.rng
        first = (_EPOCH + timedelta(microseconds=self._instant())).date() + timedelta(days=rng.randint(-1, 1))
        if rng.random() < 0.3:
            first = first.replace(day=1)
        last = first + timedelta(days=rng.choice((0, 0, 1, 6, 27, 30, 89, 364, rng.randint(0, 800))))
        dates = (first.isoformat(), last.isoformat())
        return Asked(calendar.parse_window(*dates, zone, self.meter.created_at), dates, (first, last))

    def _newest(self, zone: str) -> Asked:
        rng, last = self.rng, self.life.last
        return self._between(last - rng.choice((1, 6, 24, 48)) * HOUR, last + rng.choice((HOUR, 400 * DAY)), zone)

    def _whole(self, zone: str) -> Asked:
        # Up to the last event's own instant leaves out that event: the end of a window is open.
        return self._between(self.life.first, self.life.last + self.rng.choice((0, 1, 1, DAY)), zone)

    def _empty(self, zone: str) -> Asked:
        length = self.rng.randint(1, 400 * DAY)
        before, after = self.life.first, self.life.last + DAY
        start = self.rng.choice((before - length, after, self._instant() + 1))
        return self._between(start, start + (1 if before <= start < after else length), zone)

    def _between(self, start: int, end: int, zone: str) -> Asked:
        dates = (rfc3339(start), rfc3339(max(end, start + 1)))
        return Asked(calendar.parse_window(*dates, zone, self.meter.created_at), dates)

    def _group(self, window: Window) -> str | None:
        length = window.end - window.start
        return self.rng.choice(
            (None, None, *(group for group, least in _SHORTEST.items() if length // least < _MOST_BUCKETS))
        )

    def _sample(self) -> Row | None:
        """Some event of the meter; None when it has none yet."""
        if not self.life.events:
            return None
        return self.asker.audit.next(self.meter.pk, self.rng.randint(self.life.first_seq, self.life.last_seq))

    def _samples(self, most: int) -> list[Row]:
        return [found for _ in range(self.rng.randint(1, most)) if (found := self._sample()) is not None]

    def _customers(self) -> dict[str, int]:
        """Some customers with events: by what they are referred to, and their keys."""
        pks = {row.customer_pk for row in self._samples(3)}
        found = self.asker.store.customers.by_pks(pks).values()
        return {self.rng.choice((customer.id, customer.external_id)): customer.pk for customer in found}

    def _quantities(self) -> tuple[Decimal | None, Decimal | None]:
        """Bounds at and just beside quantities that occur."""
        found = sorted(self._bound(row.quantity) for row in self._samples(2))
        if len(found) == 2:
            return found[0], found[1]
        return self.rng.choice(((found[0], None), (None, found[0]))) if found else (None, None)

    def _bound(self, quantity: int) -> Decimal:
        beside = max(0, quantity + self.rng.choice((-1, 0, 0, 1)))
        # One place more than the meter has, so that some bounds lie between two quantities.
        half = self.rng.choice((0, 0, 5))
        return Decimal(amounts.to_text(beside * 10 + half, self.meter.decimals + 1))

    def _meta(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Filters by metadata that occurs, mostly."""
        metas = [texts(row.metadata) for row in self._samples(4)]
        keys = sorted({key for meta in metas for key in meta if key})
        wanted: dict[str, tuple[str, ...]] = {}
        for key in self.rng.sample(keys, min(len(keys), self.rng.choice((1, 1, 1, 2)))):
            values = {meta[key] for meta in metas if key in meta}
            wanted[key] = tuple(sorted(values | ({"no such value"} if self.rng.random() < 0.1 else set())))
        return tuple(sorted(wanted.items()))

    def _breakdown(self, query: Query) -> tuple[str, ...]:
        """One or two dimensions that occur; none where the answer would be too large."""
        rng = self.rng
        if (query.limit + 1) * _most_buckets(query) > _MOST_BUCKETS:
            return ()
        dimensions = [CUSTOMER, *self._keys()]
        return tuple(rng.sample(dimensions, min(len(dimensions), rng.choice((1, 1, 2)))))

    def _keys(self) -> list[str]:
        """What some event can be told apart by beside its customer."""
        sample = self._sample()
        found = texts(sample.metadata) if sample else {}
        return [META + key for key in sorted(found) if key not in ("", CUSTOMER)]

    def _earlier(self) -> int:
        """A sequence of the past: any, a recent one, or one beside a void."""
        rng = self.rng
        void = self.asker.audit.next_void(rng.randint(0, self.as_of))
        near = [] if void is None else [void, void - 1]
        return min(
            self.as_of, rng.choice((rng.randint(0, self.as_of), max(0, self.as_of - rng.randint(0, 100)), *near))
        )

    def _page(self, *, deep: bool) -> tuple[int, int]:
        """A page and its size: the first, any, or one beyond the end."""
        size = self.rng.choice((1, 20, 50, 1_000, 1_000))
        most = self.life.events if deep else min(self.life.events, _DEEPEST)
        return self.rng.choice((1, 1, self.rng.randint(1, max(1, most // size)), most // size + 2)), size


def _most_buckets(query: Query) -> int:
    """At least as many as the answer has."""
    length = query.window.end - query.window.start
    return length // _SHORTEST[query.group_by] + 2 if query.group_by else 1


def _can_be_summed(kind: str, metric: str, meters: Sequence[Meter], query: Query) -> bool:
    """Whether SQL can answer without a look into metadata, and in a few passes over the events."""
    if query.meta or query.cumulative or len(meters) > 1:
        return False
    if query.breakdown and (query.breakdown != (CUSTOMER,) or query.group_by or metric == "LAST"):
        return False
    if meters[0].filters or metric == "UNIQUE_COUNT":
        return False
    return not (kind == "ranking" and metric == "LAST")
