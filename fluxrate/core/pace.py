"""How often somebody may: requests of one API key, and failed sign-ins from one address.

Each process counts for itself and in memory. The counting is the library `limits`; its store starts a thread, so it is
made at first use and never before a fork.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from fluxrate.core.errors import TooMany

FAILURES = 10
"""Failed sign-ins from one address after which it waits, whichever accounts they were for."""
MINUTES = 15
"""How long a failed sign-in is remembered."""

_FAILURES = RateLimitItemPerMinute(FAILURES, MINUTES)
# What an attacker with IPv6 has is a network, not an address.
_IPV6_NETWORK = 64


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key is in its rate: `remaining` requests of `limit` a minute, and `reset` seconds until all of them are
    there again. `allowed` is whether the request that was counted may go on.
    """

    allowed: bool
    limit: int
    remaining: int
    reset: int


class KeyRate:
    """How many requests a minute one API key may make; 0 sets no limit. A minute begins with the first request after
    the last one. (A sliding minute was weighed: twice the time, and what a client is told to wait for is one request.)
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._item = RateLimitItemPerMinute(max(per_minute, 1))

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        return FixedWindowRateLimiter(MemoryStorage())

    def count(self, key_pk: int) -> Standing:
        """Count one request."""
        name = str(key_pk)
        allowed = self._limiter.hit(self._item, name)
        reset_at, remaining = self._limiter.get_window_stats(self._item, name)
        return Standing(allowed, self.per_minute, remaining, max(1, math.ceil(reset_at - time.time())))


class SignIns:
    """Holds back an address that failed to sign in too often; whoever is signed in already is not concerned."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    @cached_property
    def _limiter(self) -> MovingWindowRateLimiter:
        return MovingWindowRateLimiter(MemoryStorage())

    @contextmanager
    def attempt(self, address: str | None) -> Iterator[Attempt]:
        """Let one password of this address be looked at. Raises TooMany when ten failed within a quarter of an hour,
        before the password is looked at: while an address is held back, a right one is refused as well.
        """
        name = _network(address)
        with self._lock:
            until, left = self._limiter.get_window_stats(_FAILURES, name)
            # Those that are being looked at may all fail: a burst gets no more than ten either.
            if left <= self._under_way[name]:
                wait = 1 if left else max(1, math.ceil(until - time.time()))
                raise TooMany(
                    f"Too many failed sign-ins came from your address; try again in {_minutes(wait)}.",
                    retry_after=wait,
                )
            self._under_way[name] += 1
        made = Attempt()
        try:
            yield made
        finally:
            with self._lock:
                self._under_way[name] -= 1
                if not self._under_way[name]:
                    del self._under_way[name]
                if made.failed:
                    self._limiter.hit(_FAILURES, name)


@dataclass(slots=True)
class Attempt:
    """One password being looked at; `failed` is set when it was wrong."""

    failed: bool = False


def _network(address: str | None) -> str:
    try:
        found = ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((int(found), _IPV6_NETWORK), strict=False))
    return str(found)


def _minutes(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
