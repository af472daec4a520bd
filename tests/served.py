"""Fluxrate served for real: processes on a free port, and short ways to call them."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from fluxrate.app import create_app
from fluxrate.config import load_config
from tests.callers import Api, make_key, parts_of

EVENT = b'{"meter_name":"calls","customer_external_id":"acme","quantity":1}'
READY_SECONDS = 30
END_SECONDS = 5


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """A `fluxrate serve` in a process of its own, and one connection to it."""

    def __init__(self, instance: Path, *options: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "fluxrate", "serve", "--instance", str(instance), "--port", str(self.port)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLUXRATE_")}
        self.process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.address = f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[str]:
        """What it prints up to the moment it answers."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError):
                if self.get("/health")[0] == 200:
                    break
            time.sleep(0.05)
        assert self.process.poll() is None, self.process.stderr.read()
        # With several workers the first may answer before all are there.
        select.select([self.process.stdout], [], [], READY_SECONDS)
        return os.read(self.process.stdout.fileno(), 65_536).decode().splitlines()

    def call(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        return self.call("GET", path, **headers)

    def talk(self, request: bytes) -> bytes:
        """Send these bytes and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            found = b""
            with suppress(TimeoutError, ConnectionError):
                while part := connection.recv(65_536):
                    found += part
            return found

    def end(self, number: int = signal.SIGTERM) -> float:
        """Ask it to end, and say how long it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(READY_SECONDS)
        return time.monotonic() - started


@contextmanager
def serving(instance: Path, *options: str):
    server = Server(instance, *options)
    try:
        server.printed = server.lines()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


def prepared(folder: Path) -> str:
    """Make the meter `calls` on the instance, and a key."""
    app = create_app(load_config(str(folder), environ={}))
    Api(app).meter()
    key = make_key(app)
    parts_of(app).close()
    return key
