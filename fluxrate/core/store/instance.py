"""Facts about the instance as texts by name; `id` is the random UUID by which files made from another store
are told apart.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from fluxrate.core.store.connect import Database
from fluxrate.core.store.schema import instance


class Instance:
    """The table of facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> str | None:
        """The text under `key`, or None."""
        with self._database.read() as connection:
            return connection.execute(select(instance.c.value).where(instance.c.key == key)).scalar_one_or_none()

    def set(self, key: str, value: str) -> None:
        """Put `value` under `key`, in place of what was there."""
        insert = sqlite_insert if self._database.dialect == "sqlite" else postgresql_insert
        statement = insert(instance).values(key=key, value=value)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))

    def take(self, key: str, value: str) -> bool:
        """Forget `key` if it has this value; of several that try at once, one is told that it did."""
        mine = instance.delete().where(instance.c.key == key, instance.c.value == value)
        with self._database.write() as connection:
            return connection.execute(mine).rowcount == 1

    def delete(self, key: str) -> None:
        """Forget `key`, if it is there."""
        with self._database.write() as connection:
            connection.execute(instance.delete().where(instance.c.key == key))
