"""Several processes on one address or one store: each sees the others' events, and no end loses any."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fluxrate.app import create_app
from fluxrate.config import load_config
from fluxrate.serving import workers
from tests.callers import Api, make_key, parts_of
from tests.postgresql import Server as Postgresql
from tests.served import EVENT, READY_SECONDS, Server, free_port, prepared, serving

SEEN_SECONDS = 10
CLIENTS = 12


@pytest.fixture(scope="module")
def postgresql():
    server = Postgresql()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A server of two workers, with a key."""
    folder = tmp_path_factory.mktemp("pair")
    key = prepared(folder)
    with serving(folder, "--workers", "2") as server:
        server.key = key
        yield server


class Caller:
    """A connection that stays: so one process answers all its calls."""

    def __init__(self, server: Server, key: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict]:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        self.closing = response.headers.get("Connection", "").lower() == "close"
        found = response.read()
        return response.status, json.loads(found) if found[:1] in b"{[" else {"text": found.decode()}

    def get(self, path: str) -> dict:
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def close(self) -> None:
        self._connection.close()


def within(seconds: float, condition) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def one_of_each(server: Server, key: str, count: int = 2) -> list[Caller]:
    """A connection to each of the workers, in the order of their numbers."""
    found: dict[int, Caller] = {}
    deadline = time.monotonic() + READY_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        # Taken by whichever worker is quicker: many at once reach all.
        callers = [Caller(server, key) for _ in range(8)]
        threads = [threading.Thread(target=caller.get, args=("/health",)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for caller in callers:
            kept = found.setdefault(caller.get("/health")["worker"], caller)
            if kept is not caller:
                caller.close()
    assert sorted(found) == list(range(1, count + 1))
    return [found[number] for number in sorted(found)]


def workers_of(server: Server) -> list[int]:
    """The processes that the parent has started and not yet buried."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(server.process.pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if not line.split()[1].startswith("Z")]


def make_instance(folder: Path, url: str) -> str:
    """The meter `calls` and a key, on a store that may be another's."""
    app = create_app(load_config(str(folder), {"DATABASE_URL": url}, environ={}))
    Api(app).meter()
    key = make_key(app)
    parts_of(app).close()
    return key


@contextmanager
def processes(kind: str, folder: Path, postgresql: Postgresql):
    """Connections to two processes on one store: workers of one server, or servers of two hosts."""
    url = f"sqlite:///{folder}/store.db" if kind.endswith("sqlite") else postgresql.emptied()
    key = make_instance(folder / "first", url)
    options = ("--database-url", url, "--refresh-interval-ms", "200", "--max-batch", "5")
    with ExitStack() as stack:
        if kind.startswith("workers"):
            server = stack.enter_context(serving(folder / "first", "--workers", "2", *options))
            yield one_of_each(server, key)
        else:
            hosts = [stack.enter_context(serving(folder / name, *options)) for name in ("first", "second")]
            yield [Caller(host, key) for host in hosts]


@pytest.mark.parametrize("kind", ["workers on sqlite", "hosts on postgresql"])
def test_each_process_sees_the_others_events(kind, tmp_path, postgresql):
    """What one process takes in, the other answers with within the interval: events, new meters, keys and voids."""
    with processes(kind, tmp_path, postgresql) as (one, other):
        for writer, reader in ((one, other), (other, one)):
            before = reader.get("/api/v1/meters/calls/usage")["event_count"]
            sent, event = writer.call("POST", "/api/v1/events", b"[%s]" % b",".join([EVENT] * 5))
            assert sent == 200, event
            assert writer.get("/api/v1/meters/calls/usage")["event_count"] == before + 5
            assert within(
                SEEN_SECONDS, lambda at=reader, n=before: at.get("/api/v1/meters/calls/usage")["event_count"] == n + 5
            )
        # A setting given to the parent holds in every process.
        for process in (one, other):
            assert process.call("POST", "/api/v1/events", b"[%s]" % b",".join([EVENT] * 6))[0] == 413
        made, meter = one.call("POST", "/api/v1/meters", b'{"meter_name":"new","aggregation_type":"COUNT"}')
        assert made == 201, meter
        event = b'{"meter_name":"new","customer_external_id":"acme","quantity":1}'
        assert within(SEEN_SECONDS, lambda: other.call("POST", "/api/v1/sdk/track", event)[0] == 201)
        assert within(SEEN_SECONDS, lambda: one.get("/api/v1/meters/new/usage")["total_usage"] == 1)


def test_it_is_said_which_worker_answers(pair, module_app):
    """Health names the worker, and each metric carries its number; a server alone says nothing of it."""
    assert pair.printed[0].startswith("Fluxrate ")
    for number, caller in enumerate(one_of_each(pair, pair.key), 1):
        assert caller.get("/health")["worker"] == number
        lines = caller.get("/metrics")["text"].splitlines()
        samples = [line for line in lines if line and not line.startswith("#")]
        assert samples
        assert [line for line in samples if f'worker="{number}"' not in line] == []
        caller.close()
    alone = module_app.test_client()
    assert "worker" not in alone.get("/health").json
    assert "worker=" not in alone.get("/metrics", headers={"X-API-Key": make_key(module_app)}).text


def test_a_worker_that_dies_is_started_again_and_nobody_is_refused(pair):
    """While one is gone the address answers every new connection, and it comes back; then all end in good order."""
    first = workers_of(pair)
    os.kill(first[0], signal.SIGKILL)
    # A connection that the dead one had taken is cut; those that come now are not.
    time.sleep(0.05)
    assert [Caller(pair).get("/health")["status"] for _ in range(20)] == ["ok"] * 20
    assert within(SEEN_SECONDS, lambda: len(workers_of(pair)) == 2)
    assert set(workers_of(pair)) & set(first) == {first[1]}
    one_of_each(pair, pair.key)
    assert pair.end() < 10
    assert pair.process.returncode == 0
    said = pair.process.stderr.read()
    assert re.search(rf"worker \d \(process {first[0]}\) ended with status -9", said)
    assert "Traceback" not in said


def test_workers_do_not_outlive_their_parent(tmp_path):
    """A parent that is killed leaves no worker behind."""
    with serving(tmp_path, "--workers", "2") as server:
        one_of_each(server, "")
        left = workers_of(server)
        assert len(left) == 2
        server.end(signal.SIGKILL)
        assert within(10, lambda: not any(Path(f"/proc/{pid}").exists() for pid in left))


def test_a_worker_that_cannot_start_ends_the_server_with_its_reason(tmp_path):
    """What stops the first worker is said, and the command ends with status 1 instead of trying for ever."""
    command = [sys.executable, "-m", "fluxrate", "serve", "--workers", "2", "--port", str(free_port())]
    ran = subprocess.run(
        [*command, "--instance", str(tmp_path), "--plugin-dir", "/nope"],
        capture_output=True, text=True, timeout=READY_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        "fluxrate: PLUGIN_DIR is a folder of plugins, but /nope is none.",
        "fluxrate: The worker 1 ended before it was ready.",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_sigterm_under_load_answers_what_was_read(tmp_path, count):
    """Told to end in the middle of it, every request that was sent is answered, and what was acknowledged is stored."""
    key = prepared(tmp_path)
    with serving(tmp_path, "--workers", str(count), "--threads", "2") as server:
        if count > 1:
            for caller in one_of_each(server, key):
                caller.close()
        answered, failed = [], []

        def send() -> None:
            caller = Caller(server, key)
            try:
                while True:
                    status, _ = caller.call("POST", "/api/v1/sdk/track", EVENT)
                    answered.append(status)
                    if caller.closing:
                        return
            except (OSError, http.client.HTTPException) as why:
                failed.append(repr(why))

        clients = [threading.Thread(target=send) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        assert within(20, lambda: len(answered) > 20 * CLIENTS)
        assert server.end() < 10
        for client in clients:
            client.join()
        assert failed == []
        assert set(answered) == {201}
        assert server.process.returncode == 0
    app = create_app(load_config(str(tmp_path), environ={}))
    assert Api(app).get("/meters/calls/usage").json["event_count"] == len(answered)
    parts_of(app).close()


def test_requests_that_wait_for_a_thread_are_answered(tmp_path):
    """With one thread and many requests read, all of them are answered after SIGTERM, also one still on its way."""
    key = prepared(tmp_path)
    batch = b"[%s]" % b",".join([EVENT] * 2_000)
    with serving(tmp_path, "--threads", "1") as server:
        callers = [Caller(server, key) for _ in range(10)]
        late = Caller(server, key)
        for caller in callers:
            caller._connection.request("POST", "/api/v1/events", batch, caller._headers)
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        late._connection.connect()
        late._connection.sock.sendall(f"{head}Content-Length: {len(batch)}\r\n\r\n".encode() + batch[:1_000])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        late._connection.sock.sendall(batch[1_000:])
        assert [caller._connection.getresponse().status for caller in callers] == [200] * 10
        assert late._connection.sock.recv(100).startswith(b"HTTP/1.1 200")
        # Asked again and again, as by a terminal and a service manager at once, it still saves and ends in order.
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.01)
        assert server.process.returncode == 0
        assert server.process.stderr.read() == ""
    assert json.loads((tmp_path / "columns" / "manifest.json").read_text())["seq"] == 11 * 2_000


def test_the_frozen_program_starts_itself_as_a_worker(tmp_path, monkeypatch):
    """A frozen program is its own interpreter; settings go by the environment, where no other account reads them."""
    config = load_config(str(tmp_path), {"DATABASE_URL": "postgresql://u:secret@h/d", "METRICS_PUBLIC": "yes"}, {})
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    command = workers.command(3, config, [])
    assert command[:4] == [sys.executable, "worker", "--number", "3"]
    assert "secret" not in " ".join(command)
    given = workers.environment(config, {"PATH": "/bin", "FLUXRATE_INSTANCE": "/else"})
    assert "FLUXRATE_INSTANCE" not in given
    assert load_config(str(tmp_path), environ=given).values == config.values
