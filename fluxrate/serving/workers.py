"""Several processes on one address: a small parent that listens, starts the workers, and starts again what dies.

The parent binds the sockets and opens nothing else; each worker is a new program that inherits them (a fork would take
along threads and connections half-way). All accept from one queue, so a worker that is busy or gone leaves connections
to the others, and none is refused while one starts again. (SO_REUSEPORT, a socket for each, was weighed: the system
deals connections out by their address, also to a worker that hangs, and resets those that wait for one that died.)

A worker's standard input is a socket to the parent: the worker writes a byte when it accepts connections, and ends
when the parent has gone.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from fluxrate.config import PREFIX, Config
from fluxrate.core.errors import Unavailable

_LOG = logging.getLogger(__name__)

STOP_SECONDS = 30.0
"""Then a worker is killed. Answers take eight of these at most; what is left is for saving the columns."""

FIRST_DELAY, LAST_DELAY, STEADY_SECONDS = 0.5, 30.0, 60.0
"""Seconds before a worker that ended is started again, doubled each time unless it had lived for STEADY_SECONDS."""

_LOOK_SECONDS = 0.1
_STDIN = 0


class Worker:
    """One worker as the parent sees it; started again and again, it keeps its number."""

    def __init__(self, number: int, config: Config, sockets: Sequence[socket.socket]) -> None:
        self.number = number
        self._command = command(number, config, sockets)
        self._environment = environment(config, os.environ)
        self._sockets = [one.fileno() for one in sockets]
        self._delay = FIRST_DELAY
        self._due: float | None = None
        self._started = 0.0
        self._line: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return at once."""
        if self._line is not None:
            self._line.close()
        self._line, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 (this very program)
                self._command, stdin=theirs.fileno(), env=self._environment, pass_fds=self._sockets
            )
        self._started, self._due = time.monotonic(), None

    def ready(self) -> bool:
        """Wait until it accepts connections; False when it ended instead."""
        return self._line is not None and self._line.recv(1) != b""

    def look(self) -> None:
        """If it has ended, say so, and start it again when its time has come."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if self._due is None:
            self._delay = FIRST_DELAY if now - self._started > STEADY_SECONDS else self._delay
            self._due = now + self._delay
            said = "The worker %d (process %d) ended with status %d; it starts again in %.1f s"
            _LOG.warning(said, self.number, self.process.pid, self.process.returncode, self._delay)
            self._delay = min(2 * self._delay, LAST_DELAY)
        elif now >= self._due:
            self.start()

    def end(self, number: int = signal.SIGTERM) -> None:
        """Ask it to end, if it is there."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for its end, and kill it when that takes longer."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            _LOG.warning("The worker %d has not ended within %.0f s and is killed", self.number, STOP_SECONDS)
            self.process.kill()
            self.process.wait()


class Workers:
    """All workers of one address."""

    def __init__(self, config: Config, sockets: Sequence[socket.socket], count: int) -> None:
        self._workers = [Worker(number, config, sockets) for number in range(1, count + 1)]
        self._stopping = False

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready()` is called when all accept connections.

        Raises Unavailable when one ends before that; it has said why itself.
        """
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        try:
            self._start()
            if not self._stopping:
                ready()
            # Looking costs less than a signal for every child's end, which would have to say whose it was.
            while not self._stopping:
                for worker in self._workers:
                    worker.look()
                time.sleep(_LOOK_SECONDS)
        finally:
            self._end()
            # Workers have ended; what comes now, as from a terminal and a service manager at once, changes nothing.
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, signal.SIG_IGN)

    def _start(self) -> None:
        # The first saves the columns, where they are worth it, before it is ready: the others map what it saved.
        for some in (self._workers[:1], self._workers[1:]):
            if self._stopping:
                return
            for worker in some:
                worker.start()
            for worker in some:
                if not worker.ready() and not self._stopping:
                    raise Unavailable(f"The worker {worker.number} ended before it was ready.")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        # Here, and not in the loop: this may come while a start is waited for.
        for worker in self._workers:
            worker.end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()
        deadline = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            worker.wait(max(0.0, deadline - time.monotonic()))


def command(number: int, config: Config, sockets: Sequence[socket.socket]) -> list[str]:
    """How this very program is started as a worker: the frozen one is its own interpreter."""
    program = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "fluxrate"]
    listening = ",".join(str(one.fileno()) for one in sockets)
    return [*program, "worker", "--number", str(number), "--sockets", listening, "--instance", str(config.instance)]


def environment(config: Config, present: Mapping[str, str]) -> dict[str, str]:
    """The environment with every setting in force: what the parent read from options holds for the workers, too."""
    # Not as options: these anybody on the machine can read, and a database's URL may hold a password.
    settings = {PREFIX + name: _text(value) for name, value in config.values.items()}
    return {name: value for name, value in present.items() if not name.startswith(PREFIX)} | settings


def _text(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def inherited(listening: str) -> list[socket.socket]:
    """In a worker: the parent's sockets, from their numbers joined by commas."""
    return [socket.socket(fileno=int(number)) for number in listening.split(",")]


def say_ready() -> None:
    """In a worker: tell the parent, and from now on end when it has gone."""
    os.write(_STDIN, b"!")
    threading.Thread(target=_follow_parent, name="parent-watch", daemon=True).start()


def _follow_parent() -> None:
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
