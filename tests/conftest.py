"""Fixtures that many tests share: an application on a new instance of its own, and a client of it with an admin key."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from fluxrate.app import create_app
from fluxrate.config import load_config
from tests.callers import Api, parts_of

# No test fails because a machine is slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="module")
def module_app(tmp_path_factory):
    """One application for the tests of a module that leave no trace or do not mind those of others."""
    app = create_app(load_config(str(tmp_path_factory.mktemp("instance")), environ={}))
    yield app
    parts_of(app).close()


@pytest.fixture
def make_app(tmp_path):
    """A function that makes applications with settings of their own, all on one instance unless a folder is named."""
    made = []

    def make(folder="instance", plugins=None, **settings):
        made.append(create_app(load_config(str(tmp_path / folder), settings, environ={}), plugins))
        return made[-1]

    yield make
    for app in made:
        parts_of(app).close()


@pytest.fixture
def app(make_app):
    """An application on a new instance."""
    return make_app()


@pytest.fixture
def api(app):
    """A client of `app` with a key for everything."""
    return Api(app)
