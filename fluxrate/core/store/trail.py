"""The audit trail in the store: rows that are added and read, never changed or removed.

`write` adds a row within the transaction of the change it tells of, so that neither is there without the other.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select

from fluxrate.core.model import Entry, Note
from fluxrate.core.store.connect import Access
from fluxrate.core.store.paging import Page, page_of
from fluxrate.core.store.schema import audit

_NEWEST = (audit.c.pk.desc(),)


def write(connection: Connection, note: Note | None) -> None:
    """Add a row within a write transaction; None adds nothing."""
    if note is not None:
        connection.execute(audit.insert().values(as_row(note)))


def as_row(note: Note) -> dict[str, Any]:
    """The columns of a row but for its key, in their order."""
    return {
        "at": note.at,
        "actor": note.by.actor,
        "action": note.action,
        "target": note.target,
        "address": note.by.address,
        "details": msgspec.json.encode(note.details).decode() if note.details else None,
    }


class Trail:
    """The table of the audit trail."""

    def __init__(self, database: Access) -> None:
        self._database = database

    def add(self, note: Note) -> None:
        """Keep what changes no other table."""
        with self._database.write() as connection:
            write(connection, note)

    def list(
        self, start: int, end: int, *, actor: str | None, action: str | None, page: int, page_size: int
    ) -> Page[Entry]:
        """One page of what was done in `[start, end)`, the latest first, and how many rows there are in all.

        `actor` is the whole text, or of a key the part before its name: names are not unique, prefixes are.
        """
        if actor is not None and "\0" in actor:
            return [], 0  # PostgreSQL takes no NUL, not even in a question
        query = select(audit).where(audit.c.at >= start, audit.c.at < end)
        if action is not None:
            query = query.where(audit.c.action == action)
        if actor is not None:
            query = query.where(or_(audit.c.actor == actor, audit.c.actor.startswith(f"{actor} ", autoescape=True)))
        with self._database.read() as connection:
            rows, total = page_of(connection, query, _NEWEST, page, page_size)
        return [_entry(row) for row in rows], total


def _entry(row: Any) -> Entry:
    fields = row._asdict()
    return Entry(**fields | {"details": msgspec.json.decode(fields["details"] or "{}")})
