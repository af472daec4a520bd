"""API keys, users, sessions and the facts of an instance in a store."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.store import Store
from tests.contracts.store_case import NOW, StoreCase


class AccountContract(StoreCase):
    def test_keys(self, store: Store) -> None:
        """A key is read back as created, found by id, prefix and name, and revoked once."""
        digest = bytes(range(32))
        key = store.keys.create(name="ci", prefix="sk_live_a", digest=digest, scopes=("usage.read", "admin"), now=NOW)
        assert (key.digest, key.scopes, key.last_used_at, key.revoked_at) == (
            digest,
            ("usage.read", "admin"),
            None,
            None,
        )
        assert type(key.digest) is bytes
        for ref in (key.id, key.prefix, key.name):
            assert store.keys.find(ref) == key
        assert store.keys.by_prefix("sk_live_a") == key
        assert store.keys.by_prefix("sk_live_") is store.keys.find("nobody") is None
        store.keys.touch(key.pk, NOW + 1)
        revoked = store.keys.revoke(key.pk, NOW + 2)
        assert (revoked.last_used_at, revoked.revoked_at) == (NOW + 1, NOW + 2)
        assert store.keys.revoke(key.pk, NOW + 3).revoked_at == NOW + 2
        with pytest.raises(NotFound):
            store.keys.revoke(99, NOW)

    def test_key_changes(self, store: Store) -> None:
        """What is given of a key in force changes, and nothing else; a revoked or unknown one does not change."""
        key = store.keys.create(name="ci", prefix="a", digest=b"d", scopes=("usage.read",), now=NOW)
        assert store.keys.update(key.pk) == key
        named = store.keys.update(key.pk, name="build")
        assert named == replace(key, name="build")
        assert store.keys.update(key.pk, scopes=("usage.write", "admin")) == replace(
            named, scopes=("usage.write", "admin")
        )
        revoked = store.keys.revoke(key.pk, NOW)
        with pytest.raises(Conflict, match="revoked"):
            store.keys.update(key.pk, name="late")
        assert store.keys.by_prefix("a") == revoked
        with pytest.raises(NotFound):
            store.keys.update(99, name="x")

    def test_key_conflicts(self, store: Store) -> None:
        """A prefix is given once; a name may be given twice, and then names the one in force or nothing."""

        def create(prefix: str) -> int:
            return store.keys.create(name="ci", prefix=prefix, digest=b"d", scopes=(), now=NOW).pk

        first, second = create("a"), create("b")
        with pytest.raises(Conflict) as taken:
            create("a")
        assert taken.value.field == "prefix"
        with pytest.raises(Conflict, match="2 keys are named 'ci'"):
            store.keys.find("ci")
        store.keys.revoke(first, NOW)
        found = store.keys.find("ci")
        assert found is not None
        assert found.pk == second
        assert [key.pk for key in store.keys.all()] == [second, first]
        page, total = store.keys.list(page=2, page_size=1)
        assert ([key.pk for key in page], total) == ([first], 2)

    def test_users(self, store: Store) -> None:
        """An account is found by its address in any case, and an address has one account."""
        assert store.users.count() == 0
        user = store.users.create(email="Ann@Example.test", password_hash="h", now=NOW)
        assert user.email == "ann@example.test"
        assert store.users.by_email("ANN@example.TEST") == store.users.get(user.pk) == user
        assert store.users.by_email("bob@example.test") is store.users.get(99) is None
        with pytest.raises(Conflict) as taken:
            store.users.create(email="ann@EXAMPLE.test", password_hash="x", now=NOW)
        assert taken.value.field == "email"
        assert store.users.all() == [user]
        assert store.users.count() == 1

    def test_new_password_ends_sessions(self, store: Store) -> None:
        """A new password ends every session of that account and of no other."""
        ann = store.users.create(email="ann@x.test", password_hash="old", now=NOW)
        bob = store.users.create(email="bob@x.test", password_hash="old", now=NOW)
        for token, user in ((b"1", ann), (b"2", ann), (b"3", bob)):
            store.sessions.create(token, user.pk, NOW)
        store.users.set_password(ann.pk, "new")
        changed = store.users.get(ann.pk)
        assert changed is not None
        assert changed.password_hash == "new"
        assert [store.sessions.get(token) is None for token in (b"1", b"2", b"3")] == [True, True, False]
        with pytest.raises(NotFound):
            store.users.set_password(99, "x")

    def test_an_account_goes_with_its_sessions_but_never_the_last(self, store: Store) -> None:
        ann = store.users.create(email="ann@x.test", password_hash="hash", now=NOW)
        with pytest.raises(Conflict):
            store.users.remove(ann.pk)
        bob = store.users.create(email="bob@x.test", password_hash="hash", now=NOW)
        store.sessions.create(b"a" * 32, ann.pk, NOW)
        store.users.remove(ann.pk)
        assert store.sessions.get(b"a" * 32) is None
        assert store.users.all() == [bob]
        store.users.create(email="cat@x.test", password_hash="hash", now=NOW)
        with pytest.raises(NotFound):
            store.users.remove(ann.pk)

    def test_sessions(self, store: Store) -> None:
        """A session is found by its digest until it is deleted."""
        user = store.users.create(email="ann@x.test", password_hash="h", now=NOW)
        session = store.sessions.create(b"\x00\xff", user.pk, NOW)
        assert store.sessions.get(b"\x00\xff") == session
        store.sessions.touch(b"\x00\xff", NOW + 5)
        touched = store.sessions.get(b"\x00\xff")
        assert touched is not None
        assert (touched.created_at, touched.last_seen_at) == (NOW, NOW + 5)
        assert type(touched.token_digest) is bytes
        store.sessions.delete(b"\x00\xff")
        store.sessions.delete(b"\x00\xff")
        assert store.sessions.get(b"\x00\xff") is None
        with pytest.raises(NotFound):
            store.sessions.create(b"x", 99, NOW)

    def test_purge(self, store: Store) -> None:
        """A purge removes what was idle too long or opened too long ago, and says how many."""
        user = store.users.create(email="ann@x.test", password_hash="h", now=NOW)
        for token, opened, seen in ((b"fresh", 50, 100), (b"idle", 50, 60), (b"old", 5, 100), (b"both", 1, 2)):
            store.sessions.create(token, user.pk, opened)
            store.sessions.touch(token, seen)
        assert store.sessions.purge(idle_before=70, created_before=10) == 3
        assert store.sessions.get(b"fresh") is not None
        assert store.sessions.purge(idle_before=70, created_before=10) == 0

    def test_instance(self, store: Store, url: str) -> None:
        """Facts are texts by name; the instance's id is a UUID that stays."""
        own = store.instance.get("id")
        assert own is not None
        assert uuid.UUID(own).version == 4
        assert store.instance.get("x") is None
        store.instance.set("x", "1")
        store.instance.set("x", "\u00e9")
        assert store.instance.get("x") == "\u00e9"
        store.instance.delete("x")
        store.instance.delete("x")
        assert store.instance.get("x") is None
        again = Store(url)
        again.migrate()
        assert again.instance.get("id") == own
        again.close()
