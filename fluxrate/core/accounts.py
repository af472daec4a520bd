"""People and keys: making accounts, signing in, and the one-time link that creates the first administrator.

Every change is kept in the audit trail with who made it: `by` is whoever runs a command unless said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fluxrate.core import credentials, text
from fluxrate.core.errors import Conflict, Forbidden, Malformed, RuleBroken
from fluxrate.core.model import COMMAND_LINE, SCOPES, ApiKey, By, Note, User
from fluxrate.core.store import Store
from fluxrate.core.trail import changes_of

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_SETUP = "setup_token"


def create_user(store: Store, email: str, password: str, now: int, by: By = COMMAND_LINE) -> User:
    """A new account; raises Malformed, RuleBroken or Conflict."""
    address = check_email(email)
    note = Note(by, "user.created", f"user:{address}", now)
    return store.users.create(email=address, password_hash=credentials.hash_password(password), now=now, note=note)


def check_email(email: str) -> str:
    """The address in lower case; raises Malformed for what cannot be one."""
    cleaned = text.clean(email, "email", longest=255).lower()
    if not _EMAIL.fullmatch(cleaned):
        raise Malformed(f"email is an address such as ada@example.com, but {text.show(email)} came.", field="email")
    return cleaned


def sign_in(store: Store, email: str, password: str) -> User | None:
    """The account these belong to, or None; an unknown address takes as long as a wrong password."""
    user = _by_email(store, email)
    fits = credentials.password_fits(None if user is None else user.password_hash, password)
    return user if fits else None


def note_failure(store: Store, email: str, client: str | None, now: int) -> None:
    """Keep in the audit trail that somebody failed to sign in.

    With the address of the account only where there is one: people type passwords into the wrong field.
    """
    user = _by_email(store, email)
    target = f"user:{user.email}" if user else None
    store.trail.add(Note(By("nobody", client), "sign_in.failed", target, now))


def _by_email(store: Store, email: str) -> User | None:
    return store.users.by_email(email.strip().lower()) if "\0" not in email and len(email) < 256 else None


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


def create_first_administrator(
    store: Store, token: str, email: str, password: str, now: int, client: str | None = None
) -> User:
    """Use up the one-time token; raises Forbidden when it does not fit (any more).

    `client` is the network address that the request came from.
    """
    address, hashed = check_email(email), credentials.hash_password(password)
    # Used up before the account is made: of several who open the link at once, one makes an account.
    if not setup_token_fits(store, token) or not store.instance.take(_SETUP, credentials.digest(token).hex()):
        raise Forbidden("This link has been used or replaced; the server prints a new one when it starts.")
    note = Note(By(f"user:{address}", client), "user.created", f"user:{address}", now, {"with": "the one-time link"})
    return store.users.create(email=address, password_hash=hashed, now=now, note=note)


def remove_user(store: Store, user: User, now: int, by: By = COMMAND_LINE) -> None:
    """Take an account away, its sessions with it; what it did stays in the trail. Raises Conflict for the last one."""
    store.users.remove(user.pk, Note(by, "user.removed", f"user:{user.email}", now))


def create_key(store: Store, name: str, scopes: Sequence[str], now: int, by: By = COMMAND_LINE) -> tuple[ApiKey, str]:
    """A new API key and its secret, which is shown now and never again."""
    granted = _granted(scopes)
    made, shown = credentials.new_key(), text.clean(name, "name")
    note = Note(by, "key.created", f"key:{made.prefix}", now, {"name": shown, "scopes": granted})
    kept = store.keys.create(name=shown, prefix=made.prefix, digest=made.digest, scopes=granted, now=now, note=note)
    return kept, made.secret


def change_key(store: Store, key: ApiKey, fields: Mapping[str, Any], now: int, by: By = COMMAND_LINE) -> ApiKey:
    """Change a key's name or scopes; its secret stays. Raises RuleBroken, Malformed, or Conflict for a revoked one."""
    name = text.clean(fields["name"], "name") if "name" in fields else key.name
    scopes = _granted(fields["scopes"]) if "scopes" in fields else key.scopes
    said = changes_of(key, {"name": name, "scopes": scopes})
    note = Note(by, "key.updated", f"key:{key.prefix}", now, said)
    return store.keys.update(key.pk, name=name, scopes=scopes, note=note)


def key_of(store: Store, secret: str) -> ApiKey | None:
    """The key whose secret this is, if it is not revoked."""
    prefix = credentials.prefix_of(secret)
    found = store.keys.by_prefix(prefix) if prefix else None
    fits = found is not None and credentials.same(found.digest, credentials.digest(secret)) and found.revoked_at is None
    return found if fits else None


def revoke_key(store: Store, key: ApiKey, now: int, by: By = COMMAND_LINE) -> None:
    """End a key's validity at once; raises Conflict when it already ended."""
    if key.revoked_at is not None:
        raise Conflict(f"The key {key.name} is already revoked.")
    store.keys.revoke(key.pk, now, Note(by, "key.revoked", f"key:{key.prefix}", now, {"name": key.name}))


def _granted(scopes: Sequence[str]) -> tuple[str, ...]:
    """The scopes in their usual order; raises RuleBroken for none, Malformed for what is none."""
    if not scopes:
        raise RuleBroken(f"A key has at least one scope of {', '.join(SCOPES)}.", field="scopes")
    for scope in scopes:
        if scope not in SCOPES:
            raise Malformed(f"scopes are of {', '.join(SCOPES)}, but {text.show(scope)} came.", field="scopes")
    return tuple(scope for scope in SCOPES if scope in scopes)


def set_password(store: Store, user: User, password: str, now: int, by: By = COMMAND_LINE) -> None:
    """Replace a password; every session of the account ends. Raises RuleBroken."""
    note = Note(by, "password.changed", f"user:{user.email}", now)
    store.users.set_password(user.pk, credentials.hash_password(password), note)
