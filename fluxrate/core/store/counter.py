"""The one counter that everything with an ingest sequence takes it from, events and voids alike.

Whoever takes sequences holds the counter's row until the transaction ends. So sequences are committed in their order, a
reader that asks for what came after a sequence misses nothing, and two writers never wait for each other in a circle,
as long as each takes its sequences before it touches anything else. On PostgreSQL this needs READ COMMITTED: what
follows the lock must see what was committed before it.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from fluxrate.core.store.connect import driver
from fluxrate.core.store.schema import ingest

# The last of the sequences it takes, and the moment of arrival, which never runs backwards.
_TAKE = {
    "sqlite": "UPDATE ingest SET last_seq = last_seq + ?, last_ingested_at = max(last_ingested_at, ?)"
    " RETURNING last_seq, last_ingested_at",
    "postgresql": "UPDATE ingest SET last_seq = last_seq + %s,"
    " last_ingested_at = greatest(last_ingested_at, %s) RETURNING last_seq, last_ingested_at",
}


def take(connection: Connection, count: int, now: int) -> tuple[int, int]:
    """Take `count` sequences in this write transaction: the last of them, and the moment of their arrival.

    The moment is `now`, raised to that of the sequences before if the clock ran backwards. An error later in the
    transaction gives both back.
    """
    # To its end: a statement that gives rows is under way until then, and SQLite does not commit meanwhile.
    ((last, moment),) = driver(connection).execute(_TAKE[connection.dialect.name], (count, now)).fetchall()
    return last, moment


def hold(connection: Connection) -> None:
    """Take none, but keep every other writer from taking any until this write transaction ends."""
    # On SQLite there is one writer at a time, and this is it.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT last_seq FROM ingest FOR UPDATE")


def last_seq(connection: Connection) -> int:
    """The last sequence given out by a finished transaction, 0 when there was none."""
    last: int = connection.execute(select(ingest.c.last_seq)).scalar_one()
    return last
