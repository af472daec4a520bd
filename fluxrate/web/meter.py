"""One meter: what it came to and how that moved, by what it is told apart, who used it, its last events, how to send
one, and what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from flask import Response, render_template, request

from fluxrate.core import trends
from fluxrate.core.answers import Bucket, Group, Usage
from fluxrate.core.calendar import bucket_start
from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Meter, Number
from fluxrate.core.query import META, Query
from fluxrate.core.zones import DAY, HOUR
from fluxrate.http.auth import page_access
from fluxrate.http.parameters import meter_of
from fluxrate.plugin import services
from fluxrate.web import fragments
from fluxrate.web.bars import Series
from fluxrate.web.links import WINDOW
from fluxrate.web.meters import has_events
from fluxrate.web.read import lenient, unclear
from fluxrate.web.snippets import snippets
from fluxrate.web.window_bar import window_bar

PARAMETERS = (*WINDOW, "group_by", "breakdown")
TOP = 10
TOLD = 8
"""Values of a key that are told apart: as many as there are colours."""
RECENT = 10
WITHIN_NEXT = {"day": 36 * HOUR, "week": 10 * DAY, "month": 45 * DAY}
"""From the start of each a length that ends within the next one."""


@dataclass(frozen=True, slots=True)
class Part:
    """One row of a breakdown: `value` None where events lack the key, `rest` for all that is not told apart.

    `bar` is a fraction of the largest row, for drawing; `share` of the whole, where shares mean something.
    """

    value: str | None
    rest: bool
    usage: Number | None
    events: int
    bar: Decimal
    share: Decimal | None
    buckets: tuple[Bucket, ...]

    @property
    def name(self) -> str:
        """What the row is called."""
        if self.rest:
            return "All others"
        return "Without it" if self.value is None else self.value


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A meter told apart by one metadata key, or the sentence why it cannot be.

    `usage` has the buckets of `group`; `stacked` says whether bars can stand on each other, because they add up.
    """

    key: str | None
    usage: Usage | None = None
    group: str = ""
    parts: tuple[Part, ...] = ()
    stacked: bool = False
    failed: str | None = None

    @property
    def series(self) -> list[Series]:
        """The parts as they are drawn."""
        return [Series(part.name, [bucket.usage for bucket in part.buckets], other=part.rest) for part in self.parts]


@page_access
def page(meter: str) -> Response:
    """`GET /meters/<meter>`."""
    parts, now, args = services(), services().clock(), request.args.to_dict()
    found = meter_of(meter)
    query, errors = lenient(args, now)
    errors |= unclear(request.args, PARAMETERS)
    group, groups = trends.chosen(query.window, query.group_by)
    # Everything is as of the same sequence, so that the parts of the page agree with each other and with the log.
    whole = replace(query, group_by=None, as_of=parts.engine.as_of())
    keys = parts.engine.metadata_keys(found)
    metric = parts.registry.metrics.all.get(found.aggregation_type)
    html = render_template(
        "meter.html",
        meter=found,
        compared=trends.compare(parts.engine, found, replace(whole, group_by=group), now),
        stats=parts.engine.stats(found, query.window.zone, now, whole.as_of),
        running={group: _around(now, group, query.window.zone) for group in WITHIN_NEXT},
        group=group,
        groups=groups,
        keys=keys,
        breakdown=_breakdown(found, whole, group, keys, args.get("breakdown", "").removeprefix(META)),
        ranking=parts.engine.ranking(found, whole, TOP),
        recent=parts.engine.log((found,), whole, page_size=RECENT),
        snippets=snippets(found, metric, request.host_url),
        fixed=has_events(found),
        bar=window_bar(query.window, args, now),
        args=args,
        errors=errors,
        now=now,
        zone=query.window.zone,
    )
    return fragments.answer(html, status=422 if errors else 200)


def _around(now: int, group: str, zone: str) -> tuple[int, int]:
    """The calendar day, week or month that holds `now`."""
    start = bucket_start(now, group, zone)
    return start, bucket_start(start + WITHIN_NEXT[group], group, zone)


def _breakdown(meter: Meter, whole: Query, group: str, keys: tuple[str, ...], wanted: str) -> Breakdown:
    key = wanted or (keys[0] if keys else None)
    if key is None:
        return Breakdown(None)
    group = trends.for_bars(whole.window, group)
    query = replace(whole, group_by=group, fill="zero", breakdown=(META + key,), limit=TOLD)
    try:
        usage = services().engine.usage(meter, query)
    except FluxrateError as error:
        return Breakdown(key, failed=error.detail)
    stacked = services().registry.metrics.all[usage.metric].additive
    return Breakdown(key, usage, group, tuple(_parts(usage, stacked)), stacked)


def _parts(usage: Usage, additive: bool) -> list[Part]:
    groups: tuple[Group, ...] = usage.breakdown or ()
    largest = max((Fraction(group.usage or 0) for group in groups), default=Fraction(0))
    return [
        Part(
            value=None if group.key is None else group.key[0][1],
            rest=group.key is None,
            usage=group.usage,
            events=group.event_count,
            bar=_fraction(group.usage, largest),
            share=_fraction(group.usage, Fraction(usage.total)) if additive and usage.total else None,
            buckets=group.buckets,
        )
        for group in groups
    ]


def _fraction(part: Number | None, whole: Fraction) -> Decimal:
    if part is None or whole <= 0:
        return Decimal(0)
    return Decimal(round(Fraction(part) / whole * 10**6)).scaleb(-6)
