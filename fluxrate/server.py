"""Serving one application from one process: waitress with the options that keep slow clients from stopping it.

Waitress reads a whole request before a worker thread sees it, so a slow client costs a socket and not a thread. Its
defaults stop at 100 connections, and die beyond 1,000 without poll.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from http import HTTPStatus
from types import FrameType
from typing import Any

from flask import Flask
from waitress import create_server
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from fluxrate import scheduler
from fluxrate.core.errors import ConfigError
from fluxrate.core.services import Services
from fluxrate.http.problem import PROBLEM, SERVER_ERROR, problem
from fluxrate.plugin import EXTENSION

_BODY_SLACK = 4
"""The server takes bodies this many times the limit, so that the application can refuse them in its own words."""


def serve(app: Flask, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way, save the columns and return.

    `ready(address)` is called once connections are accepted. Raises ConfigError when the address is taken.
    """
    parts: Services = app.extensions[EXTENSION]
    # It writes a line for every request that finds all threads busy: an hour of load would be a log of nothing else.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = _listening(app, parts, host, port)
    stop_jobs = scheduler.start(app)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _stop)
    ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    try:
        server.run()
    finally:
        stop_jobs()
        server.close()
        # What was acknowledged since the last refresh is to be saved as well.
        parts.live.current()
        parts.close()


def _listening(app: Flask, parts: Services, host: str, port: int) -> Any:
    sockets: dict[int, Any] = {}
    try:
        server = create_server(
            app,
            map=sockets,
            host=host,
            port=port,
            threads=parts.settings["THREADS"],
            connection_limit=4_000,
            asyncore_use_poll=True,
            channel_timeout=20,
            max_request_body_size=parts.settings["MAX_BODY_BYTES"] * _BODY_SLACK,
            max_request_header_size=16_384,
            ident=None,
            # The application believes as many of these as TRUSTED_PROXY says.
            clear_untrusted_proxy_headers=not parts.settings["TRUSTED_PROXY"],
        )
    except (OSError, ValueError) as why:
        said = str(getattr(why, "strerror", None) or why).rstrip(".")
        raise ConfigError(f"{host}:{port} cannot be served: {said}; name another with --host or --port.") from why
    for listener in sockets.values():
        if isinstance(listener, BaseWSGIServer):
            listener.channel_class = Channel
    return server


class Parser(HTTPRequestParser):
    """Refuses a request that states its length twice: a proxy in front may believe the other one."""

    def parse_header(self, header_plus: bytes) -> None:
        """As waitress does, which would take Transfer-Encoding and pass Content-Length over."""
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding both came")


class Refusal(ErrorTask):
    """What the server refuses before the application sees it, as a problem like the application's own."""

    def execute(self) -> None:
        """Write the problem and close the connection."""
        error, most = self.request.error, self.channel.server.adj.max_request_body_size // _BODY_SLACK
        if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            detail = f"A body is at most {most} bytes."
        elif error.code == HTTPStatus.INTERNAL_SERVER_ERROR:
            detail = SERVER_ERROR
        else:
            detail = f"The request cannot be read as HTTP: {error.body}."
        body = problem(error.code, error.reason, detail).get_data()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", PROBLEM))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """A connection with the two parts above."""

    parser_class = Parser
    error_task_class = Refusal


def _stop(number: int, frame: FrameType | None) -> None:
    # waitress ends its loop on SystemExit, and waits for the requests that its threads are working on.
    raise SystemExit(0)
