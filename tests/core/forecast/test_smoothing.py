"""Holt-Winters against statsmodels, and every moment of one pass against a pass that ends there."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from fluxrate.core.forecast.smoothing import Settings, grid, smooth, start


def series(seed: int, count: int, season: int) -> np.ndarray:
    """A line with a season, noise and a step."""
    rng = np.random.default_rng(seed)
    steps = np.arange(count)
    pattern = rng.uniform(-40, 40, season)[steps % season]
    return 200 + rng.uniform(-1, 1) * steps + pattern + rng.normal(0, 8, count) + 30 * (steps > count // 2)


def theirs(model: type, values: np.ndarray, season: int, **more: object):
    """A model of statsmodels that starts where ours does."""
    begin = start(values, season)
    given = {"initial_level": begin.level, "initial_seasonal": begin.season, "initialization_method": "known"}
    if more.get("trend"):
        given["initial_trend"] = begin.trend
    return model(values, seasonal="add", seasonal_periods=season, **given, **more)


@pytest.mark.parametrize("season", [7, 12])
@pytest.mark.parametrize(
    "row",
    [(0.3, 0.1, 0.2, 0.9), (0.01, 0.02, 0.02, 0.98), (0.8, 0.1, 0.5, 0.98), (0.45, 0.05, 0.1, 0.97), (0.2, 0, 0.3, 0)],
)
def test_given_parameters_give_what_statsmodels_gives(row, season):
    """Fitted values and squared errors of ExponentialSmoothing, and what lies ahead by the same model as an ETS.

    Not by ExponentialSmoothing as well: at the last step of each season its forecast has the season of a round before,
    without the last value.
    """
    alpha, beta, gamma, damping = row
    values, trend = series(season, 150, season), "add" if damping else None
    found = smooth(values, start(values, season), Settings.of([row]))
    fixed = {"smoothing_level": alpha, "smoothing_seasonal": gamma}
    if trend:
        fixed |= {"smoothing_trend": beta, "damping_trend": damping}
    fitted = theirs(ExponentialSmoothing, values, season, trend=trend, damped_trend=bool(trend)).fit(
        optimized=False, **fixed
    )
    np.testing.assert_allclose(values - found.errors[:, 0], fitted.fittedvalues, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.square(found.errors).sum(), fitted.sse, rtol=1e-9)
    mine = found.ahead(np.array([len(values)]), np.array([0]), 20)[0]
    others = np.arange(20) % season != season - 1
    np.testing.assert_allclose(mine[others], fitted.forecast(20)[others], rtol=1e-9, atol=1e-9)
    model = theirs(ETSModel, values, season, error="add", trend=trend, damped_trend=bool(trend))
    parameters = [alpha, alpha * beta, gamma, damping] if trend else [alpha, gamma]
    ahead = model.smooth(np.array(parameters)).forecast(20)
    np.testing.assert_allclose(mine, ahead, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("season", [1, 7])
def test_one_pass_serves_every_moment(season):
    """What the pass says after t values is what a pass over these t values alone says, with the same best setting."""
    values = series(3, 70, 7)
    settings, begin = grid(season), start(values, season)
    whole = smooth(values, begin, settings)
    origins = np.array([30, 31, 45, 70])
    best = whole.best(origins, 14)
    ahead = whole.ahead(origins, best, 9)
    for place, origin in enumerate(origins):
        part = smooth(values[:origin], begin, settings)
        squared = [sum(error**2 for error in part.errors[14:, row]) for row in range(len(settings.alpha))]
        assert squared[best[place]] == pytest.approx(min(squared), rel=1e-12)
        alone = part.ahead(np.array([origin]), best[place : place + 1], 9)[0]
        np.testing.assert_allclose(ahead[place], alone, rtol=1e-12)


def test_the_grid_holds_what_fits_a_series_that_has_no_noise():
    """A pure season is foretold exactly, and a straight line nearly so a week ahead."""
    pattern = np.tile([5.0, 7, 1, 0, 2, 9, 4], 10)
    found = smooth(pattern, start(pattern, 7), grid(7))
    ahead = found.ahead(np.array([70]), found.best(np.array([70]), 14), 10)[0]
    np.testing.assert_allclose(ahead, [5, 7, 1, 0, 2, 9, 4, 5, 7, 1], atol=1e-9)
    line = np.arange(100, 200, dtype=np.float64)
    found = smooth(line, start(line, 7), grid(7))
    ahead = found.ahead(np.array([100]), found.best(np.array([100]), 14), 7)[0]
    np.testing.assert_allclose(ahead, np.arange(200, 207), rtol=0.01)
