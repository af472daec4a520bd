"""Messages of a biller come twice, late and out of order: of each record, from when its newest version is."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fluxrate.core.store.connect import Access
from fluxrate.core.store.schema import mirrored

# The sources as one parameter (see `customers`).
NEWEST = {
    "sqlite": "SELECT source, at FROM mirrored WHERE source IN (SELECT value FROM json_each(?))",
    "postgresql": "SELECT source, at FROM mirrored WHERE source = ANY(%s::text[])",
}


class Mirrored:
    """The table of versions; `source` names a record of one biller, such as `stripe:sub_1`."""

    def __init__(self, database: Access) -> None:
        self._database = database

    def claim(self, source: str, at: int) -> bool:
        """Whether no newer version of the record than that of `at` (UTC microseconds) was claimed; from then on none
        that is older will be.
        """
        insert = sqlite_insert if self._database.dialect == "sqlite" else postgresql_insert
        statement = insert(mirrored).values(source=source, at=at)
        newer = statement.on_conflict_do_update(
            index_elements=["source"], set_={"at": at}, where=mirrored.c.at < at
        ).returning(mirrored.c.at)
        with self._database.write() as connection:
            if connection.execute(newer).first() is not None:
                return True
            known: int = connection.execute(select(mirrored.c.at).where(mirrored.c.source == source)).scalar_one()
        return known == at
