"""The audit trail: who changed what, when and from where."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; what happened before is in no trail."""
    op.create_table(
        "audit",
        sa.Column("pk", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=True),
        sa.Column("address", TEXT, nullable=True),
        sa.Column("details", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("pk", name="pk_audit"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
