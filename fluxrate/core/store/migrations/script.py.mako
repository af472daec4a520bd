"""${message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say here what it does, and set `migrate.HEAD` to this revision. Prefer ADD COLUMN; where SQLite must rebuild a
    table, `batch_alter_table(..., table_kwargs={"sqlite_autoincrement": True})` keeps its keys from coming back.
    """
    ${upgrades if upgrades else "pass"}
