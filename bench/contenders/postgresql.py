"""PostgreSQL: a real server of its own, a table filled in order of time, indexes by time and by customer and time."""

from __future__ import annotations

from typing import Any

import psycopg

from bench import sql
from bench.contenders import Sql
from bench.events import Events
from tests.postgresql import Server

_ROWS = 100_000
_SETTINGS = {"work_mem": "1GB", "maintenance_work_mem": "1GB", "effective_cache_size": "4GB"}


class PostgreSQL(Sql):
    """One database of a server that is already running."""

    name = "PostgreSQL"
    dialect = sql.Dialect(total="sum(quantity)::bigint")

    def __init__(self, events: Events, server: Server) -> None:
        self._server, self._url = server, server.database()
        self._connection = psycopg.connect(self._url, autocommit=True)
        self.version = str(self._connection.info.parameter_status("server_version")).split()[0]
        for name, value in _SETTINGS.items():
            self._connection.execute(f"SET {name} = '{value}'")
        self._connection.execute(sql.create())
        self.add(events)
        self._connection.execute("CREATE INDEX ON events (ts)")
        self._connection.execute("CREATE INDEX ON events (customer, ts) INCLUDE (quantity)")
        self._connection.execute("VACUUM ANALYZE events")

    def run(self, statement: str) -> Any:
        """All rows."""
        return self._connection.execute(statement).fetchall()

    def add(self, events: Events) -> None:
        """COPY, in text."""
        with self._connection.cursor().copy("COPY events FROM STDIN") as copy:
            for start in range(0, len(events), _ROWS):
                columns = events.take(slice(start, start + _ROWS)).columns()
                rows = zip(*(map(str, columns[name].tolist()) for name in sql.COLUMNS), strict=True)
                copy.write("".join("\t".join(row) + "\n" for row in rows))

    def close(self) -> None:
        """Drop the database."""
        self._connection.close()
        self._server.drop(self._url)
