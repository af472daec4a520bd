"""The sockets of one server, and which of them have something to read or room to write.

Waitress asks every connection before every wait what it waits for, and its threads wake the loop to ask again after
each answer. Here the system keeps what each socket waits for; an event takes it away, and whoever has dealt with the
event, the loop or a thread, says anew what the socket waits for. So a request costs the same beside four thousand idle
connections as alone, and no answer wakes the loop.
"""

from __future__ import annotations

import select
from contextlib import suppress
from time import monotonic
from typing import Any

from waitress import wasyncore
from waitress.trigger import trigger

SWEEP_SECONDS = 1.0
"""How often all sockets are looked at: a connection that has been idle for too long is closed then."""

_READ = select.EPOLLIN | select.EPOLLPRI
_MOST = 256


class Watched(dict[int, Any]):
    """Waitress' map of sockets by their number; what stands in it is watched."""

    def __init__(self) -> None:
        super().__init__()
        self._poll = select.epoll()
        self._sweep_at = 0.0

    def __setitem__(self, number: int, one: Any) -> None:
        """Watch a new socket, which may not be ready to say what it waits for yet."""
        super().__setitem__(number, one)
        self._poll.register(number, _READ | select.EPOLLONESHOT)

    def __delitem__(self, number: int) -> None:
        """Watch it no more."""
        super().__delitem__(number)
        with suppress(OSError):
            self._poll.unregister(number)

    def turn(self, seconds: float) -> None:
        """Wait so long at most, and deal with what came."""
        for number, flags in self._poll.poll(max(0.0, min(seconds, self._sweep_at - monotonic())), _MOST):
            one = self.get(number)
            if one is None:
                continue
            if not one.readable():
                # A thread has it, and says itself what it waits for when it is through.
                flags &= ~_READ
            wasyncore.readwrite(one, flags)
            if isinstance(one, trigger):
                # Somebody wants all to be looked at.
                self._sweep_at = 0.0
            self.watch(one)
        if monotonic() >= self._sweep_at:
            self.sweep()

    def sweep(self) -> None:
        """Ask every socket what it waits for."""
        self._sweep_at = monotonic() + SWEEP_SECONDS
        for one in list(self.values()):
            self.watch(one)

    def watch(self, one: Any) -> None:
        """Have the system say when what the socket waits for is there; from any thread.

        Only ever asks for more: what is asked for in vain is found to be nothing, and asked for again.
        """
        flags = _READ if one.readable() else 0
        if one.writable() and not one.accepting:
            flags |= select.EPOLLOUT
        if flags:
            # It may have been closed meanwhile.
            with suppress(OSError, ValueError, TypeError):
                self._poll.modify(one._fileno, flags | select.EPOLLONESHOT)

    def close(self) -> None:
        """Give the system's part back."""
        self._poll.close()
