"""Which panels of the dashboard somebody wants to see, and in which order: kept in a cookie of the browser.

In the cookie, because it is a taste and no fact: it needs no table, no row to clean up with an account, and a phone may
have another order than a desk. What cannot be read, or names panels that are no longer there, is passed over; a panel
that it does not know stands at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

COOKIE = "fluxrate_panels"
SECONDS = 400 * 86_400
"""The longest that browsers keep a cookie."""
MOVES = ("up", "down", "hide", "show")

_SEPARATOR = "."
_HIDDEN = "-"


@dataclass(frozen=True, slots=True)
class Placed:
    """One panel by name, in its place."""

    name: str
    hidden: bool = False


Arrangement = tuple[Placed, ...]


def read(text: str | None, names: Sequence[str]) -> Arrangement:
    """The arrangement of a cookie over the panels there are, in their own order where it says nothing."""
    placed: dict[str, Placed] = {}
    for part in (text or "").split(_SEPARATOR):
        name = part.removeprefix(_HIDDEN)
        if name in names:
            placed.setdefault(name, Placed(name, hidden=part.startswith(_HIDDEN)))
    return (*placed.values(), *(Placed(name) for name in names if name not in placed))


def written(arrangement: Arrangement) -> str:
    """The cookie's value; panel names hold none of its signs."""
    return _SEPARATOR.join((_HIDDEN if one.hidden else "") + one.name for one in arrangement)


def moved(arrangement: Arrangement, name: str, move: str) -> Arrangement:
    """The arrangement after one of MOVES; a first panel goes no further up, a last one no further down.

    What is hidden is passed by: each press changes what is seen.
    """
    row = list(arrangement)
    place = next(i for i, one in enumerate(row) if one.name == name)
    if move in ("hide", "show"):
        row[place] = replace(row[place], hidden=move == "hide")
        return tuple(row)
    step = -1 if move == "up" else 1
    after = place + step
    while 0 <= after < len(row) and row[after].hidden:
        after += step
    if 0 <= after < len(row):
        row.insert(after, row.pop(place))
    return tuple(row)
