"""Voids: what takes an event out of the figures, with who, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; no row of any other is touched."""
    op.create_table(
        "voids",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("event_seq", BIG, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("voided_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_voids"),
        sa.ForeignKeyConstraint(["event_seq"], ["events.seq"], name="fk_voids_event_seq"),
        sa.UniqueConstraint("event_seq", name="uq_voids_event_seq"),
        sa.CheckConstraint("seq > event_seq", name="ck_voids_after_its_event"),
        sqlite_strict=True,
    )
