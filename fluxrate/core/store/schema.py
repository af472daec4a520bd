"""The tables of the SQL store, the same on SQLite and PostgreSQL; the migrations must lead to exactly these.

Every time is a UTC microsecond count in a BIGINT, every quantity an integer in the meter's smallest unit.
`pk` is the integer that other tables point at, `id` the public UUID as text. Nothing is ever updated or
deleted in `events` and `voids`: what corrects an event is a row of `voids`, which takes its sequence from the
same counter.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

# Names are given to every constraint, because a migration can only change what it can name.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A STRICT table knows INTEGER only, which is 64 bits wide on SQLite.
BIG = BigInteger().with_variant(Integer(), "sqlite")

# Byte order on both stores: with a locale's collation PostgreSQL would sort, and in some locales equate,
# other texts than SQLite.
TEXT = Text().with_variant(Text(collation="C"), "postgresql")

# AUTOINCREMENT, because a pk must not come back after its row was deleted: another process may still hold the
# old row.
COUNTED: dict[str, Any] = {"sqlite_strict": True, "sqlite_autoincrement": True}
STRICT: dict[str, Any] = {"sqlite_strict": True}

LAST = 2**63 - 1
"""The largest value of a BIGINT: no sequence lies beyond it."""


def _pk() -> Column[int]:
    return Column("pk", Integer, Identity(), primary_key=True)


meters = Table(
    "meters",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("name", TEXT, nullable=False),
    Column("meter_name", TEXT, nullable=False, unique=True),
    Column("meter_token", TEXT, nullable=False, unique=True),
    Column("aggregation_type", TEXT, nullable=False),
    Column("property_name", TEXT),
    Column("unit", TEXT),
    Column("decimals", Integer, nullable=False),
    Column("filters", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    CheckConstraint("decimals BETWEEN 0 AND 18", name="decimals"),
    CheckConstraint("status IN ('ACTIVE', 'ARCHIVED')", name="status"),
    **COUNTED,
)

customers = Table(
    "customers",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    # Unique: it is what a sender names a customer by. Its order is also that of the customer list.
    Column("external_id", TEXT, nullable=False, unique=True),
    Column("name", TEXT),
    Column("email", TEXT),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    # The columnar engine keeps customer keys in 32 bits.
    CheckConstraint("pk < 2147483648", name="pk_fits_32_bits"),
    **COUNTED,
)

# The columns stand in the order of `model.Event`, so that a row is an event without renaming.
events = Table(
    "events",
    METADATA,
    # The order of arrival and of every incremental read; on SQLite an INTEGER PRIMARY KEY is the row's own
    # place.
    Column("seq", BIG, primary_key=True, autoincrement=False),
    Column("meter_pk", Integer, ForeignKey("meters.pk"), nullable=False),
    Column("customer_pk", Integer, ForeignKey("customers.pk"), nullable=False),
    Column("timestamp", BIG, nullable=False),
    Column("quantity", BIG, nullable=False),
    Column("ingested_at", BIG, nullable=False),
    Column("idempotency_key", TEXT),
    Column("metadata", TEXT),
    CheckConstraint("quantity >= 0", name="quantity"),
    **STRICT,
)

# The only other index: a key counts once per meter, for ever. Questions by customer or time are the columns'
# work, and an index for them here would be paid by every insert.
Index(
    "uq_events_key",
    events.c.meter_pk,
    events.c.idempotency_key,
    unique=True,
    sqlite_where=events.c.idempotency_key.is_not(None),
    postgresql_where=events.c.idempotency_key.is_not(None),
)

# The columns stand in the order of `model.Void`.
voids = Table(
    "voids",
    METADATA,
    Column("seq", BIG, primary_key=True, autoincrement=False),
    # Unique: an event is voided once, and this is how the void of an event is found.
    Column("event_seq", BIG, ForeignKey("events.seq"), nullable=False, unique=True),
    Column("reason", TEXT, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("voided_at", BIG, nullable=False),
    # A void that came before its event would be in force as of a sequence that does not have the event yet.
    CheckConstraint("seq > event_seq", name="after_its_event"),
    **STRICT,
)

# One row. Whoever takes sequences locks it first, so that their order is the order of commits.
ingest = Table(
    "ingest",
    METADATA,
    Column("pk", Integer, primary_key=True, autoincrement=False),
    Column("last_seq", BIG, nullable=False),
    Column("last_ingested_at", BIG, nullable=False),
    CheckConstraint("pk = 1", name="one_row"),
    **STRICT,
)

api_keys = Table(
    "api_keys",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("name", TEXT, nullable=False),
    # Unique: the public part of a key, by which it is looked up on every request.
    Column("prefix", TEXT, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", TEXT, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("last_used_at", BIG),
    Column("revoked_at", BIG),
    **COUNTED,
)

users = Table(
    "users",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    # Unique: what a person signs in with, kept in lower case.
    Column("email", TEXT, nullable=False, unique=True),
    Column("password_hash", TEXT, nullable=False),
    Column("created_at", BIG, nullable=False),
    **COUNTED,
)

sessions = Table(
    "sessions",
    METADATA,
    Column("token_digest", LargeBinary, primary_key=True),
    # Not indexed: there are few sessions, and only a change of password looks for them by user.
    Column("user_pk", Integer, ForeignKey("users.pk", ondelete="CASCADE"), nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("last_seen_at", BIG, nullable=False),
    **STRICT,
)

# Only added to. No index: a page of it is read from the end by primary key, and a filtered one is asked for by people.
audit = Table(
    "audit",
    METADATA,
    _pk(),
    Column("at", BIG, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("action", TEXT, nullable=False),
    Column("target", TEXT),
    Column("address", TEXT),
    Column("details", TEXT),
    **COUNTED,
)

# The columns of the four tables of billing stand in the order of the records of `revenue.model`. Amounts are integers
# in the currency's minor unit, instants UTC microseconds, dates days since 1970-01-01.
plans = Table(
    "plans",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("external_id", TEXT, unique=True),
    Column("name", TEXT, nullable=False),
    Column("plan_type", TEXT, nullable=False),
    Column("billing_interval", TEXT, nullable=False),
    Column("interval_count", Integer, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("trial_days", Integer, nullable=False),
    Column("charges", TEXT, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    CheckConstraint("interval_count > 0", name="interval_count"),
    **COUNTED,
)

subscriptions = Table(
    "subscriptions",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("external_id", TEXT, unique=True),
    # Indexed: a customer's own list, and whether anything hangs on a customer or plan.
    Column("customer_pk", Integer, ForeignKey("customers.pk"), nullable=False, index=True),
    Column("plan_pk", Integer, ForeignKey("plans.pk"), nullable=False, index=True),
    Column("status", TEXT, nullable=False),
    Column("quantity", BIG, nullable=False),
    Column("discount", Integer, nullable=False),
    Column("currency", TEXT, nullable=False),
    Column("start", BIG, nullable=False),
    Column("trial_end", BIG),
    Column("period_start", BIG),
    Column("period_end", BIG),
    Column("canceled_at", BIG),
    Column("version", Integer, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    CheckConstraint("quantity >= 0", name="quantity"),
    **COUNTED,
)

# Only added to: what a subscription was from an instant on. Of two of one instant the later row counts.
states = Table(
    "subscription_states",
    METADATA,
    _pk(),
    Column("subscription_pk", Integer, ForeignKey("subscriptions.pk", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", BIG, nullable=False),
    Column("status", TEXT, nullable=False),
    Column("plan_pk", Integer, ForeignKey("plans.pk"), nullable=False, index=True),
    Column("quantity", BIG, nullable=False),
    Column("discount", Integer, nullable=False),
    **COUNTED,
)

invoices = Table(
    "invoices",
    METADATA,
    _pk(),
    Column("id", TEXT, nullable=False, unique=True),
    Column("external_id", TEXT, unique=True),
    Column("customer_pk", Integer, ForeignKey("customers.pk"), nullable=False, index=True),
    Column("subscription_pk", Integer, ForeignKey("subscriptions.pk"), index=True),
    # Indexed: the few that are not paid are looked for among all.
    Column("status", TEXT, nullable=False, index=True),
    Column("currency", TEXT, nullable=False),
    Column("subtotal", BIG, nullable=False),
    Column("tax", BIG, nullable=False),
    Column("total", BIG, nullable=False),
    Column("amount_due", BIG, nullable=False),
    Column("amount_paid", BIG, nullable=False),
    Column("issue_date", Integer, nullable=False),
    Column("due_date", Integer, nullable=False),
    Column("lines", TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BIG, nullable=False),
    Column("updated_at", BIG, nullable=False),
    CheckConstraint("amount_paid <= amount_due", name="paid"),
    # All that is asked about those that are not paid, so that their rows need not be read: there may be many.
    Index(
        "ix_invoices_unpaid",
        *("status", "subscription_pk", "customer_pk", "currency", "amount_due", "amount_paid", "due_date"),
    ),
    **COUNTED,
)

# Of records that a biller tells by message: from when the newest version is that was told.
mirrored = Table(
    "mirrored",
    METADATA,
    Column("source", TEXT, primary_key=True),
    Column("at", BIG, nullable=False),
    **STRICT,
)

instance = Table(
    "instance",
    METADATA,
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
    **STRICT,
)
