"""Serving one application from one process: waitress with the options that keep slow clients from stopping it.

Waitress reads a whole request before a worker thread sees it, so a slow client costs a socket and not a thread. Its
defaults stop at 100 connections, and die beyond 1,000 without poll.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from flask import Flask
from waitress import create_server

from fluxrate import scheduler
from fluxrate.core.errors import ConfigError
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION

_BODY_SLACK = 4
"""The server takes bodies this many times the limit, so that the application can refuse them in its own words."""


def serve(app: Flask, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way, save the columns and return.

    `ready(address)` is called once connections are accepted. Raises ConfigError when the address is taken.
    """
    parts: Services = app.extensions[EXTENSION]
    try:
        server = create_server(
            app,
            host=host,
            port=port,
            threads=parts.settings["THREADS"],
            connection_limit=4_000,
            asyncore_use_poll=True,
            channel_timeout=20,
            max_request_body_size=parts.settings["MAX_BODY_BYTES"] * _BODY_SLACK,
            max_request_header_size=16_384,
            ident=None,
        )
    except OSError as why:
        raise ConfigError(f"{host}:{port} cannot be served: {why.strerror or why}; name another with --port.") from why
    stop_jobs = scheduler.start(app)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _stop)
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    try:
        server.run()
    finally:
        stop_jobs()
        server.close()
        parts.close()


def _stop(number: int, frame: FrameType | None) -> None:
    # waitress ends its loop on SystemExit, and waits for the requests that its threads are working on.
    raise SystemExit(0)
