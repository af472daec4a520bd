"""Passwords, API keys and session tokens: how they are made, and what of them is kept.

People's passwords are hashed with argon2id, at most two at a time, because each takes memory and a core; two more wait
for their turn, and further ones are refused, so that sign-ins never take all threads of the server. Keys and
tokens are 32 random bytes and are kept as SHA-256 digests: what cannot be guessed needs no slow hash, and a lookup
costs microseconds. (argon2 for every request was weighed: 20 ms each.)
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fluxrate.core.errors import RuleBroken, TooMany

KEY_START = "sk_live_"
PASSWORD_LEAST = 10
PASSWORD_MOST = 256

_PREFIX_LENGTH = 12
# OWASP's parameters for argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_AT_ONCE, _WAITING = 2, 2
_TURN = threading.BoundedSemaphore(_AT_ONCE)
_PLACE = threading.BoundedSemaphore(_AT_ONCE + _WAITING)
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at the one moment its secret is known: `secret` is shown once, `prefix` and `digest` are kept."""

    secret: str
    prefix: str
    digest: bytes


def new_key() -> NewKey:
    """A fresh API key `sk_live_<12 characters that name it>_<secret>`."""
    prefix = KEY_START + secrets.token_hex(_PREFIX_LENGTH // 2)
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    return NewKey(secret, prefix, digest(secret))


def prefix_of(secret: str) -> str | None:
    """The public part of a key's text, or None when it is no key of ours."""
    prefix = secret[: len(KEY_START) + _PREFIX_LENGTH]
    whole = secret.startswith(KEY_START) and secret.isascii() and secret[len(prefix) : len(prefix) + 1] == "_"
    return prefix if whole else None


def new_token() -> str:
    """A random token for a session or a one-time link."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is kept of a key or token."""
    return hashlib.sha256(token.encode()).digest()


def same(one: bytes, other: bytes) -> bool:
    """Equal, told in constant time."""
    return hmac.compare_digest(one, other)


def csrf_token(session_token: str) -> str:
    """The token that unsafe browser requests of a session carry; derived, so that nothing more is stored."""
    return hmac.new(session_token.encode(), b"csrf", hashlib.sha256).hexdigest()


def hash_password(password: str) -> str:
    """The argon2id hash; raises RuleBroken for a password that is too short or too long, TooMany when busy."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        raise RuleBroken(
            f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters, but {len(password)} came.",
            field="password",
        )
    with _turn():
        return _HASHER.hash(password)


def password_fits(password_hash: str | None, password: str) -> bool:
    """Whether the password made the hash; without a hash (nobody has that name) it takes as long and says no.

    Raises TooMany when too many passwords are being looked at.
    """
    with _turn():
        try:
            _HASHER.verify(password_hash or _NOBODY, password[:PASSWORD_MOST])
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


@contextmanager
def _turn() -> Iterator[None]:
    if not _PLACE.acquire(blocking=False):
        raise TooMany("Too many passwords are being checked at this moment; try again in a second.", retry_after=1)
    try:
        with _TURN:
            yield
    finally:
        _PLACE.release()
