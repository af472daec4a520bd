"""Work that one of all processes on a store does at a time, on whichever host: who holds the lease.

On PostgreSQL it is an advisory lock of a connection, on SQLite a lock on a file beside the database. Either is gone
with the process that held it. (A row with a time to live was weighed: it needs clocks that agree, and after a
kill it hangs as long as it lives.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from fluxrate.core.alone import alone
from fluxrate.core.store.connect import Database

# The first of the two numbers of a lock, so that those of other programs in the database are others: "lease".
_FAMILY = 0x1EA5E


class Leases:
    """The leases of one store, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(self, name: str) -> AbstractContextManager[bool]:
        """Whether this is the only one inside under this name; never waits. Raises Unavailable without a store."""
        if self._database.file is not None:
            return alone(Path(f"{self._database.file}-{name}.lock"))
        return self._advisory(name)

    @contextmanager
    def _advisory(self, name: str) -> Iterator[bool]:
        numbers = f"({_FAMILY}, {zlib.crc32(name.encode()) - 2**31})"
        with self._database.read() as connection:
            mine = bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock{numbers}").scalar())
            try:
                yield mine
            finally:
                if mine:
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock{numbers}")
