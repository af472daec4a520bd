"""Of records that a biller tells by message: from when the newest version is; an index for what is unpaid."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both; nothing was told yet."""
    op.create_table(
        "mirrored",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_mirrored"),
        sqlite_strict=True,
    )
    asked = ["status", "subscription_pk", "customer_pk", "currency", "amount_due", "amount_paid", "due_date"]
    op.create_index("ix_invoices_unpaid", "invoices", asked)
