"""What went wrong in the database, in our own words.

`translated` turns a database that is locked, full, damaged or away into `Unavailable`, with one sentence that
has no SQL in it; the log has the driver's own words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc as sql

from fluxrate.core.errors import Unavailable
from fluxrate.core.seldom import Seldom
from fluxrate.core.store.engines import LOCK_SECONDS, sqlite

_AWAY_LOG = Seldom(logging.getLogger(__name__))

_SQLITE_SENTENCES = {
    "BUSY": f"The database stayed locked by another process for more than {LOCK_SECONDS} seconds.",
    "LOCKED": "The database is locked by another connection.",
    "FULL": "The disk that holds the database is full.",
    "READONLY": "The database file or its folder is read-only.",
    "CANTOPEN": "The database file cannot be opened: its folder must exist and be writable.",
    "IOERR": "The disk that holds the database failed to read or write.",
    "CORRUPT": "The database file is damaged; restore it from a backup.",
    "NOTADB": "The database file is not a SQLite database.",
    "NOMEM": "There is not enough memory for the database.",
}
_POSTGRESQL_SENTENCES = {
    "57014": "The database took too long to answer.",
    "55P03": "The database stayed locked by another process for too long.",
    "40P01": "The database gave up a transaction that waited for another one.",
    "40001": "The database gave up a transaction that collided with another one.",
    "53100": "The disk that holds the database is full.",
    "53300": "The database has no connection left.",
    "25006": "The database is read-only.",
    "42501": "The database user may not do this: it must own the tables.",
}
_FAILED = "The database could not carry out the operation."
_AWAY = "The database server is away or refused the connection; the log says why."
_UNMIGRATED = "The database has not been migrated yet; run `fluxrate migrate`."


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the drivers raise when the database cannot serve into `Unavailable`.

    Broken constraints pass as they are, and so does what only a mistake in the program can cause.
    """
    try:
        yield
    except sql.DBAPIError as error:
        if _is_ours(error.orig):
            raise
        raise _unavailable(error.orig) from error
    except sql.TimeoutError as error:
        raise Unavailable("Every connection to the database is in use.") from error
    except (sqlite.Error, psycopg.Error) as error:
        if _is_ours(error):
            raise
        raise _unavailable(error) from error


def broken_constraints() -> tuple[type[Exception], ...]:
    """What a broken constraint is raised as: by SQLAlchemy, or by a driver that was asked without it."""
    return sql.IntegrityError, sqlite.IntegrityError, psycopg.IntegrityError


def is_unique_violation(error: Exception) -> bool:
    """Whether a value was taken already (and not another constraint broken)."""
    # SQLite's extended codes would say it better, but pysqlite3 does not report them.
    return str(_said(error)).startswith("UNIQUE constraint") or _state(error) == "23505"


def is_foreign_key_violation(error: Exception) -> bool:
    """Whether a row was named that is not there, or one deleted that another row names; the driver may say so itself,
    or SQLAlchemy for it.
    """
    return str(_said(error)).startswith("FOREIGN KEY constraint") or _state(error) == "23503"


def _is_ours(error: BaseException | None) -> bool:
    if isinstance(error, psycopg.Error):
        mistakes = psycopg.IntegrityError | psycopg.DataError | psycopg.ProgrammingError
        return isinstance(error, mistakes) and error.sqlstate not in ("42P01", "42501")
    return isinstance(error, sqlite.IntegrityError | sqlite.DataError | sqlite.ProgrammingError)


def _said(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, sql.IntegrityError) else error


def _state(error: Exception) -> str | None:
    return getattr(_said(error), "sqlstate", None)


def _unavailable(error: BaseException | None) -> Unavailable:
    _AWAY_LOG.warning("the database failed: %s: %s", type(error).__name__, error)
    return Unavailable(_sentence(error))


def _sentence(error: BaseException | None) -> str:
    if isinstance(error, sqlite.Error):
        if "no such table" in str(error):
            return _UNMIGRATED
        name = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_")
        return _SQLITE_SENTENCES.get(name.partition("_")[0], _FAILED)
    state = getattr(error, "sqlstate", None)
    if state == "42P01":
        return _UNMIGRATED
    if state is None or state.startswith(("08", "57P")):
        return _AWAY
    return _POSTGRESQL_SENTENCES.get(state, _FAILED)
