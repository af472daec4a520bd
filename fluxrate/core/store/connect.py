"""Connections: one `Database` per store, with a way to read and a way to write, safe on either dialect.

Promises: a read never takes the write lock and never waits for a writer on SQLite; a write transaction that
ended without an error is on the disk; whatever the driver raises when the database is locked, full, damaged
or away leaves as `Unavailable` with one sentence and no SQL in it. Refuses any URL that is neither SQLite in
a file nor PostgreSQL.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from sqlalchemy import Connection

from fluxrate.core.errors import Unavailable
from fluxrate.core.store.engines import parse, postgresql_engines, sqlite_engines
from fluxrate.core.store.faults import translated
from fluxrate.core.store.turns import Turns

WRITER_SECONDS = 30


class Access(Protocol):
    """How the tables reach what they are kept in: a `Database`, or one transaction of it."""

    dialect: str

    def read(self) -> AbstractContextManager[Connection]:
        """A connection to read from."""
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A connection in a write transaction."""
        ...

    def rows(self, statement: str, parameters: tuple[object, ...]) -> AbstractContextManager[Any]:
        """The driver's own cursor after `statement`."""
        ...


class Database:
    """The engines behind one store; `dialect` is "sqlite" or "postgresql", `file` where SQLite keeps it."""

    def __init__(self, url: str) -> None:
        parsed = parse(url)
        self.dialect = "sqlite" if parsed.drivername.startswith("sqlite") else "postgresql"
        self.file = parsed.database if self.dialect == "sqlite" else None
        if self.dialect == "sqlite":
            self._writer, self._reader = sqlite_engines(parsed)
        else:
            self._writer, self._reader = postgresql_engines(parsed)
        # SQLite's own waiting is unfair: without this lock the slowest writers wait thirty times longer.
        self._lock = threading.Lock()
        self._turns = None if self.file is None else Turns(self.file, WRITER_SECONDS)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection to read from; on SQLite all its statements see one snapshot."""
        with translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction, committed at the end, rolled back by an error. Do not nest."""
        with translated(), self.exclusive(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def bare(self) -> Iterator[Connection]:
        """The writer's connection without a transaction, for migrations; it does not go back to the pool."""
        with translated(), self.exclusive(), self._writer.connect() as connection:
            connection.detach()
            yield connection

    @contextmanager
    def rows(self, statement: str, parameters: tuple[object, ...]) -> Iterator[Any]:
        """The driver's own cursor after `statement`, in its parameter style: twice as fast as a result."""
        # Numbers as text would be written by the server and read here: a third of the time of a row.
        form = {"binary": True} if self.dialect == "postgresql" else {}
        with translated(), self._reader.connect() as connection:
            cursor = connection.connection.cursor(**form)
            try:
                yield cursor.execute(statement, parameters)
            finally:
                cursor.close()

    def exclusive(self) -> AbstractContextManager[None]:
        """The right to write, on SQLite held by one thread of one process at a time."""
        return nullcontext() if self._turns is None else _held(self._lock, self._turns)

    def ping(self) -> None:
        """Reach the database once, or raise Unavailable."""
        # "SELECT 1" would not even open the file on SQLite.
        probe = "PRAGMA schema_version" if self.dialect == "sqlite" else "SELECT 1"
        with self.read() as connection:
            connection.exec_driver_sql(probe)

    def close(self) -> None:
        """Give every idle connection back; the last one on SQLite folds the write-ahead log into the file."""
        self._reader.dispose()
        self._writer.dispose()
        if self._turns is not None:
            with self._lock:
                self._turns.close()


def driver(connection: Connection) -> Any:
    """The driver's own cursor in the connection's transaction, in its parameter style and with its errors: what every
    batch asks takes a fifth of the time.
    """
    return connection.connection.cursor()


@contextmanager
def _held(lock: threading.Lock, turns: Turns) -> Iterator[None]:
    if not lock.acquire(timeout=WRITER_SECONDS):
        raise Unavailable(f"Other writers kept the database busy for more than {WRITER_SECONDS} seconds.")
    try:
        with turns.taken():
            yield
    finally:
        lock.release()
