"""What is kept of all subscriptions, after any change, against what is read anew."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import plans, subscriptions
from fluxrate.core.revenue.book import Book, Books
from fluxrate.core.services import Services
from fluxrate.core.store.subscriptions import Subscriptions
from tests.instances import NOW, make_meter, open_instance

DAY = 86_400_000_000


@pytest.fixture
def parts(tmp_path) -> Iterator[Services]:
    found = open_instance(tmp_path)
    make_meter(found)
    for name in ("a", "b"):
        found.store.customers.create(external_id=name, name=None, email=None, now=NOW)
        plans.create(found.store, found.catalog.meter, plan(name, "10"), NOW)
    yield found
    found.close()


def plan(name: str, amount: str) -> dict[str, object]:
    fixed = {"charge_type": "FIXED", "amount": amount}
    usage = {"charge_type": "USAGE", "meter_id": "calls", "unit_price": "0.1"}
    return {"external_id": name, "name": name, "plan_type": "HYBRID", "currency": "USD", "charges": [fixed, usage]}


def books(parts: Services) -> Books:
    return Books(parts.store, parts.engine, parts.catalog.meter)


def change(parts: Services, rng: random.Random, made: list[str]) -> None:
    """One change of one subscription, by a clock that is right or far behind."""
    now = NOW + rng.choice((rng.randint(0, DAY), -rng.randint(0, 300 * DAY)))
    kind = rng.choice(("new", "change", "change", "delete", "delete and new")) if made else "new"
    if kind.startswith("delete"):
        name = made.pop(rng.randrange(len(made)))
        subscriptions.delete(parts.store, subscriptions.find(parts.store, name), now, COMMAND_LINE)
    if kind.endswith("new"):
        made.append(f"s{rng.random()}")
        fields = {"external_id": made[-1], "customer_id": rng.choice("ab"), "plan_id": rng.choice("ab")}
        subscriptions.create(parts.store, fields | {"start_date": "2024-01-01"}, now)
    if kind == "change":
        found = subscriptions.find(parts.store, rng.choice(made))
        subscriptions.change(parts.store, found, {"quantity": rng.randint(0, 9**9)}, now, COMMAND_LINE)


def same(mine: Book, other: Book) -> None:
    assert [(one.subscription, one.history, one.billed) for one in mine.entries] == [
        (one.subscription, one.history, one.billed) for one in other.entries
    ]
    assert list(mine.by_key) == [one.subscription.pk for one in mine.entries]
    for name in ("subscriptions", "stretches", "eras"):
        assert getattr(mine.columns, name).tolist() == getattr(other.columns, name).tolist()


def test_what_is_kept_is_what_is_there(parts: Services) -> None:
    """After new, changed and deleted subscriptions, whatever the writers' clocks say, one or several at a time."""
    rng, made = random.Random(3), list[str]()
    kept = books(parts)
    for _ in range(120):
        for _ in range(rng.choice((0, 1, 1, 1, 3))):
            change(parts, rng, made)
        same(kept.now(), books(parts).now())


def test_a_change_while_it_is_read_is_there_the_next_time(parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens between the questions to the store is not lost."""
    rng, made = random.Random(4), list[str]()
    kept = books(parts)
    for name in ("edition_of_rows", "changed_since", "by_pks"):
        for _ in range(12):
            change(parts, rng, made)
            asked = getattr(Subscriptions, name)

            def meanwhile(self: Subscriptions, *args: object, asked: object = asked) -> object:
                found = asked(self, *args)  # type: ignore[operator]
                monkeypatch.undo()
                change(parts, rng, made)
                return found

            monkeypatch.setattr(Subscriptions, name, meanwhile)
            kept.now()
            monkeypatch.undo()
            same(kept.now(), books(parts).now())


def test_only_what_has_changed_is_read(parts: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of one of many subscriptions that one is read, and nothing of the others."""
    for number in range(20):
        fields = {"external_id": f"s{number}", "customer_id": "a", "plan_id": "a"}
        subscriptions.create(parts.store, fields, NOW + number)
    kept, read = books(parts), []
    kept.now()
    by_pks = Subscriptions.by_pks
    monkeypatch.setattr(Subscriptions, "by_pks", lambda self, pks: read.append(list(pks)) or by_pks(self, pks))
    monkeypatch.setattr(Subscriptions, "versions", None)
    found = subscriptions.find(parts.store, "s7")
    subscriptions.change(parts.store, found, {"quantity": 2}, NOW + DAY, COMMAND_LINE)
    kept.now()
    kept.now()
    assert read == [[found.pk]]


def test_a_plan_that_changes_once_nobody_is_on_it(parts: Services) -> None:
    """What terms were worth before its last subscription was deleted is not what they are worth now."""
    kept, worth = books(parts), []
    for amount in ("10", "25"):
        fields = {"external_id": "s", "customer_id": "a", "plan_id": "a"}
        made = subscriptions.create(parts.store, fields, NOW)
        book = kept.now()
        worth.append(book.worth(book.by_key[made.pk].history[-1]))
        subscriptions.delete(parts.store, made, NOW, COMMAND_LINE)
        if amount == "10":
            before = parts.store.plans.by_external_id("a")
            assert before is not None
            sent = {"charges": plan("a", "25")["charges"]}
            plans.change(parts.store, parts.catalog.meter, before, sent, NOW, COMMAND_LINE)
    assert worth == [(1_000, 1_000), (2_500, 2_500)]
