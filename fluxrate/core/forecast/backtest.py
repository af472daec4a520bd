"""Which method suits a series, and how far off it was: a rolling-origin backtest.

Each method is asked what it would have said at up to ORIGINS moments of the past, knowing nothing of what came after,
and its errors are what it said less what came, over all of these moments and steps ahead. Holt-Winters is taken where
there is enough history to try it, else the next of METHODS; or whichever has the least mean absolute error, if that is
less by CLEARLY. (To take the least one always was weighed: the moments overlap, so it changes from one method to the
other by chance, and on real flights was worse than either of them.) The error is given in the series' own unit (MAE)
and scaled,

    MASE = MAE / mean of |y[t] - y[t - lag]| over the values before the first of these moments,

where the lag is the season, or 1 where two seasons had not passed by then. Below 1 it is better than saying "as a
season ago" one step ahead was in the past.

The interval of a step is the forecast plus or minus the radius within which LEVEL of the absolute errors at that step
lay (the error of rank ceil(LEVEL * (origins + 1)), as split conformal prediction has it). Steps beyond those that could
be tested have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fluxrate.core.forecast.methods import METHODS, Method
from fluxrate.core.forecast.smoothing import Floats

ORIGINS = 50
"""Moments of the past at most: with seven days ahead they lie within eight weeks."""
LEVEL = 0.8
CLEARLY = 0.2
"""By what part of it the error of the method that comes first has to be undercut."""
LEAST = 8
"""Values beyond what a method needs, without which it is not tested."""


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """One method's errors in the backtest: the mean absolute one, and the same scaled (None where nothing varied)."""

    method: Method
    mae: float
    mase: float | None
    errors: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What lies ahead by the method that was taken, and all that were tried, the one with the least error first.

    `radii` has how far off each step may be, None where that was not tested; `total_radius` the same of all steps
    together. Without a backtest (`origins` 0) nothing was tried.
    """

    method: Method
    points: Floats
    radii: tuple[float | None, ...]
    total_radius: float | None
    origins: int
    horizon: int
    tested: tuple[Tested, ...] = ()


def outlook(values: Floats, season: int, horizon: int) -> Outlook:
    """So many steps ahead of the values (at least one); a season of one step is none."""
    usable = [method for method in METHODS if season > 1 or not method.seasonal]
    tried = [method for method in usable if len(values) - method.needs(season) >= LEAST]
    if not tried:
        return _untested(values, season, horizon, usable)
    first = max(method.needs(season) for method in tried)
    depth = min(horizon, (len(values) - first) // 2)
    origins = np.arange(max(first, len(values) - depth + 1 - ORIGINS), len(values) - depth + 1)
    truth = values[origins[:, None] + np.arange(depth)]
    scale = _scale(values[: origins[0]], season)
    now = np.append(origins, len(values))
    points, found = {}, []
    for method in tried:
        said = np.maximum(method.ahead(values, season, now, horizon), 0)
        points[method.name], errors = said[-1], said[:-1, :depth] - truth
        mae = float(np.abs(errors).mean())
        found.append(Tested(method, mae, mae / scale if scale else None, errors))
    best = _taken(found)
    found.sort(key=lambda one: one.mae)
    radii = [_radius(best.errors[:, step]) for step in range(depth)]
    whole = _radius(best.errors.sum(axis=1)) if depth == horizon else None
    rest = [None] * (horizon - depth)
    return Outlook(best.method, points[best.method.name], (*radii, *rest), whole, len(origins), depth, tuple(found))


def _taken(found: list[Tested]) -> Tested:
    """Of the methods in their order the first, unless another one is clearly better."""
    least = min(found, key=lambda one: one.mae)
    return least if least.mae < (1 - CLEARLY) * found[0].mae else found[0]


def _untested(values: Floats, season: int, horizon: int, usable: list[Method]) -> Outlook:
    """Too few values to try anything: as a season ago where one has passed, else their mean."""
    by_name = {method.name: method for method in usable}
    seasonal = by_name.get("seasonal_naive")
    method = seasonal if seasonal is not None and len(values) >= season else by_name["mean"]
    points = np.maximum(method.ahead(values, season, np.array([len(values)]), horizon)[0], 0)
    return Outlook(method, points, (None,) * horizon, None, 0, 0)


def _scale(values: Floats, season: int) -> float:
    lag = season if len(values) >= 2 * season else 1
    return float(np.abs(values[lag:] - values[:-lag]).mean()) if len(values) > lag else 0.0


def _radius(errors: Floats) -> float | None:
    rank = math.ceil(LEVEL * (len(errors) + 1))
    return float(np.sort(np.abs(errors))[rank - 1]) if rank <= len(errors) else None
