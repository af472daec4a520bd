"""SQLAlchemy engines for the two dialects: drivers, pragmas, limits, and how a transaction begins."""

from __future__ import annotations

import logging
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy import exc as sql

from fluxrate.core.errors import ConfigError

try:
    from pysqlite3 import dbapi2 as sqlite
except ImportError:  # no wheel for this platform
    import sqlite3 as sqlite

__all__ = ["LOCK_SECONDS", "parse", "postgresql_engines", "sqlite", "sqlite_engines"]

log = logging.getLogger(__name__)

LOCK_SECONDS = 5
SQLITE_READERS = 64
PRAGMAS = (
    "PRAGMA synchronous=FULL",  # NORMAL loses acknowledged events when the power goes
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA wal_autocheckpoint=8192",  # random keys touch the same pages again: write them back less often
)
WRITER_CACHE = "PRAGMA cache_size=-65536"
READER_CACHE = "PRAGMA cache_size=-8192"  # there are many readers, and each has its own
# Options of the URL come after these and win.
POSTGRESQL_OPTIONS = (
    "-c statement_timeout=60s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
    " -c synchronous_commit=on -c timezone=UTC"
)

# The server's own limits end nothing when its machine is gone, or a network between: without these a read would wait
# for a quarter of an hour, and a request with it. What the URL says wins.
POSTGRESQL_SAID = {
    "application_name": "fluxrate",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def parse(url: str) -> URL:
    """The URL with its driver named. Raises ConfigError when it is not SQLite in a file or PostgreSQL."""
    # The URL may hold a password, so no message repeats it.
    text = "postgresql://" + url.removeprefix("postgres://") if url.startswith("postgres://") else url
    try:
        parsed = make_url(text)
    except (sql.ArgumentError, ValueError) as error:
        raise ConfigError("The database URL cannot be read; give sqlite:///FILE or postgresql://...") from error
    if parsed.drivername == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise ConfigError("A SQLite store lives in a file: give sqlite:///FILE.")
        return parsed.set(drivername="sqlite+pysqlite")
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(f"The store is SQLite or PostgreSQL, but the database URL begins with {parsed.drivername!r}.")


def sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    """An engine that writes and one that reads."""
    if sqlite.sqlite_version_info < (3, 51, 3):
        log.warning(
            "SQLite %s can lose commits in WAL mode (fixed in 3.51.3); install the pysqlite3 package",
            sqlite.sqlite_version,
        )
    # One connection writes: whoever holds the lock finds the index pages of the last batch in its cache.
    writer = _sqlite_engine(url, "BEGIN IMMEDIATE", WRITER_CACHE, pool_size=1)
    reader = _sqlite_engine(url, "BEGIN", READER_CACHE, pool_size=SQLITE_READERS)
    return writer, reader


def _sqlite_engine(url: URL, begin: str, cache: str, *, pool_size: int) -> Engine:
    engine = create_engine(
        url,
        module=sqlite,
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        _use_wal(connection)
        for pragma in (*PRAGMAS, cache):
            connection.execute(pragma)

    # The driver would begin late and deferred; a deferred reader that turns writer fails at once when another
    # one writes.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _use_wal(connection: Any) -> None:
    # Two processes that switch a new file at the same time fail without waiting, whatever the busy timeout.
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        except sqlite.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            log.warning("the database file cannot use a write-ahead log (journal_mode is %s)", mode)
        return


def postgresql_engines(url: URL) -> tuple[Engine, Engine]:
    """An engine that writes and one that reads, on one pool."""
    given = url.query.get("options", "")
    said = {name: url.query.get(name, value) for name, value in POSTGRESQL_SAID.items()}
    options = " ".join((POSTGRESQL_OPTIONS, *((given,) if isinstance(given, str) else given)))
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",  # whatever the server's default: see `append`
        connect_args={**said, "options": options.strip()},
    )
    # Reads are single statements: without a transaction each saves two round trips.
    return engine, engine.execution_options(isolation_level="AUTOCOMMIT")
