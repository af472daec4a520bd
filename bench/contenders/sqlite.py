"""SQLite, the library that Fluxrate itself uses: a table clustered by time, and an index by customer and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import sql
from bench.contenders import Sql
from bench.events import Events
from fluxrate.core.store.engines import sqlite

_ROWS = 100_000


class SQLite(Sql):
    """One database file, written without waiting for the disk."""

    name = "SQLite"
    version = sqlite.sqlite_version

    def __init__(self, events: Events, file: Path) -> None:
        self._connection = sqlite.connect(str(file))
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(sql.create(key="PRIMARY KEY (ts, seq)", tail="WITHOUT ROWID"))
        self.add(events)
        self._connection.execute("CREATE INDEX by_customer ON events (customer, ts, quantity)")
        self._connection.execute("ANALYZE")

    def run(self, statement: str) -> Any:
        """All rows."""
        return self._connection.execute(statement).fetchall()

    def add(self, events: Events) -> None:
        """Insert row by row, in one transaction."""
        insert = f"INSERT INTO events VALUES ({', '.join('?' * len(sql.COLUMNS))})"
        with self._connection:
            for start in range(0, len(events), _ROWS):
                columns = events.take(slice(start, start + _ROWS)).columns()
                self._connection.executemany(
                    insert, zip(*(columns[name].tolist() for name in sql.COLUMNS), strict=True)
                )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
