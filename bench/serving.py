"""The HTTP part: servers in processes of their own, one after another, each under the same load.

`wrk` asks where it is installed. Without it threads of this process ask, which are slower than any server here: the
figures are then too low for all alike, and the report names the client.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from bench.answers import Different
from bench.events import DECIMALS
from bench.ours import METER
from bench.results import Http, Served
from fluxrate.config import SETTINGS

CONNECTIONS = 8
SECONDS = 8

_WINDOW = "start_date=2025-11-01T{clock}:00Z&end_date=2025-12-01T00:00:00Z&group_by=day"
_THREADS = next(setting.default for setting in SETTINGS if setting.name == "THREADS")
_PATIENCE = 120


def compare(instance: Path, events: int) -> Http:
    """Fluxrate on the instance, a bare view, and DuckDB behind one; raises Different where two answers differ.

    `events` are what the instance held before the fresh ones came.
    """
    ours = f"/api/v1/meters/{METER}/usage?{_WINDOW}"
    key = run("fluxrate", "keys", "create", "--name", "bench", "--scope", "usage.read", "--instance", str(instance))
    headers = {"X-API-Key": key}
    view = ["-m", "bench.views", "--threads", str(_THREADS), "--events", str(events)]
    with server(["-m", "fluxrate", "serve", "--instance", str(instance)], "/health") as port:
        expected = _answer(port, ours, headers)
        fluxrate = _load("Fluxrate", port, ours, headers)
    with server([*view, "bare"], "/usage") as port:
        bare = _load("bare Flask view", port, f"/usage?{_WINDOW}", {})
    with server([*view, "duckdb"], f"/usage?{_WINDOW.format(clock='00:00')}") as port:
        found = _answer(port, f"/usage?{_WINDOW}", {})
        duckdb = _load("DuckDB behind a view", port, f"/usage?{_WINDOW}", {})
    _check(expected, found)
    client = "wrk" if shutil.which("wrk") else "Python threads"
    return Http(events, client, CONNECTIONS, [fluxrate, bare, duckdb])


def _check(expected: dict[str, Any], found: dict[str, Any]) -> None:
    def scaled(row: dict[str, Any], usage: str) -> int:
        return int(Decimal(row[usage]).scaleb(DECIMALS))

    days = [(day["period"], scaled(day, "usage"), day["event_count"]) for day in expected["grouped_data"]]
    theirs = [(day["period"], int(day["usage"]), day["event_count"]) for day in found["grouped_data"]]
    customers = expected["unique_customers"], found["unique_customers"]
    if days != theirs or customers[0] != customers[1]:
        raise Different(f"Over HTTP Fluxrate has {days}, {customers[0]}; DuckDB has {theirs}, {customers[1]}.")


def run(*command: str, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a command of Python's says on standard output."""
    given = [sys.executable, "-m", *command]
    done = subprocess.run(given, stdout=subprocess.PIPE, check=True, text=True, env={**os.environ, **environment})
    return done.stdout.strip()


@contextmanager
def server(command: Sequence[str], path: str, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[int]:
    """A server process that answers on the port; ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        given = [sys.executable, *command, "--port", str(port)]
        process = subprocess.Popen(given, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            _wait(process, f"http://127.0.0.1:{port}{path}", log)
            yield port
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: IO[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=_PATIENCE).close()
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    log.seek(0)
    raise RuntimeError(f"No server answers at {address}: {log.read().decode()}")


def _answer(port: int, path: str, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path.format(clock='00:00')}", headers=headers)
    with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
        found: dict[str, Any] = json.loads(response.read(), parse_float=Decimal)
    return found


def _load(name: str, port: int, path: str, headers: dict[str, str]) -> Served:
    ask = _wrk if shutil.which("wrk") else _threads
    ask(port, path, headers, 2)
    rate, middle, slow = ask(port, path, headers, SECONDS)
    return Served(name, rate, middle, slow)


def _wrk(port: int, path: str, headers: dict[str, str], seconds: int) -> tuple[float, float, float]:
    address = f"http://127.0.0.1:{port}{path.format(clock='HH:MM')}"
    return wrk(address, "vary.lua", headers, CONNECTIONS, seconds)[0]


def wrk(
    address: str, script: str, headers: Mapping[str, str], connections: int, seconds: int
) -> tuple[tuple[float, float, float], int]:
    """Have wrk ask by a script of this folder: answers a second, milliseconds to the median and to the 99th percentile,
    and how many answers there were. Raises RuntimeError when one of them was an error.
    """
    lua = str(Path(__file__).with_name(script))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "--latency", "-s", lua]
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    said = subprocess.run([*command, *given, address], stdout=subprocess.PIPE, check=True, text=True).stdout
    rate, answers = re.search(r"Requests/sec:\s*([\d.]+)", said), re.search(r"(\d+) requests in", said)
    if rate is None or answers is None or re.search(r"Non-2xx|Socket errors", said):
        raise RuntimeError(f"The server failed under load: {said}")
    latencies = dict(re.findall(r"^\s+(\d+)%\s+([\d.]+(?:us|ms|s|m))$", said, re.MULTILINE))
    return (float(rate[1]), _milliseconds(latencies["50"]), _milliseconds(latencies["99"])), int(answers[1])


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1, "s": 1_000, "m": 60_000}[unit]


def _threads(port: int, path: str, headers: dict[str, str], seconds: int) -> tuple[float, float, float]:
    taken: list[float] = []
    begun = time.perf_counter()

    def work(turn: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        while (start := time.perf_counter()) - begun < seconds:
            turn += CONNECTIONS
            connection.request("GET", path.format(clock=f"{turn // 60 % 24:02d}:{turn % 60:02d}"), headers=headers)
            response = connection.getresponse()
            response.read()
            if response.status != http.HTTPStatus.OK:
                raise RuntimeError(f"The server failed under load with {response.status}.")
            taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    percentiles = statistics.quantiles(taken, n=100)
    rate = len(taken) / (time.perf_counter() - begun)
    return rate, percentiles[49] * 1_000, percentiles[98] * 1_000
