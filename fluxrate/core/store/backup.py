"""A SQLite store saved as one file while it is served, and brought back.

A backup is the store as of one moment: every transaction that was acknowledged before it began, none in part. Writers
go on meanwhile. A file appears under its name whole and checked, or not at all, and no file that is there is ever
replaced. PostgreSQL has tools of its own for both, which know its roles and its versions: this refuses and names them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fluxrate.core.errors import ConfigError, Conflict, NotFound, Unavailable
from fluxrate.core.store.engines import LOCK_SECONDS, parse, sqlite
from fluxrate.core.store.faults import translated

if TYPE_CHECKING:
    from collections.abc import Callable

_PART = ".part"
_ASIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; another store's, left there, would be read into it."""

_NO_BACKUP = ("not a database", "malformed", "no such table")
"""What SQLite says of a file that was no store of ours; each driver raises another type."""


def backup(url: str, file: Path) -> int:
    """Save the store of this URL in a new file; gives the last sequence in it.

    Raises ConfigError for PostgreSQL, NotFound where there is no store, Conflict where `file` exists, Unavailable when
    the disk fails or what was written is damaged.
    """
    source = _file_of(url, "pg_dump --format=custom --file=FILE URL")
    if not source.exists():
        raise NotFound(f"There is no store at {source} to back up.")
    with translated(), _new_file(file) as part:
        # All pages in one step: between steps a writer could come, and the whole would begin anew each time.
        _copy(source, "rw", part)
        return _checked(part)


def restore(url: str, file: Path, migrate: Callable[[str], object]) -> int:
    """Make the store of this URL, which must not exist yet, from a backup; gives the last sequence in it.

    `migrate` brings the store of a URL up to date; it is called before anything stands under the store's name. Raises
    as `backup` does, and ConfigError where the file is no backup or one of a newer version.
    """
    target = _file_of(url, "pg_restore --dbname=URL FILE")
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    # First: beside a store that is open stands its write-ahead log, which nobody must move away.
    _refuse_existing(target)
    for name in _ASIDE:
        if Path(f"{target}{name}").exists():
            raise Conflict(f"{target}{name} is left of another store; move it away first.")
    with translated(), _new_file(target) as part:
        try:
            _copy(file, "ro", part)
            last = _checked(part)
        except (sqlite.DatabaseError, TypeError) as why:
            if not isinstance(why, TypeError) and not any(said in str(why) for said in _NO_BACKUP):
                # The disk, not the file.
                raise
            raise ConfigError(f"{file} is no backup of a Fluxrate store, or it is damaged.") from why
        migrate(f"sqlite:///{part}")
    return last


def _file_of(url: str, tool: str) -> Path:
    parsed = parse(url)
    if not parsed.drivername.startswith("sqlite") or parsed.database is None:
        raise ConfigError(f"The store is PostgreSQL, which has a tool of its own for this: {tool}")
    return Path(parsed.database)


@contextmanager
def _new_file(file: Path) -> Iterator[Path]:
    """A path to write to; what is there at the end stands under `file`, on the disk."""
    part = Path(f"{file}{_PART}")
    _refuse_existing(file)
    try:
        # It holds everything: for nobody else to read. And two at a time would spoil each other's.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as why:
        raise Conflict(f"{part} is there: another run is writing it, or one was killed; then remove it.") from why
    except OSError as why:
        raise Unavailable(f"{part} cannot be written: {why.strerror}.") from why
    try:
        yield part
        _synced(part)
        # Unlike a renaming, this fails where somebody else has made the file meanwhile.
        os.link(part, file)
        _synced(file.parent)
    except FileExistsError:
        _refuse_existing(file)
    except OSError as why:
        raise Unavailable(f"{file} cannot be written: {why.strerror}.") from why
    finally:
        for name in ("", *_ASIDE, "-next.lock", "-writer.lock"):
            Path(f"{part}{name}").unlink(missing_ok=True)


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise Conflict(f"{file} exists already and is not replaced; move it away or give another name.")


def _copy(source: Path, mode: str, target: Path) -> None:
    with closing(_opened(source, mode)) as read, closing(_opened(target, "rw")) as write:
        read.backup(write)
        # One file, without a log beside it.
        write.execute("PRAGMA journal_mode=DELETE")


def _checked(file: Path) -> int:
    """The last sequence in a store that is whole. Raises Unavailable where it is damaged, as SQLite does."""
    with closing(_opened(file, "ro")) as connection:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise Unavailable(f"What was copied is damaged: {said}.")
        last: int = connection.execute("SELECT last_seq FROM ingest").fetchone()[0]
    return last


def _opened(file: Path, mode: str) -> Any:
    return sqlite.connect(f"file:{quote(str(file.absolute()))}?mode={mode}", timeout=LOCK_SECONDS, uri=True)


def _synced(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
