"""chDB, which is ClickHouse in the process: a MergeTree table in a folder, sorted by time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from chdb import session

from bench import sql
from bench.answers import Row
from bench.contenders import Sql
from bench.events import Events

_TYPES = {"BIGINT": "Int64", "INTEGER": "Int32", "SMALLINT": "Int16"}


class ChDB(Sql):
    """One session on a folder of its own."""

    name = "chDB"
    dialect = sql.Dialect(divide="intDiv({0}, {1})")

    def __init__(self, events: Events, folder: Path) -> None:
        self._session = session.Session(str(folder))
        self.version = self.run("SELECT version()").bytes().decode().strip()
        self.run(sql.create(_TYPES, tail="ENGINE = MergeTree ORDER BY (ts, seq)"))
        self.add(events)
        self.run("OPTIMIZE TABLE events FINAL")

    def run(self, statement: str) -> Any:
        """The result as ClickHouse writes it, one line for each row."""
        return self._session.query(statement, "TabSeparated")

    def rows(self, table: Any) -> Iterable[Row]:
        """The lines as integers."""
        return [tuple(map(int, line.split())) for line in table.bytes().splitlines()]

    def add(self, events: Events) -> None:
        """Insert from a data frame, which chDB reads by the name of a variable of its caller."""
        arrived = pd.DataFrame(events.columns(), copy=False)  # noqa: F841
        self._session.query("INSERT INTO events SELECT * FROM Python(arrived)")

    def close(self) -> None:
        """End the session."""
        self._session.close()
