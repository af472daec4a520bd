"""Migrations: bring a database to the tables of this version, once, whoever starts first.

Alembic runs from code, without an ini file, on the scripts beside this module; the whole upgrade is one
transaction under a lock, so another process waits for it and then finds nothing to do, and an upgrade that
fails leaves the database as it was. Refuses a database that a newer version has migrated.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from fluxrate.core.errors import ConfigError
from fluxrate.core.store.connect import Database

log = logging.getLogger(__name__)
# Alembic tells every step at INFO, to whoever has set up logging; one line of our own is enough.
logging.getLogger("alembic").setLevel(logging.WARNING)

HEAD = "0005"
"""The last revision, written down so that a start with nothing to migrate need not read the scripts."""

SCRIPTS = Path(__file__).parent / "migrations"
LOCK_KEY = 0x666C7578  # "flux": the advisory lock of every Fluxrate migration in one PostgreSQL database


def pending(database: Database) -> bool:
    """Whether the database is not at the last revision yet. Raises ConfigError when it is at one unknown here."""
    with database.read() as connection:
        return _pending(connection)


def upgrade(database: Database) -> list[str]:
    """Apply what is missing and say which revisions that was."""
    if not pending(database):
        return []
    with database.bare() as connection:
        if database.dialect == "sqlite":
            return _upgrade_sqlite(connection)
        with connection.begin():
            # An upgrade may rightly take longer than any statement of daily work, and so may waiting for
            # another one.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            return _apply(connection)


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, also for writing a new revision: `alembic.command.revision(config(), "what it
    does")`.
    """
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    made.attributes["applied"] = []
    return made


def _upgrade_sqlite(connection: Connection) -> list[str]:
    # Rebuilding a table drops the old one, which with foreign keys on deletes every row that points at it.
    # The pragma is ignored inside a transaction, so it goes first.
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.close()
    with connection.begin():
        applied = _apply(connection)
        if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise ConfigError(
                f"The migration would leave rows of {broken[0]} without what they point at; it was undone."
            )
    return applied


def _apply(connection: Connection) -> list[str]:
    if not _pending(connection):
        return []
    made = config(connection)
    command.upgrade(made, "head")
    applied: list[str] = made.attributes["applied"]
    log.info("the database was migrated to %s", HEAD)
    return applied


def _pending(connection: Connection) -> bool:
    version = _version(connection)
    if version == HEAD:
        return False
    if version is not None and version not in _known():
        raise ConfigError(
            f"The database is at revision {version}, which this version does not know; "
            "install the version that made it."
        )
    return True


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return version


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
