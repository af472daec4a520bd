"""The backtest against plain loops: no method sees ahead, the best one is taken, and its error is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fluxrate.core.forecast.backtest import LEVEL, ORIGINS, outlook
from fluxrate.core.forecast.methods import METHODS

BY_NAME = {method.name: method for method in METHODS}


def noisy(count: int, season: int = 7, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 100 + 40 * (np.arange(count) % season == 2) + rng.normal(0, 5, count)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_method_sees_ahead(method):
    """What it says at a moment does not change with what came after it, nor with the other moments that are asked."""
    values = noisy(60)
    other = values.copy()
    other[40:] = 9_999
    origins = np.array([29, 33, 40])
    said = method.ahead(values, 7, origins, 10)
    assert said.shape == (3, 10)
    np.testing.assert_array_equal(said, method.ahead(other, 7, origins, 10))
    for place, origin in enumerate(origins):
        np.testing.assert_allclose(said[place], method.ahead(values[:origin], 7, origins[place : place + 1], 10)[0])


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_each_method_can_say_something_with_what_it_needs(method):
    for season in (1, 7, 12) if not method.seasonal else (7, 12):
        needs = method.needs(season)
        said = method.ahead(noisy(needs), season, np.array([needs]), 5)
        assert np.isfinite(said).all()


def test_the_simple_methods_say_what_their_names_say():
    values = np.arange(1.0, 22.0)
    now = np.array([21])
    assert BY_NAME["mean"].ahead(values, 7, now, 3)[0].tolist() == [11, 11, 11]
    assert BY_NAME["naive"].ahead(values, 7, now, 3)[0].tolist() == [21, 21, 21]
    assert BY_NAME["seasonal_naive"].ahead(values, 7, now, 9)[0].tolist() == [15, 16, 17, 18, 19, 20, 21, 15, 16]


@pytest.mark.parametrize(("count", "horizon"), [(200, 7), (200, 90), (40, 30), (29, 7), (15, 3), (9, 1)])
def test_the_errors_are_those_of_a_loop(count, horizon):
    """MAE and MASE of every method, the choice, and the radius of each step and of their sum."""
    values = noisy(count)
    found = outlook(values, 7, horizon)
    first = max(one.method.needs(7) for one in found.tested)
    assert len(values) - first >= 8
    depth = found.horizon
    origins = list(range(first, count - depth + 1))[-ORIGINS:]
    assert (found.origins, depth) == (len(origins), min(horizon, (count - first) // 2))
    lag = 7 if origins[0] >= 14 else 1
    moved = [abs(values[t] - values[t - lag]) for t in range(lag, origins[0])]
    for one in found.tested:
        rows = []
        for origin in origins:
            said = one.method.ahead(values[:origin], 7, np.array([origin]), depth)[0]
            rows.append([max(said[step], 0) - values[origin + step] for step in range(depth)])
        mae = sum(abs(error) for row in rows for error in row) / (len(rows) * depth)
        assert one.mae == pytest.approx(mae)
        assert one.mase == (pytest.approx(mae / (sum(moved) / len(moved))) if moved else None)
        if one.method is found.method:
            rank = math.ceil(LEVEL * (len(rows) + 1))
            for step in range(depth):
                assert found.radii[step] == pytest.approx(sorted(abs(row[step]) for row in rows)[rank - 1])
            whole = sorted(abs(sum(row)) for row in rows)[rank - 1]
            assert found.total_radius == (pytest.approx(whole) if depth == horizon else None)
    assert [one.mae for one in found.tested] == sorted(one.mae for one in found.tested)
    by_name = {one.method.name: one for one in found.tested}
    first = next(by_name[method.name] for method in METHODS if method.name in by_name)
    best = found.tested[0] if found.tested[0].mae < 0.8 * first.mae else first
    assert found.method is best.method
    assert found.radii[depth:] == (None,) * (horizon - depth)
    assert len(found.points) == horizon


def test_another_method_is_taken_where_it_is_clearly_better():
    """Holt-Winters is kept among what is nearly as good; a level that jumps is left to what follows at once."""
    rng = np.random.default_rng(5)
    assert outlook(noisy(300), 7, 7).method.name == "holt_winters"
    walk = 1_000 + np.cumsum(rng.normal(0, 10, 300))
    assert outlook(walk, 7, 7).method.name in ("holt_winters", "naive", "exponential_smoothing")
    steps = np.repeat(rng.uniform(0, 1_000, 12), 30)
    found = outlook(steps, 7, 7)
    assert found.method is found.tested[0].method
    assert found.method.name in ("naive", "exponential_smoothing", "seasonal_naive")
    errors = {one.method.name: one.mae for one in found.tested}
    assert errors[found.method.name] < 0.8 * errors["holt_winters"]


@pytest.mark.parametrize(
    ("count", "tried"),
    [
        (1, set()),
        (8, set()),
        (9, {"mean", "naive"}),
        (15, {"mean", "naive", "seasonal_naive"}),
        (16, {"mean", "naive", "seasonal_naive", "exponential_smoothing"}),
        (29, set(BY_NAME)),
    ],
)
def test_a_short_history_has_fewer_methods(count, tried):
    """And none is tried where nothing is left to try it on; then it is as a season ago, or the mean."""
    found = outlook(noisy(count), 7, 5)
    assert {one.method.name for one in found.tested} == tried
    if not tried:
        assert found.method.name == ("seasonal_naive" if count >= 7 else "mean")
        assert (found.radii, found.total_radius, found.origins) == ((None,) * 5, None, 0)


@pytest.mark.parametrize("season", [1, 7])
@pytest.mark.parametrize("value", [0.0, 5.0, 1e18])
def test_what_never_varied_stays_so(value, season):
    """No error, hence nothing to scale by; and no division by zero."""
    found = outlook(np.full(60, value), season, 10)
    assert found.points.tolist() == pytest.approx([value] * 10)
    assert found.tested[0].mase is None
    assert found.tested[0].mae == pytest.approx(0, abs=1e-9 * max(value, 1))


def test_nothing_is_negative():
    """Usage that falls to nothing is not foretold to go below, nor tested so."""
    falling = np.concatenate([np.arange(200.0, 0, -4), [0, 0, 0]])
    found = outlook(falling, 7, 60)
    assert (found.points >= 0).all()
    assert all((one.errors + 0 >= -200).all() for one in found.tested)
