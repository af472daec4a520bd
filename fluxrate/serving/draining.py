"""Waitress' loop with an end that loses nothing: who was heard is answered before the process goes.

Waitress ends on an exception raised from a signal, which may strike anywhere, drops what waits for a thread and does
not send what its threads have written. Here a signal sets a mark; the loop then takes no new connections, answers what
was read, sends the answers, and closes each connection when nothing more is owed to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

from fluxrate.serving.threads import Threads
from fluxrate.serving.watching import Watched

ANSWER_SECONDS = 7.0
"""How long requests that were read may take to be answered."""

SEND_SECONDS = 3.0
"""How long a client that has sent a part of a request may take for the rest."""

IDLE_SECONDS = 0.3
"""How long a connection that says nothing is kept: a request may be on its way."""

_TURN_SECONDS = 1.0
_LAST_TURN_SECONDS = 0.05


class Loop:
    """The loop over all sockets of one server; `run` in the main thread, `stop` from a signal handler."""

    def __init__(self, served: Watched, listeners: Sequence[BaseWSGIServer], threads: Threads) -> None:
        self._served = served
        self._listeners = listeners
        self._threads = threads
        self._stopping = False

    def run(self) -> None:
        """Serve until `stop`, then until nothing is owed to anybody, or the time for it is over."""
        while not self._stopping:
            self._served.turn(_TURN_SECONDS)
        began = time.monotonic()
        self._take_waiting()
        while (channels := self._channels()) and self._owed(channels, time.monotonic() - began):
            self._served.sweep()
            self._served.turn(_LAST_TURN_SECONDS)

    def stop(self) -> None:
        """Begin to end. Takes no lock, so a signal may call it, as often as it likes."""
        # Once: later the trigger is closed, and its number may be another file's.
        if not self._stopping:
            self._stopping = True
            self._listeners[0].pull_trigger()

    def close(self) -> None:
        """End the threads and close every socket."""
        self._threads.shutdown(timeout=1)
        wasyncore.close_all(self._served, ignore_all=True)
        self._served.close()

    def _channels(self) -> list[HTTPChannel]:
        return [one for one in list(self._served.values()) if isinstance(one, HTTPChannel)]

    def _take_waiting(self) -> None:
        """Take the connections that the system has made already, then no more."""
        for listener in self._listeners:
            known = -1
            while known != len(listener.active_channels):
                known = len(listener.active_channels)
                listener.handle_accept()
            listener.accepting = False
            # Its trigger stays: the threads wake this loop with it.
            wasyncore.dispatcher.close(listener)

    def _owed(self, channels: Sequence[HTTPChannel], seconds: float) -> bool:
        """Close what is owed nothing, and say whether there is still time for the rest."""
        for channel in channels:
            if channel.requests or channel.total_outbufs_len:
                continue
            if seconds > (IDLE_SECONDS if channel.request is None else SEND_SECONDS):
                channel.will_close = True
        return seconds < ANSWER_SECONDS
