"""pandas: a data frame in order of time. Windows are cut by binary search."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.answers import OTHERS, Row
from bench.contenders import Plan, Tables
from bench.events import Events
from bench.questions import PAGE_SIZE, TOP, Kind, Question

_VALUES = {"SUM": ("quantity", "sum"), "MAX": ("quantity", "max"), "UNIQUE_COUNT": ("user", "nunique")}


class Pandas(Tables):
    """One data frame."""

    name = "pandas"
    version = pd.__version__

    def __init__(self, events: Events) -> None:
        self._frame = pd.DataFrame(events.columns(), copy=False)

    def plan(self, question: Question) -> Plan:
        """Cut the window, then group."""
        make = {
            Kind.USAGE: _usage,
            Kind.RANKING: _ranking,
            Kind.BREAKDOWN: _breakdown,
            Kind.OTHERS: _others,
            Kind.LOG: _log,
        }[question.kind]
        return lambda: make(question, self._cut(question))

    def rows(self, table: Any) -> Iterable[Row]:
        """The frame's rows."""
        return [tuple(map(int, row)) for row in table.itertuples(index=False)]

    def add(self, events: Events) -> None:
        """A new frame of both, in order."""
        both = pd.concat([self._frame, pd.DataFrame(events.columns())])
        self._frame = both.sort_values(["ts", "seq"], ignore_index=True)

    def _cut(self, question: Question) -> pd.DataFrame:
        first, last = np.searchsorted(self._frame["ts"].to_numpy(), (question.start, question.end))
        cut = self._frame.iloc[first:last]
        if question.customer is not None:
            cut = cut[cut["customer"] == question.customer]
        if question.where:
            cut = cut[cut[question.where[0]] == question.where[1]]
        if question.as_of is not None:
            cut = cut[cut["seq"] <= question.as_of]
        if question.min_quantity is not None:
            cut = cut[cut["quantity"] >= question.min_quantity]
        return cut


def _usage(question: Question, cut: pd.DataFrame) -> list[pd.DataFrame]:
    column, function = _VALUES[question.metric]
    if not question.step:
        return [pd.DataFrame([[0, getattr(cut[column], function)(), len(cut)]])]
    figures = {"value": (column, function), "events": ("seq", "size")}
    if question.distinct == "bucket":
        figures["customers"] = ("customer", "nunique")
    asked = [cut.groupby(cut["ts"] // question.step).agg(**figures).reset_index()]
    if question.metric == "UNIQUE_COUNT":
        asked.append(pd.DataFrame([[cut["user"].nunique()]]))
    elif question.distinct == "window":
        asked.append(pd.DataFrame([[cut["customer"].nunique()]]))
    return asked


def _sums(groups: Any) -> pd.DataFrame:
    found: pd.DataFrame = groups["quantity"].agg(["sum", "size"]).reset_index()
    return found


def _ranking(question: Question, cut: pd.DataFrame) -> list[pd.DataFrame]:
    return [_sums(cut.groupby("customer")).nlargest(TOP, "sum")]


def _breakdown(question: Question, cut: pd.DataFrame) -> list[pd.DataFrame]:
    return [_sums(cut.groupby([question.key, cut["ts"] // question.step]))]


def _others(question: Question, cut: pd.DataFrame) -> list[pd.DataFrame]:
    groups = _sums(cut.groupby(question.key)).sort_values("sum", ascending=False)
    rest = groups.iloc[TOP:]
    return [pd.concat([groups.iloc[:TOP], pd.DataFrame([[OTHERS, *rest.sum().iloc[1:]]], columns=groups.columns)])]


def _log(question: Question, cut: pd.DataFrame) -> list[pd.DataFrame]:
    last = len(cut) - question.offset
    page = cut[["seq", "ts", "customer", "quantity"]].iloc[max(0, last - PAGE_SIZE) : last]
    return [pd.DataFrame([[len(cut)]]), page.iloc[::-1]]
