"""People and keys: making accounts, signing in, and the one-time link that creates the first administrator."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fluxrate.core import credentials, text
from fluxrate.core.errors import Conflict, Forbidden, Malformed, RuleBroken
from fluxrate.core.model import SCOPES, ApiKey, User
from fluxrate.core.store import Store

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_SETUP = "setup_token"


def create_user(store: Store, email: str, password: str, now: int) -> User:
    """A new account; raises Malformed, RuleBroken or Conflict."""
    return store.users.create(email=check_email(email), password_hash=credentials.hash_password(password), now=now)


def check_email(email: str) -> str:
    """The address in lower case; raises Malformed for what cannot be one."""
    cleaned = text.clean(email, "email", longest=255).lower()
    if not _EMAIL.fullmatch(cleaned):
        raise Malformed(f"email is an address such as ada@example.com, but {text.show(email)} came.", field="email")
    return cleaned


def sign_in(store: Store, email: str, password: str) -> User | None:
    """The account these belong to, or None; an unknown address takes as long as a wrong password."""
    user = store.users.by_email(email.strip().lower()) if "\0" not in email and len(email) < 256 else None
    fits = credentials.password_fits(None if user is None else user.password_hash, password)
    return user if fits else None


def new_setup_token(store: Store) -> str | None:
    """A fresh one-time token that may create the first administrator; None when there is an account already.

    Making one ends the validity of the one before.
    """
    if store.users.count():
        return None
    token = credentials.new_token()
    store.instance.set(_SETUP, credentials.digest(token).hex())
    return token


def setup_token_fits(store: Store, token: str) -> bool:
    """Whether the token may still create the first administrator."""
    kept = store.instance.get(_SETUP)
    return (
        bool(kept)
        and not store.users.count()
        and credentials.same(bytes.fromhex(kept or ""), credentials.digest(token))
    )


def create_first_administrator(store: Store, token: str, email: str, password: str, now: int) -> User:
    """Use up the one-time token; raises Forbidden when it does not fit (any more)."""
    address, hashed = check_email(email), credentials.hash_password(password)
    # Used up before the account is made: of several who open the link at once, one makes an account.
    if not setup_token_fits(store, token) or not store.instance.take(_SETUP, credentials.digest(token).hex()):
        raise Forbidden("This link has been used or replaced; the server prints a new one when it starts.")
    return store.users.create(email=address, password_hash=hashed, now=now)


def create_key(store: Store, name: str, scopes: Sequence[str], now: int) -> tuple[ApiKey, str]:
    """A new API key and its secret, which is shown now and never again."""
    if not scopes:
        raise RuleBroken(f"A key has at least one scope of {', '.join(SCOPES)}.", field="scopes")
    for scope in scopes:
        if scope not in SCOPES:
            raise Malformed(f"scopes are of {', '.join(SCOPES)}, but {text.show(scope)} came.", field="scopes")
    made = credentials.new_key()
    kept = store.keys.create(
        name=text.clean(name, "name"),
        prefix=made.prefix,
        digest=made.digest,
        scopes=tuple(scope for scope in SCOPES if scope in scopes),
        now=now,
    )
    return kept, made.secret


def key_of(store: Store, secret: str) -> ApiKey | None:
    """The key whose secret this is, if it is not revoked."""
    prefix = credentials.prefix_of(secret)
    found = store.keys.by_prefix(prefix) if prefix else None
    fits = found is not None and credentials.same(found.digest, credentials.digest(secret)) and found.revoked_at is None
    return found if fits else None


def revoke_key(store: Store, key: ApiKey, now: int) -> None:
    """End a key's validity at once; raises Conflict when it already ended."""
    if key.revoked_at is not None:
        raise Conflict(f"The key {key.name} is already revoked.")
    store.keys.revoke(key.pk, now)


def set_password(store: Store, user: User, password: str) -> None:
    """Replace a password; every session of the account ends. Raises RuleBroken."""
    store.users.set_password(user.pk, credentials.hash_password(password))
