"""The loop over connections, with a real socket at the other end: nobody waits for the slow, the silent or the odd."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from waitress import create_server

from fluxrate.serving.channels import PACKET, Channel
from fluxrate.serving.draining import Loop
from fluxrate.serving.threads import Threads
from fluxrate.serving.watching import Watched

LARGE = 30_000_000
PARTS = 40


class Served:
    """A server of a small application, `held` of whose answers wait until `go` is set."""

    def __init__(self, **adjustments: Any) -> None:
        self.go = threading.Event()
        self.served, threads = Watched(), Threads(4)
        server = create_server(
            self._answer, map=self.served, _dispatcher=threads, host="127.0.0.1", port=0, **adjustments
        )
        server.channel_class = Channel
        self.port = server.effective_port
        self.loop = Loop(self.served, [server], threads)
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def close(self) -> None:
        self.go.set()
        self.loop.stop()
        self.thread.join(15)
        self.loop.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"]
        if path == "/fails":
            raise RuntimeError("on purpose")
        if path == "/held":
            self.go.wait(10)
        if path == "/large":
            start("200 OK", [("Content-Length", str(LARGE))])
            return (b"x" * (LARGE // PARTS) for _ in range(PARTS))
        if path == "/chunks":
            start("200 OK", [("X-Kind", "chunks")])
            return iter([b"one", b"", b"two"])
        body = path.encode() + environ["wsgi.input"].read()
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def server() -> Iterator[Served]:
    made = Served(channel_timeout=20, connection_limit=4_000)
    yield made
    made.close()


def asked(path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as it travels."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answered(one: socket.socket) -> tuple[bytes, bytes]:
    """Headers and body of the next answer that states its length."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += one.recv(1)
    length = int(got.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += one.recv(length - len(body))
    return got, body


def test_one_connection_after_another_request(server: Served) -> None:
    """A connection is good for many requests, of any size, with one `Date` and one length in each answer."""
    with server.connect() as one:
        for size in (0, 1, PACKET - 6, PACKET, 100_000, 0):
            one.sendall(asked("/echo", body=b"y" * size))
            head, body = answered(one)
            assert body == b"/echo" + b"y" * size
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert (head.count(b"Date: "), head.lower().count(b"content-length: ")) == (1, 1)


def test_requests_sent_at_once_are_answered_in_order(server: Served) -> None:
    """Several requests in one packet, and the start of another: each is answered, the last when it is whole."""
    with server.connect() as one:
        late = asked("/late", body=b"abc")
        one.sendall(b"".join(asked(f"/{number}") for number in range(20)) + late[:-2])
        assert [answered(one)[1] for _ in range(20)] == [b"/%d" % number for number in range(20)]
        time.sleep(0.05)
        one.sendall(late[-2:])
        assert answered(one)[1] == b"/lateabc"


def test_who_says_no_more_is_answered_all_the_same(server: Served) -> None:
    """A client that closes its own half after the request still reads the answer."""
    with server.connect() as one:
        one.sendall(asked("/held"))
        one.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        server.go.set()
        assert answered(one)[1] == b"/held"


def test_a_slow_reader_holds_up_nobody(server: Served) -> None:
    """A large answer that nobody reads yet costs a thread and no more; read at last, it is whole."""
    with server.connect() as slow, server.connect() as other:
        slow.sendall(asked("/large") + asked("/behind"))
        for _ in range(50):
            other.sendall(asked("/quick"))
            assert answered(other)[1] == b"/quick"
        assert answered(slow)[1] == b"x" * LARGE
        assert answered(slow)[1] == b"/behind"


def test_an_answer_of_unknown_length_comes_in_chunks(server: Served) -> None:
    """As HTTP/1.1 has it; and a client that wants the connection closed hears that it is."""
    with server.connect() as one:
        one.sendall(asked("/chunks"))
        whole = b"".join(iter(lambda: one.recv(65_536), b""))
        assert whole.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    with server.connect() as one:
        one.sendall(asked("/echo", "Connection: close"))
        assert b"connection: close" in answered(one)[0].lower()
        assert one.recv(1) == b""


def test_an_older_client_keeps_its_connection_if_it_asks_to(server: Served) -> None:
    """HTTP/1.0 closes unless `Connection: Keep-Alive` came, which is then said back."""
    with server.connect() as one:
        for _ in range(2):
            one.sendall(b"GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            assert b"Connection: Keep-Alive" in answered(one)[0]
        one.sendall(b"GET /old HTTP/1.0\r\n\r\n")
        assert answered(one)[1] == b"/old"
        assert one.recv(1) == b""


def test_a_failure_is_told_and_the_thread_goes_on(server: Served) -> None:
    """More failures than there are threads, and a request after them."""
    for _ in range(8):
        with server.connect() as one:
            one.sendall(asked("/fails"))
            assert answered(one)[0].startswith(b"HTTP/1.1 500")
    with server.connect() as one:
        one.sendall(asked("/after"))
        assert answered(one)[1] == b"/after"


def test_a_thousand_silent_connections_cost_no_request_anything(server: Served) -> None:
    """With 1,500 connections that say nothing, or half of something, a request wakes the loop for itself alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8_192), hard), hard))
    with ExitStack() as stack:
        for number in range(1_500):
            one = stack.enter_context(server.connect())
            one.sendall(asked("/never")[: number % 20])
        looked_at = []
        real = Channel.readable
        Channel.readable = lambda self: looked_at.append(self) or real(self)  # type: ignore[method-assign]
        try:
            busy = stack.enter_context(server.connect())
            began = time.monotonic()
            for _ in range(100):
                busy.sendall(asked("/quick"))
                assert answered(busy)[1] == b"/quick"
            sweeps = 2 + int(time.monotonic() - began)
        finally:
            Channel.readable = real  # type: ignore[method-assign]
        assert len(looked_at) < 100 * 10 + sweeps * 1_502


def test_who_is_silent_for_too_long_is_sent_away() -> None:
    """A connection without a request is closed after the time for it, beside others that go on."""
    server = Served(channel_timeout=1, cleanup_interval=1)
    try:
        with server.connect() as silent, server.connect() as busy:
            end = time.monotonic() + 10
            silent.settimeout(0.2)
            while time.monotonic() < end:
                busy.sendall(asked("/quick"))
                assert answered(busy)[1] == b"/quick"
                try:
                    assert silent.recv(1) == b""
                    break
                except TimeoutError:
                    continue
            else:
                pytest.fail("nobody was sent away")
    finally:
        server.close()


def test_beyond_the_limit_connections_wait() -> None:
    """The connections that are open may be served while others wait, which are when there is room again."""
    small = Served(connection_limit=6)
    try:
        opened = [small.connect() for _ in range(8)]
        for one in opened[:3]:
            one.sendall(asked("/first"))
            assert answered(one)[1] == b"/first"
        opened[7].sendall(asked("/waits"))
        opened[7].settimeout(0.3)
        with pytest.raises(TimeoutError):
            opened[7].recv(1)
        for one in opened[:5]:
            one.close()
        opened[7].settimeout(10)
        assert answered(opened[7])[1] == b"/waits"
    finally:
        for one in opened:
            one.close()
        small.close()


def test_the_end_answers_what_was_read(server: Served) -> None:
    """A request that a thread has when the end comes is answered, with word that the connection closes."""
    with server.connect() as one, server.connect() as idle:
        one.sendall(asked("/held"))
        time.sleep(0.1)
        server.loop.stop()
        time.sleep(0.1)
        server.go.set()
        head, body = answered(one)
        assert (body, b"connection: close" in head.lower()) == (b"/held", True)
        assert idle.recv(1) == b""
        server.thread.join(5)
        assert not server.thread.is_alive()
