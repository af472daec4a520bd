"""The questions, as data: every contender turns them into its own words.

A question is asked several times with a window that begins a few minutes later each time, so that no one answers from a
cache of answers. Days and hours are UTC; a bucket is named by its number since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from bench.events import DAY, HOUR, MINUTE, MOST_QUANTITY, YEAR_END, YEAR_START

PAGE_SIZE = 50
DEEP_PAGE = 100_000
TOP = 10
LARGEST, MIDDLE = 0, 100
"""Customers: the one with the most events, and one with about a thousandth of all."""
ONE_REGION, ONE_ENDPOINT = 3, 700
SOME_QUANTITY = MOST_QUANTITY * 2 // 5
"""Six events in ten are at least this large."""
RECENT = 1_000

_DECEMBER = YEAR_END - 31 * DAY


class Kind(Enum):
    """What is asked for."""

    USAGE = "figures per bucket of time and over the window"
    RANKING = "the largest customers"
    BREAKDOWN = "figures per bucket of time for each value of a key"
    OTHERS = "the largest values of a key, and all others in one"
    LOG = "one page of events, newest first, and how many there are"


@dataclass(frozen=True, slots=True)
class Question:
    """Asks about the events of `[start, end)` that pass the filters; sums and counts always, distinct customers as
    `distinct` says. `key` and `where` name a metadata column, `step` is the length of a bucket or 0.
    """

    name: str
    text: str
    start: int = YEAR_START
    end: int = YEAR_END
    kind: Kind = Kind.USAGE
    step: int = DAY
    metric: Literal["SUM", "MAX", "UNIQUE_COUNT"] = "SUM"
    distinct: Literal["", "window", "bucket"] = ""
    customer: int | None = None
    where: tuple[str, int] | None = None
    key: str | None = None
    as_of: int | None = None
    min_quantity: int | None = None
    page: int = 1

    @property
    def reads_metadata(self) -> bool:
        """Whether events without metadata leave nothing to answer."""
        return bool(self.where or self.key or self.metric == "UNIQUE_COUNT")

    @property
    def offset(self) -> int:
        """How many events stand before the page."""
        return (self.page - 1) * PAGE_SIZE

    def shifted(self, minutes: int) -> Question:
        """The same question of a window that begins a little later."""
        return replace(self, start=self.start + minutes * MINUTE)


def questions(size: int) -> tuple[Question, ...]:
    """All questions about a year of so many events."""
    return (*_usage(size), *_metadata(), *_log(size))


def _usage(size: int) -> tuple[Question, ...]:
    month, months = _DECEMBER - 30 * DAY, _DECEMBER - 300 * DAY
    return (
        Question("days-30", "30 days by day", month, _DECEMBER, distinct="window"),
        Question("days-30-each", "30 days by day, customers of each", month, _DECEMBER, distinct="bucket"),
        Question("days-300", "300 days by day", months, _DECEMBER, distinct="window"),
        Question("days-300-each", "300 days by day, customers of each", months, _DECEMBER, distinct="bucket"),
        Question("hours", "year by hour", step=HOUR, distinct="window"),
        Question("hours-each", "year by hour, customers of each", step=HOUR, distinct="bucket"),
        Question("customer", "one customer, 30 days by day", month, _DECEMBER, customer=MIDDLE),
        Question("largest", "largest customer, 30 days by day", month, _DECEMBER, customer=LARGEST),
        Question("top", "top 10 customers of the year", kind=Kind.RANKING, step=0),
        Question("max", "MAX, year by day", metric="MAX"),
        Question("as-of", "30 days by day, as of 1,000 events ago", month, _DECEMBER, as_of=size - RECENT),
    )


def _metadata() -> tuple[Question, ...]:
    month = _DECEMBER - 30 * DAY
    region, endpoint = ("region", ONE_REGION), ("endpoint", ONE_ENDPOINT)
    return (
        Question("unique", "UNIQUE_COUNT, year by day", metric="UNIQUE_COUNT"),
        Question("unique-year", "UNIQUE_COUNT, whole year", metric="UNIQUE_COUNT", step=0),
        Question("regions-30", "by region (8), 30 days by day", month, _DECEMBER, Kind.BREAKDOWN, key="region"),
        Question("regions", "by region (8), year by day", kind=Kind.BREAKDOWN, key="region"),
        Question("endpoints", "top 10 of 1,000 endpoints, and others", kind=Kind.OTHERS, key="endpoint", step=0),
        Question("region", "one region of 8, year by day", where=region),
        Question("endpoint", "one endpoint of 1,000, year by day", where=endpoint),
    )


def _log(size: int) -> tuple[Question, ...]:
    # Both filters leave more than half of all, and a tenth: page 100,000 is there from ten million events on.
    deep = min(DEEP_PAGE, size // 2 // PAGE_SIZE)
    last = size // 20 // PAGE_SIZE
    log, some = Kind.LOG, SOME_QUANTITY
    return (
        Question("log-customer", "log of a customer, first page", kind=log, customer=MIDDLE),
        Question("log-deep", f"log of the largest customer, page {last:,}", kind=log, customer=LARGEST, page=last),
        Question("log-quantity", "log by minimum quantity, first page", kind=log, min_quantity=some),
        Question(
            "log-quantity-deep", f"log by minimum quantity, page {deep:,}", kind=log, min_quantity=some, page=deep
        ),
        Question("log-both", "log by customer and quantity, first page", kind=log, customer=LARGEST, min_quantity=some),
    )
