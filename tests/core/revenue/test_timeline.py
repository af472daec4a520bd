"""What is kept from one question to the next is what is there: after additions, removals, and both at once."""

from __future__ import annotations

import random

import pytest

from fluxrate.core.model import COMMAND_LINE
from fluxrate.core.revenue import plans, subscriptions
from fluxrate.core.revenue.mrr import Steps
from fluxrate.core.revenue.timeline import Timeline
from fluxrate.core.services import Services
from tests.instances import NOW, open_instance

DAY = 86_400_000_000


@pytest.fixture
def parts(tmp_path):
    made = open_instance(tmp_path)
    made.store.customers.create(external_id="acme", name=None, email=None, now=NOW)
    for number, currency in enumerate(("USD", "EUR", "JPY")):
        charges = [{"charge_type": "FIXED", "amount": str(100 + number)}]
        fields = {"external_id": currency, "name": currency, "plan_type": "FIXED", "currency": currency}
        plans.create(made.store, made.catalog.meter, fields | {"charges": charges}, NOW)
    yield made
    made.store.close()


def told(steps: tuple[Steps, ...]) -> list[tuple[object, ...]]:
    names = ("subscription", "customer", "at", "mrr", "active", "first")
    return [(each.currency, *(getattr(each, name).tolist() for name in names)) for each in steps]


def add(parts: Services, rng: random.Random) -> None:
    fields = {"customer_id": "acme", "plan_id": rng.choice(("USD", "EUR", "JPY")), "quantity": rng.randint(0, 9)}
    start = {"start_date": f"2025-0{rng.randint(1, 5)}-01"}
    subscriptions.create(parts.store, fields | start, NOW)


def change(parts: Services, rng: random.Random) -> None:
    rows = parts.store.subscriptions.list(page=1, page_size=100)[0]
    found = rng.choice(rows)
    since = parts.store.subscriptions.history(found.pk)[-1].at
    wanted = {"quantity": rng.randint(0, 9), "status": rng.choice(subscriptions.NEXT[found.status])}
    at = min(NOW, since + rng.choice((0, DAY)))
    fields = wanted | {"effective_at": f"{at / 1e6:.0f}"}
    fields["effective_at"] = subscriptions.rfc3339(at)
    subscriptions.change(parts.store, found, fields, NOW, COMMAND_LINE)


def remove(parts: Services, rng: random.Random) -> None:
    rows = parts.store.subscriptions.list(page=1, page_size=100)[0]
    # The newest goes as well as any other: its keys were the last ones.
    subscriptions.delete(parts.store, rng.choice((rows[0], rng.choice(rows))), NOW, COMMAND_LINE)


def test_what_is_kept_is_what_is_there(parts):
    """After every change, one or several since the last question, the same as read anew."""
    rng, kept = random.Random(3), Timeline(parts.store)
    for _ in range(4):
        add(parts, rng)
    for _ in range(150):
        for _ in range(rng.choice((1, 1, 2, 3))):
            rng.choice((add, change, change, change, remove))(parts, rng)
            if parts.store.subscriptions.list(page=1, page_size=1)[1] < 3:
                add(parts, rng)
        assert told(kept.steps()) == told(Timeline(parts.store).steps())
    assert kept.steps() is kept.steps()


def test_a_state_with_an_earlier_key_that_comes_later_is_not_missed(parts):
    """Keys are given out before they are committed: what was kept up to a later key is read again as a whole."""
    add(parts, random.Random(1))
    kept = Timeline(parts.store)
    before = kept.steps()
    row = parts.store.subscriptions.list(page=1, page_size=1)[0][0]
    insert = "INSERT INTO subscription_states (pk, subscription_pk, at, status, plan_pk, quantity, discount) VALUES "
    for pk in (9, 5):
        values = f"({pk}, {row.pk}, {NOW + pk}, 'ACTIVE', {row.plan_pk}, {pk}, 0)"
        with parts.store.write() as connection:
            connection.exec_driver_sql(insert + values)
        assert told(kept.steps()) == told(Timeline(parts.store).steps()) != told(before)


def test_only_what_is_new_is_read(parts, monkeypatch):
    """After a change one state is read, and none again."""
    rng = random.Random(2)
    for _ in range(5):
        add(parts, rng)
    kept = Timeline(parts.store)
    kept.steps()
    seen = []
    read = parts.store.subscriptions.histories

    def histories(after: int = 0, upto: int | None = None):
        rows = read(after, upto)
        seen.append(len(rows))
        return rows

    monkeypatch.setattr(parts.store.subscriptions, "histories", histories)
    change(parts, rng)
    kept.steps()
    kept.steps()
    assert seen == [1]


def test_amounts_that_grow_beyond_64_bits(parts):
    """Sums of what was kept and what is new are exact whatever they come to."""
    charges = [{"charge_type": "FIXED", "amount": "100000000000"}]
    fields = {"external_id": "much", "name": "Much", "plan_type": "FIXED", "currency": "USD", "charges": charges}
    plans.create(parts.store, parts.catalog.meter, fields, NOW)
    kept = Timeline(parts.store)
    totals = []
    for quantity in (1, 10**5, 10**9, 10**9):
        fields = {"customer_id": "acme", "plan_id": "much", "quantity": quantity, "start_date": "2025-01-01"}
        subscriptions.create(parts.store, fields, NOW)
        totals.append(sum(kept.steps()[0].mrr.tolist()))
    assert totals == [10**13, 10**13 + 10**18, 10**13 + 10**18 + 10**22, 10**13 + 10**18 + 2 * 10**22]
    assert int(kept.steps()[0].mrr.sum()) == totals[-1]
