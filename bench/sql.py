"""The questions in SQL: one text for DuckDB, ClickHouse, SQLite and PostgreSQL, on a table `events` of integers.

The few words in which they differ are a `Dialect`. Nothing is asked that a question does not need: a window's sum and
count are added up from its buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.answers import OTHERS
from bench.questions import PAGE_SIZE, TOP, Kind, Question

COLUMNS = {
    "ts": "BIGINT",
    "seq": "BIGINT",
    "quantity": "BIGINT",
    "customer": "INTEGER",
    "region": "SMALLINT",
    "endpoint": "SMALLINT",
    "user": "INTEGER",
}
"""The table's columns, in order, and their types."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine divides integers, and how it keeps a sum from becoming a decimal or a float."""

    divide: str = "{0} / {1}"
    total: str = "sum(quantity)"


def statements(question: Question, dialect: Dialect) -> tuple[str, ...]:
    """What is to be run; `answers.from_tables` reads the results."""
    return _MAKERS[question.kind](question, dialect)


def create(types: dict[str, str] | None = None, key: str = "", tail: str = "") -> str:
    """The statement that makes the table; `types` renames types, `key` is a constraint of the table."""
    lines = [f'"{name}" {(types or {}).get(kind, kind)} NOT NULL' for name, kind in COLUMNS.items()]
    return f"CREATE TABLE events ({', '.join([*lines, key] if key else lines)}) {tail}"


def _usage(question: Question, dialect: Dialect) -> tuple[str, ...]:
    customers = ", count(DISTINCT customer)" if question.distinct == "bucket" else ""
    value = _value(question, dialect)
    if not question.step:
        return (f"SELECT 0, {value}, count(*) FROM events {_where(question)}",)
    buckets = f"SELECT {_bucket(question, dialect)} AS bucket, {value}, count(*){customers}"
    buckets += f" FROM events {_where(question)} GROUP BY 1"
    if question.metric == "UNIQUE_COUNT":
        return buckets, f"SELECT {value} FROM events {_where(question)}"
    if question.distinct == "window":
        return buckets, f"SELECT count(DISTINCT customer) FROM events {_where(question)}"
    return (buckets,)


def _ranking(question: Question, dialect: Dialect) -> tuple[str, ...]:
    sums = f"SELECT customer, {dialect.total} AS value, count(*) FROM events {_where(question)} GROUP BY customer"
    return (f"{sums} ORDER BY value DESC LIMIT {TOP}",)


def _breakdown(question: Question, dialect: Dialect) -> tuple[str, ...]:
    columns = f"{question.key}, {_bucket(question, dialect)} AS bucket, {dialect.total}, count(*)"
    return (f"SELECT {columns} FROM events {_where(question)} GROUP BY 1, 2",)


def _others(question: Question, dialect: Dialect) -> tuple[str, ...]:
    key = question.key
    groups = f"SELECT {key}, {dialect.total} AS value, count(*) AS events FROM events {_where(question)} GROUP BY {key}"
    places = f"SELECT *, row_number() OVER (ORDER BY value DESC) AS place FROM ({groups}) AS summed"
    kept = f"CASE WHEN place <= {TOP} THEN {key} ELSE {OTHERS} END AS kept"
    return (f"SELECT {kept}, sum(value), sum(events) FROM ({places}) AS placed GROUP BY 1",)


def _log(question: Question, dialect: Dialect) -> tuple[str, ...]:
    page = f"ORDER BY ts DESC, seq DESC LIMIT {PAGE_SIZE} OFFSET {question.offset}"
    return (
        f"SELECT count(*) FROM events {_where(question)}",
        f"SELECT seq, ts, customer, quantity FROM events {_where(question)} {page}",
    )


_MAKERS = {
    Kind.USAGE: _usage,
    Kind.RANKING: _ranking,
    Kind.BREAKDOWN: _breakdown,
    Kind.OTHERS: _others,
    Kind.LOG: _log,
}


def _bucket(question: Question, dialect: Dialect) -> str:
    return dialect.divide.format("ts", question.step)


def _value(question: Question, dialect: Dialect) -> str:
    values = {"SUM": dialect.total, "MAX": "max(quantity)", "UNIQUE_COUNT": 'count(DISTINCT "user")'}
    return values[question.metric]


def _where(question: Question) -> str:
    terms = [f"ts >= {question.start} AND ts < {question.end}"]
    if question.customer is not None:
        terms.append(f"customer = {question.customer}")
    if question.where:
        terms.append("{} = {}".format(*question.where))
    if question.as_of is not None:
        terms.append(f"seq <= {question.as_of}")
    if question.min_quantity is not None:
        terms.append(f"quantity >= {question.min_quantity}")
    return "WHERE " + " AND ".join(terms)
