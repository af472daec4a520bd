"""What senders know: every event they ever sent, and of which they heard that it is stored.

A sender goes on until its event is acknowledged, as a real one does: what got no answer, or 503, it sends again.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from contextlib import suppress
from typing import Any

AWAY = 503
Body = dict[str, Any]


class Sender:
    """One client with one connection. It sends single events and batches, one after another, each with a key."""

    def __init__(self, name: str, secret: str) -> None:
        self.sent: dict[str, int] = {}
        """Keys to quantities, of all that was ever tried."""
        self.acknowledged: dict[str, str] = {}
        """Keys to the ids that the server answered with."""
        self.refused = 0
        self.contradictions: list[str] = []
        self._name = name
        self.headers = {"X-API-Key": secret, "Content-Type": "application/json"}
        self._random = random.Random(name)
        self._open: list[Body] = []

    def run(self, port: int, stop: threading.Event) -> None:
        """Send until the server is gone or `stop` is set; what is open from the last time comes first."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with suppress(OSError, http.client.HTTPException):
            while not stop.is_set():
                self._open = self._open or self._made()
                if self._tried(connection):
                    self._open = []
                else:
                    stop.wait(0.02)
        connection.close()

    def finish(self, port: int) -> None:
        """Send what is open until it is acknowledged."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while self._open:
            if self._tried(connection):
                self._open = []
        connection.close()

    def _made(self) -> list[Body]:
        count = self._random.choice((1, 1, 1, 40))
        made = []
        for _ in range(count):
            key, quantity = f"{self._name}-{len(self.sent)}", self._random.randrange(1, 1 << 40)
            self.sent[key] = quantity
            made.append(
                {
                    "meter_name": "calls",
                    "customer_external_id": f"c{self._random.randrange(30)}",
                    "quantity": str(quantity),
                    "idempotency_key": key,
                }
            )
        return made

    def _tried(self, connection: http.client.HTTPConnection) -> bool:
        """Whether the open events were acknowledged. Raises OSError or HTTPException when no answer came."""
        single = len(self._open) == 1
        path, body = ("/api/v1/sdk/track", self._open[0]) if single else ("/api/v1/events", self._open)
        connection.request("POST", path, json.dumps(body), self.headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status == AWAY:
            assert response.headers["Retry-After"]
            self.refused += 1
            return False
        assert response.status in (200, 201), answer
        for event, result in zip(self._open, [answer] if single else answer["results"], strict=True):
            self._heard(event["idempotency_key"], result["id"])
        return True

    def _heard(self, key: str, found: str) -> None:
        if self.acknowledged.setdefault(key, found) != found:
            self.contradictions.append(f"{key}: {self.acknowledged[key]}, then {found}")
