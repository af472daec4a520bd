"""A forecast as the API writes it, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response

from fluxrate.core.calendar import Window
from fluxrate.core.forecast.backtest import LEVEL
from fluxrate.core.forecast.reading import Forecast, Step
from fluxrate.http.sheets import Cell, sheet

_COLUMNS = ("period", "usage", "lower", "upper")


def forecast_shape(found: Forecast) -> dict[str, Any]:
    """What lies ahead, how it was made and how sure it is."""
    return {
        "meter_id": found.meter.id,
        "aggregation_type": found.meter.aggregation_type,
        "group_by": found.group,
        "timezone": found.zone,
        "as_of": found.as_of,
        **_period(found.window),
        "method": found.method,
        "season": found.season,
        "interval": LEVEL,
        "backtest": {
            "mase": found.mase,
            "mae": found.mae,
            "origins": found.origins,
            "horizon": found.tested_horizon,
            "methods": [{"method": one.method, "mase": one.mase} for one in found.tried],
        },
        "history": {**_period(found.history_window), "buckets": len(found.history)},
        "total_usage": found.total,
        "total_lower": found.total_lower,
        "total_upper": found.total_upper,
        "grouped_data": [dict(zip(_COLUMNS, _step(step), strict=True)) for step in found.steps],
    }


def forecast_table(found: Forecast) -> Response:
    """A row for each bucket ahead."""
    rows: Iterator[list[Cell]] = ([*_step(step), found.method] for step in found.steps)
    name = f"{found.meter.meter_name}-forecast-{found.window.period_start[:10]}-to-{found.window.period_end[:10]}"
    return sheet(name, [*_COLUMNS, "method"], rows, as_of=found.as_of)


def _step(step: Step) -> list[Cell]:
    return [step.label, step.usage, step.lower, step.upper]


def _period(window: Window) -> dict[str, str]:
    return {"period_start": window.period_start, "period_end": window.period_end}
