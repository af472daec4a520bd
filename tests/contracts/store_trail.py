"""The audit trail in a store: added to, read from the end, in one transaction with the change."""

from __future__ import annotations

import pytest

from fluxrate.core.errors import Conflict, NotFound
from fluxrate.core.model import COMMAND_LINE, By, Entry, Note
from fluxrate.core.store import Store
from tests.contracts.store_case import NOW, StoreCase, make_meter, new, together

KEY = By("key:sk_live_0123456789ab a%_b", "2001:db8::1")


def listed(store: Store, start: int = 0, end: int = 2 * NOW, **wanted: str | int) -> list[Entry]:
    chosen = {"actor": None, "action": None, "page": 1, "page_size": 100} | wanted
    return store.trail.list(start, end, **chosen)[0]  # type: ignore[arg-type]


def note(action: str, at: int = NOW, by: By = COMMAND_LINE, **details: object) -> Note:
    return Note(by, action, "meter:calls", at, details)


class TrailContract(StoreCase):
    def test_what_is_kept_of_a_note(self, store: Store) -> None:
        """Every field comes back as it was given, in any script, and the latest stands first."""
        store.trail.add(note("meter.created", by=KEY, name="É中🙂", n=[1, {"x": None}]))
        store.trail.add(Note(COMMAND_LINE, "user.created", None, NOW - 5))
        second, first = listed(store)
        assert (first.at, first.actor, first.address, first.target) == (NOW, KEY.actor, KEY.address, "meter:calls")
        assert (first.action, first.details) == ("meter.created", {"name": "É中🙂", "n": [1, {"x": None}]})
        assert (second.at, second.address, second.target, second.details) == (NOW - 5, None, None, {})
        assert second.pk > first.pk

    def test_windows_and_filters(self, store: Store) -> None:
        """Half-open windows; an actor whole or without a key's name, with no character of it a pattern."""
        for at in (NOW, NOW + 1, NOW + 2):
            store.trail.add(note("meter.created", at))
        store.trail.add(note("key.created", by=KEY))
        assert [entry.at for entry in listed(store, NOW, NOW + 2)] == [NOW, NOW + 1, NOW]
        assert len(listed(store, action="key.created")) == 1
        assert len(listed(store, actor="key:sk_live_0123456789ab")) == 1
        assert len(listed(store, actor=KEY.actor, action="key.created")) == 1
        for nobody in ("key:sk_live_0123456789a", "key:sk_live_%", "key:sk_live_0123456789ab a", "c", "cli\0", ""):
            assert listed(store, actor=nobody) == []
        page, total = store.trail.list(0, 2 * NOW, actor=None, action=None, page=2, page_size=3)
        assert (len(page), total) == (1, 4)

    def test_a_change_and_its_note_are_one(self, store: Store) -> None:
        """What fails leaves neither; what is done leaves both, once."""
        meter = make_meter(store, note=note("meter.created"))
        with pytest.raises(Conflict):
            make_meter(store, note=note("meter.created"))
        with pytest.raises(NotFound):
            store.meters.update(99, {"unit": "B"}, NOW, note("meter.updated"))
        with pytest.raises(NotFound):
            store.users.set_password(99, "x", note("password.changed"))
        with pytest.raises(NotFound):
            store.sessions.create(b"x", 99, NOW, note("user.signed_in"))
        with pytest.raises(NotFound):
            store.voids.add(99, "r", "cli", NOW, note("event.voided"))
        (stored,) = store.events.append([new(meter)], NOW)
        store.voids.add(stored.event.seq, "r", "cli", NOW, note("event.voided"))
        with pytest.raises(Conflict):
            store.voids.add(stored.event.seq, "r", "cli", NOW, note("event.voided"))
        store.sessions.delete(b"nobody", note("user.signed_out"))
        assert [entry.action for entry in listed(store)] == ["event.voided", "meter.created"]

    def test_of_several_who_revoke_a_key_one_is_kept(self, store: Store) -> None:
        """The trail says once that a key was revoked, with the one who did it."""
        key = store.keys.create(name="k", prefix="p", digest=b"d", scopes=(), now=NOW)
        together(6, lambda number: store.keys.revoke(key.pk, NOW + number, note("key.revoked", NOW + number)))
        (entry,) = listed(store)
        found = store.keys.by_prefix("p")
        assert found is not None
        assert found.revoked_at == entry.at
