"""Numbered pages: which numbers stand in the row under a list."""

from __future__ import annotations


def around(page: int, total: int, near: int = 2) -> tuple[int | None, ...]:
    """The first, the last and the neighbours of `page`; None is a gap of more than one page."""
    wanted = sorted({1, total, *range(max(1, page - near), min(total, page + near) + 1)}) if total > 1 else []
    row: list[int | None] = []
    for number in wanted:
        if row and row[-1] is not None and number - row[-1] > 1:
            row.append(number - 1 if number - row[-1] == 2 else None)
        row.append(number)
    return tuple(row)
