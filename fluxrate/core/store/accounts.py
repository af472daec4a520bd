"""Who may come in: API keys, users, and the sessions of signed-in browsers.

No secret is stored, only digests and hashes. A `note` goes into the audit trail with the change.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import exc as sql
from sqlalchemy import func, or_, select

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import ApiKey, Note, Session, User
from fluxrate.core.store import trail
from fluxrate.core.store.connect import Database
from fluxrate.core.store.faults import is_foreign_key_violation, is_unique_violation
from fluxrate.core.store.paging import Many, Page, page_of
from fluxrate.core.store.schema import api_keys, sessions, users

_NEWEST = (api_keys.c.created_at.desc(), api_keys.c.pk.desc())


class Keys:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.edition = object()
        """Another object after every change of the table through this value: what was read before may be old."""

    def create(
        self, *, name: str, prefix: str, digest: bytes, scopes: tuple[str, ...], now: int, note: Note | None = None
    ) -> ApiKey:
        """Add a key. Raises Conflict when `prefix` is taken."""
        values = {
            "id": str(uuid.uuid4()),
            "name": name,
            "prefix": prefix,
            "digest": digest,
            "scopes": " ".join(scopes),
            "created_at": now,
        }
        try:
            with self._database.write() as connection:
                row = connection.execute(api_keys.insert().values(values).returning(*api_keys.c)).one()
                trail.write(connection, note)
            self.edition = object()
        except sql.IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise Conflict("Another key begins like this one; make a new one.", field="prefix") from error
        return _key(row)

    def list(self, *, page: int, page_size: int) -> Page[ApiKey]:
        """One page of the keys, newest first, and how many there are in all."""
        with self._database.read() as connection:
            rows, total = page_of(connection, select(api_keys), _NEWEST, page, page_size)
        return [_key(row) for row in rows], total

    def all(self) -> Many[ApiKey]:
        """Every key, newest first, revoked ones too."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(*_NEWEST))]

    def by_prefix(self, prefix: str) -> ApiKey | None:
        """The key with this prefix, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(api_keys.c.prefix == prefix)).first()
        return None if row is None else _key(row)

    def find(self, ref: str) -> ApiKey | None:
        """The key whose id, else whose prefix, else whose name is `ref`.

        Keys in force come before revoked ones of the same name. Raises Conflict when several are left.
        """
        mine = or_(api_keys.c.id == ref.lower(), api_keys.c.prefix == ref, api_keys.c.name == ref)
        with self._database.read() as connection:
            found = [_key(row) for row in connection.execute(select(api_keys).where(mine).order_by(*_NEWEST))]
        for key in found:
            if key.id == ref.lower() or key.prefix == ref:
                return key
        named = [key for key in found if key.revoked_at is None] or found
        if len(named) > 1:
            raise Conflict(f"{len(named)} keys are named {ref!r}; name one by its id or prefix.")
        return named[0] if named else None

    def update(
        self, pk: int, *, name: str | None = None, scopes: tuple[str, ...] | None = None, note: Note | None = None
    ) -> ApiKey:
        """Change what is given of a key in force. Raises NotFound, or Conflict when it was revoked."""
        changes = {"name": name, "scopes": None if scopes is None else " ".join(scopes)}
        values = {field: value for field, value in changes.items() if value is not None}
        mine = api_keys.c.pk == pk
        with self._database.write() as connection:
            if (
                values
                and connection.execute(
                    api_keys.update().where(mine, api_keys.c.revoked_at.is_(None)).values(values)
                ).rowcount
            ):
                trail.write(connection, note)
            row = connection.execute(select(api_keys).where(mine)).first()
        self.edition = object()
        if row is None:
            raise NotFound("There is no such key.")
        if row.revoked_at is not None:
            raise Conflict(f"The key {row.name} is revoked, so it cannot be changed.")
        return _key(row)

    def revoke(self, pk: int, now: int, note: Note | None = None) -> ApiKey:
        """End a key; one that was ended before keeps its time and is not noted again. Raises NotFound."""
        mine = api_keys.c.pk == pk
        statement = api_keys.update().where(mine, api_keys.c.revoked_at.is_(None)).values(revoked_at=now)
        with self._database.write() as connection:
            if connection.execute(statement).rowcount:
                trail.write(connection, note)
            row = connection.execute(select(api_keys).where(mine)).first()
        self.edition = object()
        if row is None:
            raise NotFound("There is no such key.")
        return _key(row)

    def touch(self, pk: int, now: int) -> None:
        """Note that the key was used. Each call waits for the disk: not for every request."""
        with self._database.write() as connection:
            connection.execute(api_keys.update().where(api_keys.c.pk == pk).values(last_used_at=now))
        self.edition = object()


class Users:
    """The table of people who sign in; e-mail addresses are kept in lower case."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, *, email: str, password_hash: str, now: int, note: Note | None = None) -> User:
        """Add an account. Raises Conflict when the address has one."""
        low = email.lower()
        values = {"id": str(uuid.uuid4()), "email": low, "password_hash": password_hash, "created_at": now}
        try:
            with self._database.write() as connection:
                user = User(*connection.execute(users.insert().values(values).returning(*users.c)).one())
                trail.write(connection, note)
                return user
        except sql.IntegrityError as error:
            if not is_unique_violation(error):
                raise
            raise Conflict(f"There is an account for {low} already.", field="email") from error

    def by_email(self, email: str) -> User | None:
        """The account of this address, in any case, or None."""
        return self._one(users.c.email == email.lower())

    def get(self, pk: int) -> User | None:
        """The account of this key, or None."""
        return self._one(users.c.pk == pk)

    def all(self) -> list[User]:
        """Every account by address."""
        with self._database.read() as connection:
            return [User(*row) for row in connection.execute(select(users).order_by(users.c.email))]

    def count(self) -> int:
        """How many accounts there are."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(users)).scalar_one()

    def set_password(self, pk: int, password_hash: str, note: Note | None = None) -> None:
        """Change the password and end every session of the account. Raises NotFound."""
        statement = users.update().where(users.c.pk == pk).values(password_hash=password_hash)
        with self._database.write() as connection:
            if not connection.execute(statement).rowcount:
                raise NotFound("There is no such account.")
            connection.execute(sessions.delete().where(sessions.c.user_pk == pk))
            trail.write(connection, note)

    def remove(self, pk: int, note: Note | None = None) -> None:
        """Take an account away and end its sessions. Raises NotFound, or Conflict for the last one."""
        with self._database.write() as connection:
            # Counted while nobody else writes: of two that remove each other one stays.
            if connection.execute(select(func.count()).select_from(users)).scalar_one() == 1:
                raise Conflict("This is the last account; without one nobody could sign in.")
            connection.execute(sessions.delete().where(sessions.c.user_pk == pk))
            if not connection.execute(users.delete().where(users.c.pk == pk)).rowcount:
                raise NotFound("There is no such account.")
            trail.write(connection, note)

    def _one(self, condition: Any) -> User | None:
        with self._database.read() as connection:
            row = connection.execute(select(users).where(condition)).first()
        return None if row is None else User(*row)


class Sessions:
    """The table of sessions, found by the digest of their token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, token_digest: bytes, user_pk: int, now: int, note: Note | None = None) -> Session:
        """Open a session. Raises NotFound when the account is gone."""
        session = Session(token_digest=token_digest, user_pk=user_pk, created_at=now, last_seen_at=now)
        values = {
            "token_digest": token_digest,
            "user_pk": user_pk,
            "created_at": now,
            "last_seen_at": now,
        }
        try:
            with self._database.write() as connection:
                connection.execute(sessions.insert().values(values))
                trail.write(connection, note)
        except sql.IntegrityError as error:
            if not is_foreign_key_violation(error):
                raise
            raise NotFound("There is no such account.") from error
        return session

    def get(self, token_digest: bytes) -> Session | None:
        """The session of this token, or None; whether it is too old is the caller's judgement."""
        with self._database.read() as connection:
            query = select(sessions).where(sessions.c.token_digest == token_digest)
            row = connection.execute(query).first()
        return None if row is None else Session(*row)

    def touch(self, token_digest: bytes, now: int) -> None:
        """Note that the session was used. Each call waits for the disk: not for every request."""
        mine = sessions.c.token_digest == token_digest
        with self._database.write() as connection:
            connection.execute(sessions.update().where(mine).values(last_seen_at=now))

    def delete(self, token_digest: bytes, note: Note | None = None) -> None:
        """End a session, if there is one; one that is not there is not noted."""
        with self._database.write() as connection:
            if connection.execute(sessions.delete().where(sessions.c.token_digest == token_digest)).rowcount:
                trail.write(connection, note)

    def purge(self, *, idle_before: int, created_before: int) -> int:
        """Remove sessions unseen since `idle_before` or opened before `created_before`; gives how many."""
        old = or_(sessions.c.last_seen_at < idle_before, sessions.c.created_at < created_before)
        with self._database.write() as connection:
            return connection.execute(sessions.delete().where(old)).rowcount


def _key(row: Any) -> ApiKey:
    fields = row._asdict()
    return ApiKey(**fields | {"scopes": tuple(fields["scopes"].split()), "digest": bytes(fields["digest"])})
