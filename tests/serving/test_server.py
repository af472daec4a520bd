"""Serving for real: a process on a free port, what it prints, how it refuses, and how it ends."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import subprocess
import sys

import pytest

from fluxrate.app import create_app
from fluxrate.config import load_config
from tests.callers import PROBLEM, Api, parts_of
from tests.served import END_SECONDS, EVENT, READY_SECONDS, prepared, serving


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    """The folder of an instance with no account yet."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(instance):
    """A server on it that other tests leave running."""
    key = prepared(instance)
    with serving(instance) as server:
        server.key = key
        yield server


def problem(answer: bytes | tuple, status: int, said: str) -> None:
    """A problem from the application or from the server in front of it, in the same form."""
    if isinstance(answer, bytes):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == str(status).encode(), answer[:500]
        assert f"content-type: {PROBLEM}".encode() in head.lower()
    else:
        found, headers, body = answer
        assert (found, headers["Content-Type"]) == (status, PROBLEM)
    said_by = json.loads(body)
    assert said_by["status"] == status
    assert said in said_by["detail"]


def test_it_prints_its_address_and_a_one_time_link(server, instance):
    """A new instance's server says where it is, and gives the link that creates the first administrator."""
    address, link = server.printed
    assert server.address in address
    assert str(instance) in address
    found = re.search(r"http://\S+/setup/\S+", link)
    assert server.get(found[0].removeprefix(server.address))[0] == 200
    assert server.get("/setup/nope")[0] == 403


def test_it_is_up_and_ready(server):
    """`/health` says that the process is up, `/ready` that the store is there; nothing tells what serves them."""
    status, headers, body = server.get("/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    assert "Server" not in headers
    status, _, body = server.get("/ready")
    assert (status, json.loads(body)["status"]) == (200, "ready")


def test_a_public_clients_post_is_answered(server):
    """A POST to a path with a slash too many goes through without a redirect, and its event is in the next answer."""
    status, _, body = server.call(
        "POST", "/api/v1//sdk/track", EVENT, X_API_Key=server.key, Content_Type="application/json"
    )
    assert (status, json.loads(body)["quantity"]) == (201, "1")
    _, _, body = server.get("/api/v1/meters/calls/usage", X_API_Key=server.key)
    assert json.loads(body)["total_usage"] == 1


def test_a_hundred_connections_that_say_nothing_do_not_stop_it(server):
    """Idle sockets, more than the server's own default allows, cost no thread and no answer."""
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(150)]
    try:
        for connection in idle:
            connection.sendall(b"POST /api/v1/sdk/track HTTP/1.1\r\nHost: x\r\n")
        assert server.get("/health")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_an_oversized_body_is_a_problem_whoever_refuses_it(server):
    """A little too large the application refuses it, far too large the server does: 413 in the same form either way."""
    sent = {"X_API_Key": server.key, "Content_Type": "application/json"}
    problem(server.call("POST", "/api/v1/events", b" " * 11_000_000, **sent), 413, "at most 10485760 bytes")
    head = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: %s\r\n" % server.key
    problem(server.talk(f"{head}Content-Length: 500000000\r\n\r\n".encode()), 413, "at most 10485760 bytes")
    bomb = gzip.compress(b" " * 50_000_000)
    problem(server.call("POST", "/api/v1/events", bomb, Content_Encoding="gzip", **sent), 413, "at most 10485760 bytes")


def test_a_body_in_chunks_is_read_whole_or_refused(server):
    """Chunks are put together; too many of them are a 413, never a body cut at the limit."""
    head = (
        "POST /api/v1/sdk/track HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-API-Key: %s\r\n" % server.key
    )
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (EVENT[:10], EVENT[10:]))
    assert server.talk(head.encode() + chunks + b"0\r\n\r\n").startswith(b"HTTP/1.1 201")
    large = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    problem(server.talk(head.encode() + large * 11 + b"0\r\n\r\n"), 413, "at most 10485760 bytes")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_is_no_clear_request_is_a_problem(server, request_bytes, status):
    """Two lengths, odd headers, an unknown coding, a TLS greeting: refused in the API's own form, and it lives on."""
    problem(server.talk(request_bytes), status, "cannot be read as HTTP")
    assert server.get("/health")[0] == 200


def test_a_taken_port_is_one_sentence(server, tmp_path):
    """A second server on the same port ends with status 1 and says what to do."""
    command = [sys.executable, "-m", "fluxrate", "serve", "--instance", str(tmp_path), "--port", str(server.port)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=READY_SECONDS, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith(f"fluxrate: 127.0.0.1:{server.port} cannot be served: ")
    assert "--port" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_sigterm_ends_it_with_the_columns_saved(tmp_path, caplog):
    """SIGTERM ends it within seconds and with status 0; the columns are on disk, and the next start reads them."""
    sent = {"X_API_Key": prepared(tmp_path), "Content_Type": "application/json"}
    with serving(tmp_path, "--threads", "2") as server:
        assert server.call("POST", "/api/v1/events", b"[%s]" % b",".join([EVENT] * 500), **sent)[0] == 200
        assert server.end() < END_SECONDS
        assert server.process.returncode == 0
        assert server.process.stderr.read() == ""
    assert json.loads((tmp_path / "columns" / "manifest.json").read_text())["seq"] == 500
    again = create_app(load_config(str(tmp_path), environ={}))
    assert Api(again).get("/meters/calls/usage").json["total_usage"] == 500
    assert "do not fit" not in caplog.text
    parts_of(again).close()
    with serving(tmp_path) as server:
        assert json.loads(server.get("/ready")[2])["as_of"] == 500
        assert json.loads(server.get("/api/v1/meters/calls/usage", **sent)[2])["total_usage"] == 500
        assert server.end(signal.SIGINT) < END_SECONDS
        assert server.process.returncode == 0


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    """After SIGKILL the next start has every acknowledged event, although nothing was saved or said."""
    sent = {"X_API_Key": prepared(tmp_path), "Content_Type": "application/json"}
    with serving(tmp_path) as server:
        for _ in range(20):
            assert server.call("POST", "/api/v1/sdk/track", EVENT, **sent)[0] == 201
        server.end(signal.SIGKILL)
    again = create_app(load_config(str(tmp_path), environ={}))
    assert Api(again).get("/meters/calls/usage").json["total_usage"] == 20
    parts_of(again).close()
