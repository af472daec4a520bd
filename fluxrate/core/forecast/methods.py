"""The methods of a forecast, all asked alike: what each would have said at some moments of the past, or now.

`ahead(values, season, origins, horizon)` gives a row for each origin (how many values had been seen, from `needs` on)
and a column for each step ahead; nothing after an origin is read for its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fluxrate.core.forecast.smoothing import Floats, Ints, grid, smooth, start

Ahead = Callable[[Floats, int, Ints, int], Floats]

_SEEN = 8
"""Values from which exponential smoothing can be fitted."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method's name, the values it needs before it says anything, and what it says."""

    name: str
    needs: Callable[[int], int]
    ahead: Ahead
    seasonal: bool = False


def _mean(values: Floats, season: int, origins: Ints, horizon: int) -> Floats:
    means = np.cumsum(values)[origins - 1] / origins
    return np.repeat(means[:, None], horizon, axis=1)


def _naive(values: Floats, season: int, origins: Ints, horizon: int) -> Floats:
    return np.repeat(values[origins - 1][:, None], horizon, axis=1)


def _seasonal_naive(values: Floats, season: int, origins: Ints, horizon: int) -> Floats:
    found: Floats = values[(origins - season)[:, None] + np.arange(horizon) % season]
    return found


def _exponential_smoothing(values: Floats, season: int, origins: Ints, horizon: int) -> Floats:
    return _smoothed(values, 1, origins, horizon)


def _smoothed(values: Floats, season: int, origins: Ints, horizon: int) -> Floats:
    found = smooth(values, start(values, season), grid(season))
    # The values that the first state was made of are no test of it.
    first = 2 * season if season > 1 else 1
    return found.ahead(origins, found.best(origins, first), horizon)


METHODS = (
    Method("holt_winters", lambda season: 3 * season, _smoothed, seasonal=True),
    Method("seasonal_naive", lambda season: season, _seasonal_naive, seasonal=True),
    Method("exponential_smoothing", lambda season: _SEEN, _exponential_smoothing),
    Method("naive", lambda season: 1, _naive),
    Method("mean", lambda season: 1, _mean),
)
"""Smoothing with a season, the value a season before, smoothing without a season, the last value, the mean of all: in
the order in which they are taken unless another one is clearly better.
"""
