"""An instance copied to another database: every row the same, whatever interrupts it, and never over other data."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import select

from fluxrate.core.errors import ConfigError, Conflict
from fluxrate.core.store import Store, copying
from fluxrate.core.store.copying import Copy
from fluxrate.core.store.schema import METADATA, instance, sessions
from tests.contracts.migrations import ROOT
from tests.contracts.store_billing import fill_billing
from tests.contracts.store_case import MAX, NOW, make_meter, new
from tests.postgresql import Server

EVENTS = 3_000
WAYS = ("to postgresql", "to sqlite")


@pytest.fixture(params=WAYS)
def stores(request: pytest.FixtureRequest, tmp_path: Path, postgresql: Server) -> Iterator[tuple[Store, Store]]:
    """A filled store and an empty one of the other kind."""
    urls = [f"sqlite:///{tmp_path}/one.db", postgresql.emptied()]
    if request.param == "to sqlite":
        urls.reverse()
    made = [Store(url) for url in urls]
    for store, url in zip(made, urls, strict=True):
        store.url = url
        store.migrate()
    fill(made[0], random.Random(7))
    yield made[0], made[1]
    for store in made:
        store.close()


def fill(store: Store, rng: random.Random, events: int = EVENTS) -> None:
    """Meters, customers with and without events, events of every form, voids, keys, accounts, and gaps in the keys."""
    meters = [make_meter(store, name) for name in ("calls", "bytes", "idle")]
    store.meters.delete(make_meter(store, "mistaken").pk)
    for number in range(20):
        store.customers.create(external_id=f"idle-{number}", name="Ünï \t\\N", email=None, now=NOW)
    append(store, meters, rng, events)
    key = store.keys.create(name="k", prefix="p", digest=bytes(range(256)), scopes=("admin",), now=NOW)
    store.keys.revoke(key.pk, NOW + 1)
    user = store.users.create(email="a@x.test", password_hash="h", now=NOW)
    store.sessions.create(b"t", user.pk, NOW)
    store.instance.set("note", "kept")
    fill_billing(store)


def append(store: Store, meters: list, rng: random.Random, events: int) -> None:
    for start in range(0, events, 250):
        batch = [event(rng.choice(meters[:2]), rng) for _ in range(250)]
        # Sequences with holes, as repeats leave them.
        stored = store.events.append([*batch, batch[3]], NOW + start)
        for one in rng.sample(stored[:200], 5):
            if not one.duplicate:
                store.voids.add(one.event.seq, "a\treason", "key:k", NOW + start)


def event(meter, rng: random.Random):
    return new(
        meter,
        f"k{rng.getrandbits(60)}",
        customer_external_id=f"c{rng.randrange(40)}",
        timestamp=rng.randrange(2 * NOW),
        quantity=rng.choice([0, 1, MAX, rng.randrange(1 << 62)]),
        metadata=rng.choice([None, "{}", '{"a":"\\u0009\\\\N","b":"é\U0001f600"}']),
    )


def rows(store: Store) -> dict[str, list[tuple]]:
    """Every row of every table but the sessions and the mark of a copy."""
    found = {}
    with store.read() as connection:
        for table in METADATA.sorted_tables:
            query = select(table).order_by(*table.primary_key.columns)
            if table is instance:
                query = query.where(instance.c.key != "copy")
            if table is not sessions:
                found[table.name] = [tuple(row) for row in connection.execute(query)]
    return found


def same(source: Store, target: Store) -> None:
    theirs, ours = rows(target), rows(source)
    assert {name: len(found) for name, found in theirs.items()} == {name: len(found) for name, found in ours.items()}
    assert theirs == ours


def ignored(count: int) -> None:
    pass


def test_every_row_is_the_same(stores):
    """All tables hold the same rows, keys go on where the source's would, and sessions stay behind."""
    source, target = stores
    done = Copy(source, target).run(ignored)
    same(source, target)
    assert (done.events, done.upto, done.meters, done.later) == (EVENTS, source.events.last_seq(), 2, 0)
    assert target.sessions.get(b"t") is None
    copying.put_to_use(target)
    made = [make_meter(store, "next").pk for store in stores]
    assert made[0] == made[1]
    assert target.events.append([new(target.meters.get(made[0]), "z")], 0)[0].event.seq == done.upto + 1


def test_it_catches_up_with_what_came_and_what_changed(stores):
    """Run again, it takes what came since, and what was changed, added or removed in the other tables."""
    source, target = stores
    Copy(source, target).run(ignored)
    meters = source.meters.all()
    append(source, meters, random.Random(8), 500)
    source.users.set_password(source.users.by_email("a@x.test").pk, "other")
    source.customers.delete(source.customers.by_external_id("idle-3").pk)
    source.customers.create(external_id="idle-3", name="Again", email="x@x.test", now=NOW)
    source.keys.create(name="k2", prefix="p2", digest=b"", scopes=("usage.read",), now=NOW)
    copy = Copy(source, target)
    # What comes after the start is said to be later, and waits for the next run.
    append(source, meters, random.Random(9), 250)
    done = copy.run(ignored)
    assert (done.events, done.later > 250) == (500, True)
    assert Copy(source, target).run(ignored).events == 250
    same(source, target)
    assert Copy(source, target).run(ignored).events == 0


def test_a_killed_copy_goes_on_where_it_was(stores):
    """Killed again and again in the middle, it ends with the same rows; until then it cannot be served."""
    source, target = stores
    kills = 0
    for turn in range(40):
        command = [sys.executable, "-m", "tests.core.store.process", "copy", source.url, target.url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            pieces = list(islice(process.stdout, 3 + 5 * turn))
            process.kill()
        if len(pieces) < 3 + 5 * turn:
            break
        kills += 1
        with pytest.raises(ConfigError, match="unfinished"):
            copying.put_to_use(target)
    assert kills >= 2
    same(source, target)
    copying.put_to_use(target)


def test_a_target_with_other_data_is_refused_and_left_alone(stores):
    """Another instance's data, the same database, a copy that was served from, or of another instance: refused."""
    source, target = stores
    make_meter(target, "theirs")
    before = rows(target)
    with pytest.raises(Conflict, match="another instance's data \\(rows in meters\\)"):
        Copy(source, target)
    assert rows(target) == before
    target.meters.delete(target.meters.find("theirs").pk)
    with pytest.raises(Conflict, match="this very instance"):
        Copy(source, source)
    Copy(source, target).run(ignored)
    target.instance.set("id", "another")
    with pytest.raises(Conflict, match="of another instance"):
        Copy(source, target)
    target.instance.set("id", source.instance.get("id"))
    target.events.append([new(target.meters.find("calls"), "mine")], NOW)
    with pytest.raises(Conflict, match="events of its own"):
        Copy(source, target)
    copying.put_to_use(target)
    with pytest.raises(Conflict, match="served"):
        Copy(source, target)


def test_two_copies_at_once_do_no_harm(stores, monkeypatch):
    """The second finds that the first has moved on, and stops without a row in it twice."""
    source, target = stores
    monkeypatch.setattr(copying, "PIECE", 1_000)
    one, other = Copy(source, target), Copy(source, target)
    one.run(ignored)
    with pytest.raises(Conflict, match="Something else writes"):
        other.run(ignored)
    same(source, target)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET quantity = quantity + 1 WHERE seq = 7",
        "UPDATE events SET customer_pk = customer_pk + 1 WHERE seq = 7",
        "UPDATE events SET metadata = 'x' WHERE seq = 7",
        "DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events)",
        "DELETE FROM voids WHERE seq = (SELECT MAX(seq) FROM voids)",
    ],
)
def test_a_difference_is_found_and_said(tmp_path, damage):
    """What went wrong on the way is found at the end, and the copy is not finished."""
    stores = [Store(f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "two")]
    for store in stores:
        store.migrate()
    fill(stores[0], random.Random(3), 250)
    copy = Copy(*stores)

    def damaged(count: int) -> None:
        with stores[1].write() as connection:
            assert connection.exec_driver_sql(damage).rowcount == 1

    with pytest.raises(Conflict, match="The copy differs in"):
        copy.run(damaged)
    with pytest.raises(ConfigError, match="unfinished"):
        copying.put_to_use(stores[1])
    for store in stores:
        store.close()
