"""How tests on generated inputs run: so many examples, however busy the machine is (see `tests/conftest.py`)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """Settings for `count` examples."""
    return settings(max_examples=count)


def inherited(count: int) -> settings:
    """The same for a test that several classes inherit: each finds its counter-examples anew."""
    checks = [*settings.default.suppress_health_check, HealthCheck.differing_executors]
    return settings(max_examples=count, database=None, suppress_health_check=checks)
