"""Additive Holt-Winters smoothing with a damped trend, for many settings of its parameters at once.

Level, trend and season follow each value y by its one-step error e = y - (level + damping * trend + season):

    level  <- level + damping * trend + alpha * e
    trend  <- damping * trend + alpha * beta * e
    season <- season + gamma * (y - level before - damping * trend before - season)

and the forecast h steps ahead is level + (damping + damping^2 + ... + damping^h) * trend + the season of that step.
One pass over the series serves every setting of the grid, and every moment of the past as well: what had the least
squared one-step error until then is what one would have chosen then. (A search for the minimum would have to be run
again at each moment; the grid costs a few milliseconds for all of them.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ALPHAS = (0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8)
_BETAS = (0.02, 0.05, 0.1)
_GAMMAS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_DAMPINGS = (0.9, 0.98)
"""No damping of 1: a trend that never ends is wrong some time."""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """Parameters as columns, one row a setting; a damping of 0 is no trend."""

    alpha: Floats
    beta: Floats
    gamma: Floats
    damping: Floats

    @classmethod
    def of(cls, rows: list[tuple[float, float, float, float]]) -> Settings:
        """From rows of alpha, beta, gamma, damping."""
        return cls(*np.array(rows, np.float64).T)


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The state before the first value; `season` has that of each of the first steps."""

    level: float
    trend: float
    season: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """The states of every setting: row t is the one after t values; of `seasons`, row t is the season of step t."""

    settings: Settings
    levels: Floats
    trends: Floats
    seasons: Floats
    errors: Floats
    """One-step errors, a row for each value."""

    def ahead(self, origins: Ints, chosen: Ints, horizon: int) -> Floats:
        """Forecasts made after so many values, each by one setting: a row an origin, a column a step."""
        season = len(self.seasons) - len(self.errors)
        steps = np.arange(horizon)
        damping = self.settings.damping[chosen][:, None]
        grown = np.cumsum(damping ** (steps + 1), axis=1) * self.trends[origins, chosen][:, None]
        seasons = self.seasons[origins[:, None] + steps % season, chosen[:, None]]
        found: Floats = self.levels[origins, chosen][:, None] + grown + seasons
        return found

    def best(self, origins: Ints, first: int) -> Ints:
        """For each origin the setting with the least squared one-step error, from step `first` until then."""
        squared = np.square(self.errors)
        squared[:first] = 0
        found: Ints = np.argmin(np.cumsum(squared, axis=0)[origins - 1], axis=1)
        return found


def grid(season: int) -> Settings:
    """The settings that are tried; a season of one step is none, and nothing is fitted to it."""
    trends = [(0.0, 0.0), *product(_BETAS, _DAMPINGS)]
    gammas = _GAMMAS if season > 1 else (0.0,)
    return Settings.of([(a, b, g, d) for a, (b, d), g in product(_ALPHAS, trends, gammas)])


def start(values: Floats, season: int) -> Start:
    """The state from the first two seasons: their mean line, and how far each step lies from it on average."""
    if season == 1:
        return Start(float(values[0]), 0.0, np.zeros(1))
    first, second = values[:season].mean(), values[season : 2 * season].mean()
    trend = (second - first) / season
    line = first + trend * (np.arange(2 * season) - (season - 1) / 2)
    apart = (values[: 2 * season] - line).reshape(2, season).mean(axis=0)
    return Start(float(first - trend * (season + 1) / 2), float(trend), apart - apart.mean())


def smooth(values: Floats, begin: Start, settings: Settings) -> Smoothed:
    """Follow the values with every setting."""
    count, width, season = len(values), len(settings.alpha), len(begin.season)
    levels, trends = np.empty((count + 1, width)), np.empty((count + 1, width))
    seasons, errors = np.empty((count + season, width)), np.empty((count, width))
    levels[0], trends[0], seasons[:season] = begin.level, begin.trend, begin.season[:, None]
    quick = settings.alpha * settings.beta
    for t, value in enumerate(values.tolist()):
        grown = settings.damping * trends[t]
        base = levels[t] + grown
        off = value - base - seasons[t]
        errors[t] = off
        levels[t + 1] = base + settings.alpha * off
        trends[t + 1] = grown + quick * off
        seasons[t + season] = seasons[t] + settings.gamma * off
    return Smoothed(settings, levels, trends, seasons, errors)
