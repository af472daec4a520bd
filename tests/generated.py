"""How tests on generated inputs run: so many examples, however busy the machine is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """Settings for `count` examples. A slow machine is no failure, so nothing is timed."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def inherited(count: int) -> settings:
    """The same for a test that several classes inherit: each finds its counter-examples anew."""
    checks = [HealthCheck.too_slow, HealthCheck.differing_executors]
    return settings(max_examples=count, deadline=None, database=None, suppress_health_check=checks)
