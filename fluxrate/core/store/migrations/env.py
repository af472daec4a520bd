"""Runs the revisions on the connection that `migrate` hands over, inside its transaction; never on one of its own."""

from __future__ import annotations

from typing import Any

from alembic import context

connection = context.config.attributes["connection"]
if connection is None:
    raise RuntimeError("migrations run through fluxrate.core.store.migrate only")
if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
    # With foreign keys on, rebuilding a table silently deletes every row that points at it.
    raise RuntimeError("foreign keys must be off before a migration begins")


def _note(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
    context.config.attributes["applied"].append(step.up_revision_id)


# Without the schema's metadata: its naming convention would put a second prefix before the names in a revision.
context.configure(connection=connection, on_version_apply=_note)
with context.begin_transaction():
    context.run_migrations()
