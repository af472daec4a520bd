"""Short ways to call an application as its clients do: with a key, in JSON, with every digit of a number kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fluxrate.core import accounts
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION

ROOT = "/api/v1"
JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"


def parts_of(app: Flask) -> Services:
    return app.extensions[EXTENSION]


def make_key(app: Flask, *scopes: str) -> str:
    """A new key's secret; with every scope unless some are named."""
    parts = parts_of(app)
    return accounts.create_key(parts.store, "test", scopes or ("admin",), parts.clock())[1]


def exact(response: TestResponse) -> Any:
    """The answer's JSON with numbers as the decimals that were written."""
    return json.loads(response.data, parse_float=Decimal)


def counts(app: Flask) -> tuple[int, int]:
    """How many events and customers are stored: both unchanged means that nothing was."""
    parts = parts_of(app)
    return len(parts.store.events.read_after(0)), parts.store.customers.count()


def problem(response: TestResponse, status: int, *said: str) -> dict[str, Any]:
    """The answer is a problem of this status in one sentence that holds these texts."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["Content-Type"] == PROBLEM
    body = response.json
    assert set(body) - {"errors"} == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert isinstance(body["detail"], str)
    assert body["detail"].isprintable()
    assert 10 < len(body["detail"]) < 3_000
    for text in said:
        assert text in body["detail"], body["detail"]
    for field, sentences in body.get("errors", {}).items():
        assert isinstance(field, str)
        assert all(isinstance(sentence, str) for sentence in sentences)
    return body


class Api:
    """A client of one application that sends a key; paths are those below /api/v1."""

    def __init__(self, app: Flask, secret: str | None = None) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()
        self.secret = make_key(app) if secret is None else secret

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"X-API-Key": self.secret} | dict(options.pop("headers", {}))
        return self.client.open(
            path if path.startswith("/api/") else ROOT + path, method=method, headers=headers, **options
        )

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.call("GET", path, query_string=query)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        return self.call("POST", path, json=body, **options)

    def patch(self, path: str, body: Any) -> TestResponse:
        return self.call("PATCH", path, json=body)

    def send(self, body: str | bytes, path: str = "/sdk/track", **headers: str) -> TestResponse:
        """POST these very bytes as JSON; `Content_Encoding="gzip"` adds that header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, data=body, headers=JSON | named)

    def meter(self, meter_name: str = "calls", aggregation_type: str = "SUM", **fields: Any) -> dict[str, Any]:
        """A new meter of two decimal places, unless said otherwise."""
        body = {"meter_name": meter_name, "aggregation_type": aggregation_type, "decimals": 2} | fields
        response = self.post("/meters", body)
        assert response.status_code == 201, response.text
        return response.json

    def track(self, meter_name: str = "calls", customer: str = "acme", quantity: Any = "1", **fields: Any) -> Any:
        """An event that must be accepted."""
        event = {"meter_name": meter_name, "customer_external_id": customer, "quantity": quantity} | fields
        response = self.post("/sdk/track", event)
        assert response.status_code in (200, 201), response.text
        return response.json

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every page of a list, each asked for as the one before says."""
        number = 1
        while True:
            page = self.get(path, page=number, **query).json
            yield page
            if number >= page["meta"]["total_pages"]:
                return
            number += 1
