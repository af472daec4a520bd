"""Polars: a data frame in order of time. Windows are cut by binary search, which Polars itself would not do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from bench.answers import OTHERS, Row
from bench.contenders import Plan, Tables
from bench.events import Events
from bench.questions import PAGE_SIZE, TOP, Kind, Question

_VALUES = {
    "SUM": pl.col("quantity").sum(),
    "MAX": pl.col("quantity").max(),
    "UNIQUE_COUNT": pl.col("user").n_unique(),
}


class Polars(Tables):
    """One data frame."""

    name = "Polars"
    version = pl.__version__

    def __init__(self, events: Events) -> None:
        self._frame = _framed(events)

    def plan(self, question: Question) -> Plan:
        """Cut the window, then the question's own lazy frames, collected together."""
        make = {
            Kind.USAGE: _usage,
            Kind.RANKING: _ranking,
            Kind.BREAKDOWN: _breakdown,
            Kind.OTHERS: _others,
            Kind.LOG: _log,
        }[question.kind]
        return lambda: pl.collect_all(make(question, self._cut(question)))

    def rows(self, table: Any) -> Iterable[Row]:
        """The frame's rows."""
        rows: list[Row] = table.rows()
        return rows

    def add(self, events: Events) -> None:
        """A new frame of both, in order."""
        both = pl.concat([self._frame, _framed(events)]).sort("ts", "seq")
        self._frame = both.with_columns(pl.col("ts").set_sorted())

    def _cut(self, question: Question) -> pl.LazyFrame:
        first, last = self._frame["ts"].search_sorted(pl.Series([question.start, question.end]))
        cut = self._frame.slice(first, last - first).lazy()
        if question.customer is not None:
            cut = cut.filter(pl.col("customer") == question.customer)
        if question.where:
            cut = cut.filter(pl.col(question.where[0]) == question.where[1])
        if question.as_of is not None:
            cut = cut.filter(pl.col("seq") <= question.as_of)
        if question.min_quantity is not None:
            cut = cut.filter(pl.col("quantity") >= question.min_quantity)
        return cut


def _framed(events: Events) -> pl.DataFrame:
    return pl.DataFrame(events.columns()).with_columns(pl.col("ts").set_sorted())


def _usage(question: Question, cut: pl.LazyFrame) -> list[pl.LazyFrame]:
    value = _VALUES[question.metric].alias("value")
    if not question.step:
        return [cut.select(pl.lit(0).alias("bucket"), value, pl.len())]
    figures = [value, pl.len()]
    if question.distinct == "bucket":
        figures.append(pl.col("customer").n_unique().alias("customers"))
    asked = [cut.group_by(_bucket(question)).agg(figures)]
    if question.metric == "UNIQUE_COUNT":
        asked.append(cut.select(value))
    elif question.distinct == "window":
        asked.append(cut.select(pl.col("customer").n_unique()))
    return asked


def _ranking(question: Question, cut: pl.LazyFrame) -> list[pl.LazyFrame]:
    return [cut.group_by("customer").agg(_VALUES["SUM"], pl.len()).top_k(TOP, by="quantity").sort(-pl.col("quantity"))]


def _breakdown(question: Question, cut: pl.LazyFrame) -> list[pl.LazyFrame]:
    return [cut.group_by(str(question.key), _bucket(question)).agg(_VALUES["SUM"], pl.len())]


def _others(question: Question, cut: pl.LazyFrame) -> list[pl.LazyFrame]:
    key = str(question.key)
    groups = cut.group_by(key).agg(_VALUES["SUM"], pl.len()).with_columns(pl.col("len").cast(pl.Int64))
    place = pl.col("quantity").rank("ordinal", descending=True)
    kept = pl.when(place <= TOP).then(pl.col(key)).otherwise(pl.lit(OTHERS)).alias("kept")
    return [groups.group_by(kept).agg(pl.col("quantity").sum(), pl.col("len").sum())]


def _log(question: Question, cut: pl.LazyFrame) -> list[pl.LazyFrame]:
    page = cut.select("seq", "ts", "customer", "quantity").reverse().slice(question.offset, PAGE_SIZE)
    return [cut.select(pl.len()), page]


def _bucket(question: Question) -> pl.Expr:
    return (pl.col("ts") // question.step).alias("bucket")
