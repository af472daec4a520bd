"""One meter: what it came to and how that moved, by what it is told apart, who used it, its last events, how to send
one, and what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from flask import Response, render_template, request

from fluxrate.core.answers import Group, Usage
from fluxrate.core.errors import FluxrateError
from fluxrate.core.model import Meter, Number
from fluxrate.core.query import META, Query
from fluxrate.http.auth import page_access
from fluxrate.http.parameters import meter_of
from fluxrate.plugin import services
from fluxrate.web import fragments, trends
from fluxrate.web.links import WINDOW
from fluxrate.web.meters import has_events
from fluxrate.web.read import lenient, unclear
from fluxrate.web.snippets import snippets
from fluxrate.web.window_bar import window_bar

PARAMETERS = (*WINDOW, "group_by", "breakdown")
TOP = 10
RECENT = 10


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


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A meter told apart by one metadata key, or the sentence why it cannot be."""

    key: str | None
    parts: tuple[Part, ...] = ()
    failed: str | None = None


@page_access
def page(meter: str) -> Response:
    """`GET /meters/<meter>`."""
    parts, now, args = services(), services().clock(), request.args.to_dict()
    found = meter_of(meter)
    query, errors = lenient(args, now)
    errors |= unclear(request.args, PARAMETERS)
    groups = trends.offered(query.window)
    group = query.group_by if query.group_by in groups else trends.fitting(query.window)
    usage = parts.engine.usage(found, replace(query, group_by=group, fill="zero"))
    # Everything below is as of the same sequence, so that the parts of the page agree with each other.
    whole = replace(query, group_by=None, as_of=usage.as_of)
    earlier = replace(whole, window=trends.before(query.window, now))
    keys = parts.engine.metadata_keys(found)
    metric = parts.registry.metrics.all.get(found.aggregation_type)
    html = render_template(
        "meter.html",
        meter=found,
        usage=usage,
        before=parts.engine.usage(found, earlier),
        stats=parts.engine.stats(found, query.window.zone, now),
        group=group,
        groups=groups if group in groups else (*groups, group),
        keys=keys,
        breakdown=_breakdown(found, whole, keys, args.get("breakdown", "").removeprefix(META)),
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


def _breakdown(meter: Meter, whole: Query, keys: tuple[str, ...], wanted: str) -> Breakdown:
    key = wanted or (keys[0] if keys else None)
    if key is None:
        return Breakdown(None)
    try:
        usage = services().engine.usage(meter, replace(whole, breakdown=(META + key,), limit=TOP))
    except FluxrateError as error:
        return Breakdown(key, failed=error.detail)
    return Breakdown(key, tuple(_parts(usage)))


def _parts(usage: Usage) -> list[Part]:
    metric = services().registry.metrics.all[usage.metric]
    groups: tuple[Group, ...] = usage.breakdown or ()
    largest = max((Fraction(group.usage or 0) for group in groups), default=Fraction(0))
    return [
        Part(
            value=None if group.key is None else group.key[0][1],
            rest=group.key is None,
            usage=group.usage,
            events=group.event_count,
            bar=_fraction(group.usage, largest),
            share=_fraction(group.usage, Fraction(usage.total)) if metric.additive and usage.total else None,
        )
        for group in groups
    ]


def _fraction(part: Number | None, whole: Fraction) -> Decimal:
    if part is None or whole <= 0:
        return Decimal(0)
    return Decimal(round(Fraction(part) / whole * 10**6)).scaleb(-6)
