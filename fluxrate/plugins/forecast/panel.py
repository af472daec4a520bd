"""The panel "Usage forecast": the selected meter's last weeks and what lies ahead, with the method and its error.

It begins now whatever window the page shows, since what lies ahead does not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fluxrate.core.answers import Bucket
from fluxrate.core.calendar import Window
from fluxrate.core.errors import RuleBroken
from fluxrate.core.forecast.backtest import LEVEL
from fluxrate.core.forecast.reading import GROUPINGS, Forecast, forecast
from fluxrate.core.model import Number
from fluxrate.plugin import Panel, PanelContext

SHOWN = 2
"""Of history as many buckets as lie ahead, times this."""
NAMES = {
    "holt_winters": "Holt-Winters",
    "seasonal_naive": "seasonal naive",
    "exponential_smoothing": "exponential smoothing",
    "naive": "the last value",
    "mean": "the mean of all",
}


def usage_forecast(context: PanelContext) -> Mapping[str, Any] | None:
    """The selected meter by the page's grouping where that can be forecast, else by day."""
    meter, parts = context.meter, context.services
    if meter is None:
        return None
    now, zone = parts.clock(), context.query.window.zone
    group = context.query.group_by if context.query.group_by in GROUPINGS else "day"
    query = replace(context.query, window=Window(now - 1, now, zone), group_by=group)
    metric = parts.registry.metrics.get(meter.aggregation_type)
    try:
        found = forecast(parts.engine, meter, metric, query, now)
    except RuleBroken as why:
        return {"meter": meter, "refused": why.detail}
    shown = found.history[-SHOWN * len(found.steps) :]
    ahead = tuple(Bucket(step.start, step.end, step.label, step.usage, 0) for step in found.steps)
    return {
        "meter": meter,
        "refused": None,
        "found": found,
        "buckets": shown + ahead,
        "bands": _bands(found, len(shown)),
        "of": GROUPINGS[group].of,
        "level": f"{LEVEL:.0%}",
        "names": NAMES,
        "mase": None if found.mase is None else f"{found.mase:.2f}",
        "naive": _mase_of(found, "seasonal_naive") or _mase_of(found, "naive"),
    }


def _bands(found: Forecast, before: int) -> list[tuple[Number, Number] | None]:
    """The interval of each bucket that is drawn; it opens at the last one of history, which is known."""
    known = found.history[-1].usage
    opening = [None] * (before - 1) + [None if known is None else (known, known)]
    steps = [None if step.lower is None or step.upper is None else (step.lower, step.upper) for step in found.steps]
    return [*opening, *steps]


def _mase_of(found: Forecast, method: str) -> tuple[str, str] | None:
    """Another method to compare the error with: its name and its error."""
    for one in found.tried:
        if one.method == method != found.method and one.mase is not None:
            return NAMES[method], f"{one.mase:.2f}"
    return None


panel = Panel("usage_forecast", "Usage forecast", "forecast/panel.html", usage_forecast, rank=35, height=445)
