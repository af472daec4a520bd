"""DuckDB: a table in memory, filled in order of time, so that its zone maps leave out what a window leaves out."""

from __future__ import annotations

from typing import Any

import duckdb

from bench import sql
from bench.contenders import Sql
from bench.events import Events


class DuckDB(Sql):
    """One in-memory database."""

    name = "DuckDB"
    version = duckdb.__version__
    dialect = sql.Dialect(divide="{0} // {1}", total="sum(quantity)::BIGINT")

    def __init__(self, events: Events) -> None:
        self.connection = duckdb.connect()
        self.run(sql.create())
        self.add(events)

    def run(self, statement: str) -> Any:
        """All rows, as DuckDB's own Python tuples."""
        return self.connection.execute(statement).fetchall()

    def add(self, events: Events) -> None:
        """Append from the arrays."""
        self.connection.register("arrived", events.columns())
        self.run("INSERT INTO events SELECT * FROM arrived")
        self.connection.unregister("arrived")

    def close(self) -> None:
        """Drop the database."""
        self.connection.close()
