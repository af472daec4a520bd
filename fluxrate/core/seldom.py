"""A line in the log due thousands of times a second while something is away: said once a second, with a count."""

from __future__ import annotations

import logging
import threading
import time

SECONDS = 1.0


class Seldom:
    """One kind of warning of one logger; safe to call from any thread."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._next = 0.0
        self._unsaid = 0

    def warning(self, message: str, *args: object) -> None:
        """Say it, and how many were left unsaid before; or count it, where the last was said within a second."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                self._unsaid += 1
                return
            self._next = now + SECONDS
            unsaid, self._unsaid = self._unsaid, 0
        if unsaid:
            message, args = message + " (and %d more such lines since the last)", (*args, unsaid)
        self._logger.warning(message, *args)
