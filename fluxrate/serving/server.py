"""Serving one application from one process: waitress with the options that keep slow clients from stopping it.

Waitress reads a whole request before a worker thread sees it, so a slow client costs a socket and not a thread. Its
defaults stop at 100 connections, and die beyond 1,000; its loop asks all of them before every wait: see `watching`. Its
own end drops what it has read and not begun, and what it has answered and not sent: see `draining`.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from flask import Flask
from waitress import create_server
from waitress.server import BaseWSGIServer

from fluxrate import scheduler
from fluxrate.core.errors import ConfigError
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION
from fluxrate.serving import collecting, processors
from fluxrate.serving.channels import BODY_SLACK, Channel
from fluxrate.serving.draining import Loop
from fluxrate.serving.threads import Threads
from fluxrate.serving.watching import Watched

_WAITING = 1_024
"""Connections that the system keeps until a process takes them."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address of `host`. Raises ConfigError when one is taken or is not this machine's."""
    sockets: list[socket.socket] = []
    try:
        # Sorted: a name that has several addresses is tried in the same order every time.
        for family, kind, _, _, address in sorted(
            set(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE))
        ):
            one = socket.socket(family, kind)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(_WAITING)
    except (OSError, ValueError) as why:
        for one in sockets:
            one.close()
        said = str(getattr(why, "strerror", None) or why).rstrip(".")
        raise ConfigError(f"{host}:{port} cannot be served: {said}; name another with --host or --port.") from why
    return sockets


def address_of(host: str, port: int) -> str:
    """Where a browser finds it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(app: Flask, sockets: Sequence[socket.socket], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way, save the columns and return.

    `ready()` is called once connections are accepted.
    """
    parts: Services = app.extensions[EXTENSION]
    number = (parts.worker or 1) if parts.settings["ONE_PROCESSOR"] else None
    own = frozenset[int]() if number is None else processors.one_of(number)
    with processors.only(own):
        loop = loop_of(app, sockets, parts.settings)

    def stop(number: int, frame: FrameType | None) -> None:
        loop.stop()

    _on_signals(stop)
    stop_jobs = scheduler.start(app)
    try:
        with processors.only(own):
            collecting.settle()
            ready()
            loop.run()
    finally:
        # To the very end: Python gives its own handlers up before it has gone, and a second signal would then kill it.
        _on_signals(signal.SIG_IGN)
        stop_jobs()
        loop.close()
        # What was acknowledged since the last refresh is to be saved as well.
        parts.live.current()
        parts.close()


def _on_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, handler)


def loop_of(app: Flask, sockets: Sequence[socket.socket], settings: Mapping[str, Any]) -> Loop:
    """What serves the application at these sockets, its threads already started."""
    served, threads = Watched(), Threads(settings["THREADS"])
    create_server(
        app,
        map=served,
        _dispatcher=threads,
        sockets=list(sockets),
        connection_limit=4_000,
        channel_timeout=20,
        max_request_body_size=settings["MAX_BODY_BYTES"] * BODY_SLACK,
        max_request_header_size=16_384,
        ident=None,
        # The application believes as many of these as TRUSTED_PROXY says.
        clear_untrusted_proxy_headers=not settings["TRUSTED_PROXY"],
    )
    listeners = [one for one in served.values() if isinstance(one, BaseWSGIServer)]
    for listener in listeners:
        listener.channel_class = Channel
    return Loop(served, listeners, threads)
