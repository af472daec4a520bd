"""Connections of a serving process: how their requests are parsed, refused and answered; waitress with a few parts of
our own.
"""

from __future__ import annotations

import time
from functools import lru_cache
from http import HTTPStatus
from socket import socket
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import build_http_date

from fluxrate.http.problem import PROBLEM, SERVER_ERROR, problem
from fluxrate.serving.watching import Watched

BODY_SLACK = 4
"""The server takes bodies this many times the limit, so that the application can refuse them in its own words."""

PACKET = 16_384
"""A body up to this many bytes is sent with its headers in one call."""

_OWN_HEADERS = frozenset({"connection", "date", "server", "via"})
"""Where an answer has one of these, waitress thinks about the others."""

_KEEP = ("", "keep-alive")


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
        error, most = self.request.error, self.channel.server.adj.max_request_body_size // BODY_SLACK
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


class Answer(WSGITask):
    """While the server ends, each answer says that it is the last on its connection."""

    def write(self, data: bytes) -> None:
        """As waitress does, but what fits one packet is sent as one."""
        if self.wrote_header or not self.complete or len(data) > PACKET:
            super().write(data)
            return
        header = self.build_response_header()
        self.wrote_header: bool = True
        if self.content_length == len(data) and self.has_body and not self.chunked_response:
            self.content_bytes_written = len(data)
            self.channel.write_soon(header + data)
        else:
            self.channel.write_soon(header)
            super().write(data)

    def build_response_header(self) -> bytes:
        """As waitress does; a request read behind this one keeps the connection until it is answered, too."""
        if not self.channel.server.accepting and len(self.channel.requests) == 1:
            self.set_close_on_finish()
        header: bytes = self._plain_header() or super().build_response_header()
        return header

    def _plain_header(self) -> bytes | None:
        """The header of an answer that leaves waitress nothing to decide; None where there is something."""
        keep = self.request.headers.get("CONNECTION", "").lower() in _KEEP
        if self.version != "1.1" or self.content_length is None or not self.has_body or not keep:
            return None
        names = {name.lower() for name, _ in self.response_headers}
        if not names.isdisjoint(_OWN_HEADERS):
            return None
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in self.response_headers)]
        if "content-length" not in names:
            lines.append(f"Content-Length: {self.content_length}")
        lines.append(f"Date: {_date(int(time.time()))}\r\n\r\n")
        return "\r\n".join(lines).encode("latin-1")


class Channel(HTTPChannel):
    """A connection with the parts above."""

    parser_class = Parser
    task_class = Answer
    error_task_class = Refusal

    def __init__(self, server: Any, sock: socket, addr: Any, adj: Any, map: Watched) -> None:
        super().__init__(server, sock, addr, adj, map=map)
        self.server = _Server(server, self, map)


class _Server:
    """The server as its connection sees it. Whoever would wake the loop, so that it asks all connections what they wait
    for, has what this one waits for said to the system instead.
    """

    def __init__(self, server: Any, channel: Channel, watched: Watched) -> None:
        self._server = server
        self._channel = channel
        self._watched = watched
        self.adj = server.adj
        self.application = server.application
        self.add_task = server.add_task

    def pull_trigger(self) -> None:
        self._watched.watch(self._channel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    date: str = build_http_date(second)
    return date
