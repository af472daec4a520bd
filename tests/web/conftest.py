"""A small instance with two meters, three customers and a signed-in browser, for the tests of the pages."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from fluxrate.app import BUILT_IN, create_app
from fluxrate.config import load_config
from fluxrate.core import accounts
from fluxrate.core.model import Customer, Meter, NewEvent
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION, Plugin

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
HOUR = 3_600_000_000


@dataclass
class Instance:
    """An application with its parts, and a client that is signed in."""

    app: Flask
    services: Services
    client: FlaskClient

    def meter(self, meter_name: str, name: str, **more: object) -> Meter:
        fields = {
            "aggregation_type": "SUM",
            "property_name": None,
            "unit": "calls",
            "decimals": 0,
            "filters": (),
        }
        return self.services.store.meters.create(
            name=name,
            meter_name=meter_name,
            now=self.services.clock(),
            **(fields | more),  # type: ignore[arg-type]
        )

    def customer(self, external_id: str, name: str | None) -> Customer:
        return self.services.store.customers.create(
            external_id=external_id, name=name, email=None, now=self.services.clock()
        )

    def send(
        self, meter: Meter, customer: Customer, quantity: int, ago: int = HOUR, key: str | None = None, **metadata
    ):
        event = NewEvent(
            meter.pk,
            customer.pk,
            customer.external_id,
            self.services.clock() - ago,
            quantity,
            key,
            json.dumps(metadata) if metadata else None,
        )
        return self.services.ingest.store([event])[0].event


def instance_in(folder: Path, *more: Plugin) -> Instance:
    """An application on a new instance in the folder, with an account that is signed in."""
    app = create_app(load_config(str(folder), {}), plugins=(*BUILT_IN, *more))
    services: Services = app.extensions[EXTENSION]
    accounts.create_user(services.store, EMAIL, PASSWORD, services.clock())
    client = app.test_client()
    assert client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
    return Instance(app, services, client)


@pytest.fixture
def empty(tmp_path):
    """An instance with an account and nothing else."""
    made = instance_in(tmp_path)
    yield made
    made.services.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Two meters, three customers, 130 events; read only."""
    made = instance_in(tmp_path_factory.mktemp("filled"))
    calls, bytes_ = made.meter("api_calls", "API calls"), made.meter("bytes", "Bytes", unit="B", aggregation_type="MAX")
    acme = made.customer("acme", "Acme Limited")
    airy = made.customer("airy", "Airy & Söhne")
    bare = made.customer("bare_1", None)
    for i in range(60):
        made.send(calls, acme, 10 + i, ago=i * 6 * HOUR + HOUR, key=f"a-{i}", region="eu", path=f"/v1/{i}")
        made.send(calls, airy, 100 + i, ago=i * 6 * HOUR + 2 * HOUR)
    for i in range(10):
        made.send(bytes_, bare, 1000 * i, ago=i * HOUR)
    yield made
    made.services.close()


def submit(instance: Instance, path: str, **fields: object):
    """Send a form as its page would: with the session's token."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', instance.client.get("/meters/new").text)[1]
    return instance.client.post(path, data={"csrf_token": token, **fields})


def trail_of(instance: Instance, action: str):
    """The entries of an action in the audit trail, the latest first."""
    end = instance.services.clock() + 1
    return instance.services.store.trail.list(0, end, actor=None, action=action, page=1, page_size=50)[0]


def visible(html: str) -> str:
    """The text of a page on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()
