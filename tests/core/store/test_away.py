"""The store goes away and comes back under a running application: what senders see, what is stored, what reads on."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrate.app import create_app
from fluxrate.config import load_config
from fluxrate.core.store import engines
from tests.callers import Api, parts_of, problem
from tests.core.store.proxy import Proxy
from tests.instances import total
from tests.postgresql import Server

EVENT = {"meter_name": "calls", "customer_external_id": "acme", "quantity": "1"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of its own: it is stopped while others' tests run."""
    server = Server()
    yield server
    server.stop()


def serve(folder: Path, **settings: object) -> Api:
    """A client of an application with the meter `calls`."""
    api = Api(create_app(load_config(str(folder), settings, environ={})))
    api.meter(decimals=0)
    return api


def refused(api: Api, event: dict[str, object] = EVENT, said: str = "") -> None:
    """This post is to be sent again, later."""
    response = api.post("/sdk/track", event)
    problem(response, 503, said)
    assert int(response.headers["Retry-After"]) > 0


def agree(api: Api, events: int) -> None:
    """The columns and the tables both have so many events."""
    parts = parts_of(api.app)
    parts.live.refresh()
    assert len(parts.store.events.read_after(0)) == events
    assert total(parts, parts.store.meters.all()[0]) == events
    assert api.get("/meters/calls/events").json["meta"]["total"] == events


def test_server_stopped_and_started(server: Server, tmp_path: Path) -> None:
    """Without PostgreSQL a post is answered 503 and leaves nothing; it counts as soon as the server is back."""
    api = serve(tmp_path, DATABASE_URL=server.database())
    api.track(idempotency_key="before")
    server.halt()
    refused(api, {**EVENT, "idempotency_key": "meanwhile"}, "away")
    assert api.client.get("/ready").status_code == 503
    assert api.client.get("/health").status_code == 200
    server.start()
    assert api.post("/sdk/track", {**EVENT, "idempotency_key": "meanwhile"}).status_code == 201
    assert api.post("/sdk/track", {**EVENT, "idempotency_key": "before"}).status_code == 200
    agree(api, 2)
    parts_of(api.app).close()


def test_clients_that_go_on_asking(server: Server, tmp_path: Path) -> None:
    """Clients that send again what was answered 503 are all served after a crash of PostgreSQL, each event once."""
    api = serve(tmp_path, DATABASE_URL=server.database())
    seen: Counter[int] = Counter()
    crashed, begun = threading.Event(), threading.Barrier(5)

    def send(number: int) -> None:
        client = Api(api.app, api.secret)
        begun.wait()
        for turn in range(40):
            event = {**EVENT, "idempotency_key": f"{number}-{turn}"}
            end = time.monotonic() + 20
            while (status := client.post("/sdk/track", event).status_code) == 503 and time.monotonic() < end:
                seen[status] += 1
                time.sleep(0.01)
            assert status in (200, 201)
            if turn == 10:
                crashed.wait()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(0.05)
    server.halt()
    crashed.set()
    time.sleep(0.1)
    server.start()
    for thread in threads:
        thread.join()
    assert seen[503]
    agree(api, 160)
    parts_of(api.app).close()


@pytest.fixture
def proxied(server: Server) -> Iterator[tuple[Proxy, str]]:
    """A way to a database that can lose the answer to a commit."""
    folder = Path(tempfile.mkdtemp(prefix="fluxrate-proxy-", dir="/tmp"))
    proxy = Proxy(folder, server.folder)
    yield proxy, server.database().replace(str(server.folder), str(folder))
    proxy.close()
    shutil.rmtree(folder)


def test_answer_to_a_commit_is_lost(proxied: tuple[Proxy, str], tmp_path: Path) -> None:
    """When the connection is cut after COMMIT was sent, the sender is to send again; with a key that counts once."""
    proxy, url = proxied
    api = serve(tmp_path, DATABASE_URL=url)
    api.track()
    for turn in range(3):
        keyed = {**EVENT, "idempotency_key": f"k{turn}"}
        proxy.lose.set()
        refused(api, keyed, "away")
        again = api.post("/sdk/track", keyed)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert proxy.lost == 3
    agree(api, 4)
    # Nobody can know of an event without a key: this one was stored, and counts twice when it is sent again.
    proxy.lose.set()
    refused(api)
    api.track()
    agree(api, 6)
    parts_of(api.app).close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB, where this machine allows one to be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_disk_is_full(small_disk: Path) -> None:
    """On a full disk posts are answered 503 and leave nothing; reading goes on, and with more room writing, too."""
    api = serve(small_disk)
    stored = 0
    batch = [{**EVENT, "metadata": {"text": "x" * 500}} for _ in range(200)]
    while (response := api.post("/events", batch)).status_code == 200:
        stored += response.json["accepted"]
    problem(response, 503, "full")
    assert response.headers["Retry-After"]
    assert stored >= 400
    agree(api, stored)
    # A small event may still find room where a batch does not, until nothing does.
    while api.post("/sdk/track", EVENT).status_code == 201:
        stored += 1
    agree(api, stored)
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    assert api.post("/events", batch).json["accepted"] == 200
    agree(api, stored + 200)
    with parts_of(api.app).store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    parts_of(api.app).close()


def test_file_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the file locked posts are answered 503, and figures as ever."""
    monkeypatch.setattr(engines, "LOCK_SECONDS", 0.1)
    api = serve(tmp_path)
    api.track()
    other = engines.sqlite.connect(tmp_path / "fluxrate.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused(api, said="locked by another process")
    agree(api, 1)
    other.execute("ROLLBACK")
    other.close()
    api.track()
    agree(api, 2)
    parts_of(api.app).close()


def test_too_much_waits(tmp_path: Path) -> None:
    """What finds the queue full is answered 503 at once and counted; what waits is stored when it can be."""
    api = serve(tmp_path, MAX_QUEUED_EVENTS=2)
    store = parts_of(api.app).store
    statuses: list[int] = []

    def send() -> None:
        statuses.append(Api(api.app, api.secret).post("/sdk/track", EVENT).status_code)

    waiting = [threading.Thread(target=send) for _ in range(2)]
    with store.write():
        for thread in waiting:
            thread.start()
        end = time.monotonic() + 10
        while store.events.pressure().queued < 2 and time.monotonic() < end:
            time.sleep(0.005)
        refused(api, said="2 events wait")
    for thread in waiting:
        thread.join()
    assert statuses == [201, 201]
    text = api.client.get("/metrics", headers={"X-API-Key": api.secret}).text
    assert "fluxrate_queue_refused_total 1.0" in text
    assert "fluxrate_queue_events 0.0" in text
    agree(api, 2)
    parts_of(api.app).close()
