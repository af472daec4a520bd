"""Billing: plans, subscriptions with their history, invoices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNTED = {"sqlite_strict": True, "sqlite_autoincrement": True}


def upgrade() -> None:
    """Make the tables; no row of any other is touched."""
    _plans()
    _subscriptions()
    _states()
    _invoices()


def _column(name: str, kind: Any, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def _pk() -> sa.Column[int]:
    return sa.Column("pk", sa.Integer(), sa.Identity(), nullable=False)


def _points_at(table: str, column: str, other: str, **more: Any) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.pk"], name=f"fk_{table}_{column}", **more)


def _indexed(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _plans() -> None:
    op.create_table(
        "plans",
        _pk(),
        _column("id", TEXT),
        _column("external_id", TEXT, nullable=True),
        _column("name", TEXT),
        _column("plan_type", TEXT),
        _column("billing_interval", TEXT),
        _column("interval_count", sa.Integer()),
        _column("currency", TEXT),
        _column("trial_days", sa.Integer()),
        _column("charges", TEXT),
        _column("created_at", BIG),
        _column("updated_at", BIG),
        sa.PrimaryKeyConstraint("pk", name="pk_plans"),
        sa.UniqueConstraint("id", name="uq_plans_id"),
        sa.UniqueConstraint("external_id", name="uq_plans_external_id"),
        sa.CheckConstraint("interval_count > 0", name="ck_plans_interval_count"),
        **COUNTED,
    )


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        _pk(),
        _column("id", TEXT),
        _column("external_id", TEXT, nullable=True),
        _column("customer_pk", sa.Integer()),
        _column("plan_pk", sa.Integer()),
        _column("status", TEXT),
        _column("quantity", BIG),
        _column("discount", sa.Integer()),
        _column("currency", TEXT),
        _column("start", BIG),
        _column("trial_end", BIG, nullable=True),
        _column("period_start", BIG, nullable=True),
        _column("period_end", BIG, nullable=True),
        _column("canceled_at", BIG, nullable=True),
        _column("version", sa.Integer()),
        _column("created_at", BIG),
        _column("updated_at", BIG),
        sa.PrimaryKeyConstraint("pk", name="pk_subscriptions"),
        sa.UniqueConstraint("id", name="uq_subscriptions_id"),
        sa.UniqueConstraint("external_id", name="uq_subscriptions_external_id"),
        _points_at("subscriptions", "customer_pk", "customers"),
        _points_at("subscriptions", "plan_pk", "plans"),
        sa.CheckConstraint("quantity >= 0", name="ck_subscriptions_quantity"),
        **COUNTED,
    )
    _indexed("subscriptions", "customer_pk", "plan_pk")


def _states() -> None:
    op.create_table(
        "subscription_states",
        _pk(),
        _column("subscription_pk", sa.Integer()),
        _column("at", BIG),
        _column("status", TEXT),
        _column("plan_pk", sa.Integer()),
        _column("quantity", BIG),
        _column("discount", sa.Integer()),
        sa.PrimaryKeyConstraint("pk", name="pk_subscription_states"),
        _points_at("subscription_states", "subscription_pk", "subscriptions", ondelete="CASCADE"),
        _points_at("subscription_states", "plan_pk", "plans"),
        **COUNTED,
    )
    _indexed("subscription_states", "subscription_pk", "plan_pk")


def _invoices() -> None:
    op.create_table(
        "invoices",
        _pk(),
        _column("id", TEXT),
        _column("external_id", TEXT, nullable=True),
        _column("customer_pk", sa.Integer()),
        _column("subscription_pk", sa.Integer(), nullable=True),
        _column("status", TEXT),
        _column("currency", TEXT),
        _column("subtotal", BIG),
        _column("tax", BIG),
        _column("total", BIG),
        _column("amount_due", BIG),
        _column("amount_paid", BIG),
        _column("issue_date", sa.Integer()),
        _column("due_date", sa.Integer()),
        _column("lines", TEXT),
        _column("version", sa.Integer()),
        _column("created_at", BIG),
        _column("updated_at", BIG),
        sa.PrimaryKeyConstraint("pk", name="pk_invoices"),
        sa.UniqueConstraint("id", name="uq_invoices_id"),
        sa.UniqueConstraint("external_id", name="uq_invoices_external_id"),
        _points_at("invoices", "customer_pk", "customers"),
        _points_at("invoices", "subscription_pk", "subscriptions"),
        sa.CheckConstraint("amount_paid <= amount_due", name="ck_invoices_paid"),
        **COUNTED,
    )
    _indexed("invoices", "customer_pk", "subscription_pk", "status")
