"""What goes in: batches, single events and a file, durably, into a server process on SQLite and on PostgreSQL.

`python -m bench.intake` keeps what it measured beside the results of `make bench` and writes the page of both again. No
figure is kept before the store has counted as many events as were acknowledged. Batches are sent by threads of this
process with bodies made beforehand, single events by wrk; both share the cores with the server.
"""

from __future__ import annotations

import csv
import http.client
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from bench import report
from bench.ours import METER
from bench.places import DOCS, INTAKE, KEPT, RESULTS
from bench.results import Intake, Run, Sent
from bench.serving import run, server, wrk
from tests.postgresql import Server

BATCH = 1_000
BATCHES = 240
SENDERS = 4
CONNECTIONS = 32
SECONDS = 12
ROWS = 1_000_000
IMPORTED = "rows"

_NEWEST = datetime(2025, 12, 31, tzinfo=UTC)


def main() -> None:
    """Measure both stores, and write the page."""
    KEPT.mkdir(parents=True, exist_ok=True)
    found: list[Sent] = []
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        file = Path(scratch) / "rows.csv"
        _write_rows(file)
        postgresql = Server("fsync=on")
        try:
            for store, url in (("SQLite", ""), ("PostgreSQL", postgresql.database())):
                print(store, flush=True)
                found.append(_measure(store, Path(scratch) / store, url, file))
                print(found[-1], flush=True)
        finally:
            postgresql.stop()
    INTAKE.write_bytes(msgspec.json.encode(Intake(BATCH, CONNECTIONS, ROWS, found)))
    if RESULTS.exists():
        page = report.page(msgspec.json.decode(RESULTS.read_bytes(), type=Run))
        (DOCS / "benchmarks.md").write_text(page, "utf-8")


def _measure(store: str, instance: Path, url: str, file: Path) -> Sent:
    options = ["--instance", str(instance)]
    environment = {"FLUXRATE_DATABASE_URL": url} if url else {}
    for meter in (METER, IMPORTED):
        run("fluxrate", "meters", "create", meter, "--aggregation", "SUM", *options, environment=environment)
    scopes = ["--scope", "usage.write", "--scope", "usage.read"]
    key = run("fluxrate", "keys", "create", "--name", "bench", *scopes, *options, environment=environment)
    with server(["-m", "fluxrate", "serve", *options], "/health", environment) as port:
        batches = _batches(port, key)
        _check(port, key, BATCH * BATCHES, 0)
        singles, acknowledged = _singles(port, key)
        _check(port, key, BATCH * BATCHES + acknowledged, CONNECTIONS)
    columns = ["--key", "id", "--meta", "region"]
    start = time.perf_counter()
    run("fluxrate", "import", str(file), "--meter", IMPORTED, *columns, *options, environment=environment)
    return Sent(store, *batches, *singles, ROWS / (time.perf_counter() - start))


def _batches(port: int, key: str) -> tuple[float, float, float]:
    """Events a second, and milliseconds of a batch to the median and the 99th percentile."""
    chance = random.Random(7)
    bodies = [_body(chance, number) for number in range(BATCHES)]
    taken: list[float] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"X-API-Key": key, "Content-Type": "application/json"}
        while bodies:
            try:
                body = bodies.pop()
            except IndexError:
                return
            start = time.perf_counter()
            connection.request("POST", "/api/v1/events?results=errors", body, headers)
            answer = json.loads(connection.getresponse().read())
            if answer.get("accepted") != BATCH:
                raise RuntimeError(f"A batch was answered with {answer}.")
            taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(taken) * BATCH / (time.perf_counter() - start)
    percentiles = statistics.quantiles(taken, n=100)
    return rate, percentiles[49] * 1_000, percentiles[98] * 1_000


def _body(chance: random.Random, number: int) -> bytes:
    return json.dumps(
        [
            {
                "meter_name": METER,
                "customer_external_id": f"customer-{chance.randrange(1_000):04d}",
                "quantity": f"{chance.randrange(1, 10**9) / 10**6:.6f}",
                "timestamp": (_NEWEST - timedelta(seconds=chance.randrange(86_400 * 300))).isoformat(),
                "idempotency_key": f"batch-{number}-{place}",
                "metadata": {"region": "eu-west-1", "endpoint": f"/v1/endpoint-{chance.randrange(100):03d}"},
            }
            for place in range(BATCH)
        ]
    ).encode()


def _singles(port: int, key: str) -> tuple[tuple[float, float, float], int]:
    """Events a second and milliseconds to the median and the 99th percentile; and how many were acknowledged."""
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    return wrk(f"http://127.0.0.1:{port}/api/v1/sdk/track", "post.lua", headers, CONNECTIONS, SECONDS)


def _check(port: int, key: str, acknowledged: int, unanswered: int) -> None:
    """The store has every event that was acknowledged, and at most those besides whose answer was not waited for."""
    address = f"http://127.0.0.1:{port}/api/v1/meters/{METER}/stats"
    with urllib.request.urlopen(urllib.request.Request(address, headers={"X-API-Key": key}), timeout=60) as answer:
        total = json.loads(answer.read())["total_events"]
    if not acknowledged <= total <= acknowledged + unanswered:
        raise RuntimeError(f"{acknowledged:,} events were acknowledged, but the meter has {total:,}.")


def _write_rows(file: Path) -> None:
    chance = random.Random(11)
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("id", "customer_external_id", "timestamp", "quantity", "region"))
        for number in range(ROWS):
            instant = _NEWEST - timedelta(seconds=chance.randrange(86_400 * 300))
            amount = f"{chance.randrange(1, 10**9) / 10**6:.6f}"
            rows.writerow(
                (number, f"customer-{chance.randrange(10_000):05d}", instant.isoformat(), amount, "eu-west-1")
            )


if __name__ == "__main__":
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed to send single events (apt-get install wrk).")
    main()
