"""The first tables: meters, customers, events and their counter, accounts, facts of the instance."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
STRICT = {"sqlite_strict": True}
COUNTED = {"sqlite_strict": True, "sqlite_autoincrement": True}


def upgrade() -> None:
    """Make every table, the counter's row and the instance's id."""
    _meters()
    _customers()
    _events()
    _accounts()
    op.create_table(
        "instance",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_instance"),
        **STRICT,
    )
    op.execute("INSERT INTO ingest (pk, last_seq, last_ingested_at) VALUES (1, 0, 0)")
    insert = sa.text("INSERT INTO instance (key, value) VALUES ('id', :id)")
    op.execute(insert.bindparams(id=str(uuid.uuid4())))


def _pk() -> sa.Column[int]:
    return sa.Column("pk", sa.Integer(), sa.Identity(), nullable=False)


def _meters() -> None:
    op.create_table(
        "meters",
        _pk(),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("meter_name", TEXT, nullable=False),
        sa.Column("meter_token", TEXT, nullable=False),
        sa.Column("aggregation_type", TEXT, nullable=False),
        sa.Column("property_name", TEXT),
        sa.Column("unit", TEXT),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("filters", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_meters"),
        sa.UniqueConstraint("id", name="uq_meters_id"),
        sa.UniqueConstraint("meter_name", name="uq_meters_meter_name"),
        sa.UniqueConstraint("meter_token", name="uq_meters_meter_token"),
        sa.CheckConstraint("decimals BETWEEN 0 AND 18", name="ck_meters_decimals"),
        sa.CheckConstraint("status IN ('ACTIVE', 'ARCHIVED')", name="ck_meters_status"),
        **COUNTED,
    )


def _customers() -> None:
    op.create_table(
        "customers",
        _pk(),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("email", TEXT),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("updated_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_customers"),
        sa.UniqueConstraint("id", name="uq_customers_id"),
        sa.UniqueConstraint("external_id", name="uq_customers_external_id"),
        sa.CheckConstraint("pk < 2147483648", name="ck_customers_pk_fits_32_bits"),
        **COUNTED,
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("seq", BIG, autoincrement=False, nullable=False),
        sa.Column("meter_pk", sa.Integer(), nullable=False),
        sa.Column("customer_pk", sa.Integer(), nullable=False),
        sa.Column("timestamp", BIG, nullable=False),
        sa.Column("quantity", BIG, nullable=False),
        sa.Column("ingested_at", BIG, nullable=False),
        sa.Column("idempotency_key", TEXT),
        sa.Column("metadata", TEXT),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.ForeignKeyConstraint(["meter_pk"], ["meters.pk"], name="fk_events_meter_pk"),
        sa.ForeignKeyConstraint(["customer_pk"], ["customers.pk"], name="fk_events_customer_pk"),
        sa.CheckConstraint("quantity >= 0", name="ck_events_quantity"),
        **STRICT,
    )
    op.create_index(
        "uq_events_key",
        "events",
        ["meter_pk", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "ingest",
        sa.Column("pk", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_seq", BIG, nullable=False),
        sa.Column("last_ingested_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_ingest"),
        sa.CheckConstraint("pk = 1", name="ck_ingest_one_row"),
        **STRICT,
    )


def _accounts() -> None:
    op.create_table(
        "api_keys",
        _pk(),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("last_used_at", BIG),
        sa.Column("revoked_at", BIG),
        sa.PrimaryKeyConstraint("pk", name="pk_api_keys"),
        sa.UniqueConstraint("id", name="uq_api_keys_id"),
        sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
        **COUNTED,
    )
    op.create_table(
        "users",
        _pk(),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("password_hash", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_users"),
        sa.UniqueConstraint("id", name="uq_users_id"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        **COUNTED,
    )
    op.create_table(
        "sessions",
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_pk", sa.Integer(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("last_seen_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("token_digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_pk"], ["users.pk"], name="fk_sessions_user_pk", ondelete="CASCADE"),
        **STRICT,
    )
