"""What several tables share of reading: a page with its total, and long lists of keys in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, func, select

T = TypeVar("T")

# A class with a method `list` cannot say `list[...]` in its annotations; these say it for it.
Many = list[T]
Page = tuple[list[T], int]

PIECE = 1000
"""Keys in one IN list: far below what either driver can bind, and few enough to keep the statement small."""


def page_of(
    connection: Connection, query: Select[Any], order: Sequence[Any], page: int, page_size: int
) -> tuple[Sequence[Row[Any]], int]:
    """The rows of page `page` (the first is 1) of `query` in `order`, and how many rows it has in all."""
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    paged = query.order_by(*order).limit(page_size).offset((page - 1) * page_size)
    return connection.execute(paged).all(), total


def pieces(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """`values` in runs of at most `PIECE`."""
    for start in range(0, len(values), PIECE):
        yield values[start : start + PIECE]
