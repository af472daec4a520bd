"""The store on PostgreSQL, against a real server."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest

from fluxrate.core.errors import Conflict, Unavailable
from fluxrate.core.store import Names, Store, Undone
from fluxrate.core.store.events import BETWEEN
from tests.contracts.migrations import MigrationContract
from tests.contracts.store import StoreContract
from tests.contracts.store_billing import make_plan, make_subscription
from tests.contracts.store_case import NOW, everything, make_meter, new, together
from tests.postgresql import Server


@pytest.fixture
def url(postgresql: Server) -> str:
    return postgresql.emptied()


class OnPostgresql:
    @pytest.fixture
    def url(self, postgresql: Server) -> str:
        return postgresql.emptied()


class TestStore(OnPostgresql, StoreContract):
    pass


class TestMigrations(OnPostgresql, MigrationContract):
    pass


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    store.migrate()
    yield store
    store.close()


def test_a_server_that_went_and_came_back_is_noticed_before_it_is_asked(
    store: Store, postgresql: Server, url: str
) -> None:
    """Connections that lay idle while the server was restarted are replaced: no read and no write fails for it."""
    meter = make_meter(store)
    together(4, lambda number: store.events.append([new(meter, f"k{number}")], NOW))
    for _ in range(3):
        with postgresql.admin(url) as connection:
            ended = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'fluxrate' AND datname = current_database()"
            ).fetchone()
        assert ended is not None
        assert ended[0] >= 1
        assert store.events.last_seq() >= 4
        store.events.append([new(meter)], NOW)


def test_a_connection_has_its_limits(store: Store, url: str) -> None:
    """Statements, locks, idle transactions and dead networks end in time; the URL has the last word."""
    with store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        }
        driver = connection.connection.driver_connection
        assert driver is not None
        told = driver.info.get_parameters()
    assert found == {
        "statement_timeout": "1min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
    }
    assert (told["connect_timeout"], told["keepalives_idle"], told["tcp_user_timeout"]) == ("5", "10", "20000")
    other = Store(f"{url}&connect_timeout=9&application_name=mine&options=-c%20lock_timeout%3D3s")
    with other.read() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "3s"
        assert connection.exec_driver_sql("SHOW application_name").scalar() == "mine"
        assert connection.connection.driver_connection.info.get_parameters()["connect_timeout"] == "9"  # type: ignore[union-attr]
    other.close()


def test_sequences_are_committed_in_their_order(store: Store) -> None:
    """A batch waits for one that has its sequences and is not committed, so no reader can pass over the
    earlier one.
    """
    meter = make_meter(store)
    done = threading.Event()

    def append() -> None:
        store.events.append([new(meter, "second")], NOW)
        done.set()

    with store.write() as connection:
        connection.exec_driver_sql("UPDATE ingest SET last_seq = last_seq + 1")
        connection.exec_driver_sql(
            "INSERT INTO customers (id, external_id, created_at, updated_at) VALUES ('x', 'slow', 0, 0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO events SELECT 1, meters.pk, customers.pk, 0, 1, 0, 'first', NULL FROM meters, customers"
        )
        thread = threading.Thread(target=append)
        thread.start()
        assert not done.wait(0.3)
        assert everything(store) == []
    thread.join()
    assert [row[0] for row in store.events.read_after(0)] == [1, 2]


def test_a_void_waits_for_the_batch_before_it(store: Store) -> None:
    """A void takes its sequence after whoever has one and is not committed, so no reader can pass over the earlier."""
    [first] = store.events.append([new(make_meter(store), "k")], NOW)
    done = threading.Event()

    def void() -> None:
        store.voids.add(first.event.seq, "r", "key:a", NOW)
        done.set()

    with store.write() as connection:
        connection.exec_driver_sql("UPDATE ingest SET last_seq = last_seq + 1")
        thread = threading.Thread(target=void)
        thread.start()
        assert not done.wait(0.3)
        assert list(store.voids.read_after(0)) == []
        copied = "SELECT 2, meter_pk, customer_pk, timestamp, quantity, ingested_at, 'l', NULL FROM events"
        connection.exec_driver_sql(f"INSERT INTO events {copied}")
    thread.join()
    assert [row[0] for row in store.voids.read_after(0)] == [3]


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_isolation_is_ours(postgresql: Server, level: str) -> None:
    """Racing batches work also where the server's default isolation is stricter than what the store needs."""
    url = postgresql.database()
    with postgresql.admin(url) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET default_transaction_isolation = '{level}'")
    store = Store(url)
    store.migrate()
    meter = make_meter(store)

    def work(number: int) -> None:
        for turn in range(10):
            store.events.append([new(meter, f"{number}-{turn}")], NOW)

    together(4, work)
    assert len(everything(store)) == 40
    store.close()
    postgresql.drop(url)


def test_limits_are_in_force(store: Store) -> None:
    """Every connection has its time limits, and a commit waits for the disk."""
    expected = {
        "statement_timeout": "1min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
        "synchronous_commit": "on",
        "application_name": "fluxrate",
        "transaction_isolation": "read committed",
    }
    for using in (store.read, store.write):
        with using() as connection:
            shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in expected}
            assert shown == expected


def test_options_of_the_url_win(url: str) -> None:
    """Options that the URL gives are used beside ours, and instead of the same of ours."""
    store = Store(f"{url}&options=-c%20statement_timeout%3D7s%20-c%20work_mem%3D5MB")
    with store.read() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("statement_timeout", "work_mem", "lock_timeout")
        ]
    assert shown == ["7s", "5MB", "10s"]
    store.close()


def test_other_names_of_the_scheme(url: str) -> None:
    """A URL that begins with postgres:// or names the driver is the same."""
    for scheme in ("postgres", "postgresql+psycopg"):
        store = Store(url.replace("postgresql", scheme, 1))
        store.ping()
        assert store.dialect == "postgresql"
        store.close()


def test_server_away() -> None:
    """When there is no server the store is unavailable, with one sentence that shows nothing of the URL."""
    store = Store("postgresql://someone:secret@127.0.0.1:1/none")
    for ask in (store.ping, store.meters.all, store.migrate, lambda: store.events.read_after(0)):
        with pytest.raises(Unavailable, match="away") as error:
            ask()
        assert "secret" not in error.value.detail


def drop_connections(postgresql: Server) -> None:
    mine = "FROM pg_stat_activity WHERE application_name = 'fluxrate'"
    with postgresql.admin() as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {mine}")


def test_lost_connections_are_replaced(store: Store, postgresql: Server) -> None:
    """After the server has dropped every connection, the next question is answered."""
    meter = make_meter(store)
    drop_connections(postgresql)
    assert store.meters.all() == [meter]
    assert store.events.append([new(meter)], NOW)[0].event.seq == 1


def test_connection_lost_in_a_transaction(store: Store, postgresql: Server) -> None:
    """A connection that is lost in the middle makes the store unavailable, undoes the transaction, and heals."""
    meter = make_meter(store)

    def change() -> None:
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE meters SET name = 'lost'")
            drop_connections(postgresql)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(Unavailable, match="away"):
        change()
    assert store.meters.all() == [meter]


def test_lock_is_not_waited_for_without_end(store: Store, url: str) -> None:
    """A batch that waits too long for another one's lock is unavailable, and goes in when sent again."""
    meter = make_meter(store)
    hasty = Store(f"{url}&options=-c%20lock_timeout%3D200ms")
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE ingest SET last_seq = last_seq + 1")
        with pytest.raises(Unavailable, match="locked"):
            hasty.events.append([new(meter, "k")], NOW)
    assert hasty.events.append([new(meter, "k")], NOW)[0].duplicate is False
    hasty.close()


def test_order_is_by_bytes_in_the_tables(store: Store) -> None:
    """Every text column sorts by bytes, whatever the collation of the database is."""
    with store.read() as connection:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
        ).all()
    assert len(columns) > 15
    assert {collation for _, _, collation in columns} == {"C"}


def test_each_step_of_reading_reads_its_own_rows_alone(store: Store, url: str, postgresql: Server) -> None:
    """Also of a table that PostgreSQL knows nothing of yet: a start after an import would read all of it many times."""
    meter = make_meter(store)
    store.events.append([new(meter) for _ in range(30_000)], NOW)
    with postgresql.admin(url) as connection:
        connection.execute("ALTER TABLE events SET (autovacuum_enabled = off)")
        seen: list[str] = []
        asked = BETWEEN["postgresql"].replace("%s", "{}").format(5_000, 1_000, 30_000)
        for (line,) in connection.execute(f"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) {asked}").fetchall():
            seen.append(line)
    read = [int(rows) for line in seen for rows in re.findall(r"rows=(\d+)", line)]
    assert read
    assert max(read) == 1_000, "\n".join(seen)
    assert [row[0] for row in store.events.read_after(5_000, 1_000, 30_000)] == list(range(5_001, 6_001))


def test_a_newer_version_claimed_meanwhile_undoes_the_transaction(store: Store, url: str) -> None:
    """Between a claim and the end of its transaction another process may claim a newer version: then it is not ours."""
    other = Store(url)
    with pytest.raises(Undone), store.together() as (within, _):  # noqa: PT012
        assert within.mirrored.claim("stripe:a", NOW)
        make_plan(within)
        assert other.mirrored.claim("stripe:a", NOW + 1)
    assert store.plans.all() == []
    assert not store.mirrored.claim("stripe:a", NOW)
    other.close()


def test_customers_that_events_make_at_the_same_time(store: Store, url: str) -> None:
    """A transaction that makes customers and batches of events with the same ones do not wait for each other."""
    meter, other = make_meter(store), Store(url)

    def many(turn: int) -> None:
        names = [f"c{turn}-{number}" for number in range(8)]
        with store.together() as (within, ahead):
            ahead(Names(customers=set(names), makes_customers=True))
            for name in reversed(names):
                if within.customers.find(name) is None:
                    within.customers.create(external_id=name, name=None, email=None, now=NOW)
                    # They go in one by one, in the other order than those of the events.
                    within.plans.all()

    def events(turn: int) -> None:
        for number in range(8):
            other.events.append([new(meter, customer_external_id=f"c{turn}-{each}") for each in (number, 0, 7)], NOW)

    for turn in range(12):
        together(2, lambda number, turn=turn: (many, events)[number](turn))
    rows, total = store.customers.list(page=1, page_size=1_000)
    assert total == 12 * 8 == len({row.external_id for row in rows})
    other.close()


def test_a_plan_that_was_read_stays_until_the_end(store: Store, url: str) -> None:
    """What a subscription is put on within a transaction of many changes nobody else changes before its end."""
    plan, other, done = make_plan(store), Store(url), threading.Event()

    def change() -> None:
        with pytest.raises(Conflict, match="make a new plan"):
            other.plans.update(plan.pk, {"currency": "EUR"}, NOW, unused=["currency"])
        done.set()

    thread = threading.Thread(target=change)
    with store.together() as (within, _):
        assert within.plans.find("gold") == plan
        thread.start()
        assert not done.wait(0.3)
        make_subscription(within, plan)
    thread.join()
    other.close()
    assert done.is_set()
    assert store.plans.all() == [plan]
