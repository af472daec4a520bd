"""Calendar buckets that many windows share, made once: windows that end now differ by microseconds, their days do not.

The buckets of the whole UTC days around a window hold every edge and label that the window itself has; a window is
then two binary searches in them. What is kept is bounded in number and size, and the same for everybody, for ever:
the time zone rules of a process do not change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.windows import Window
from fluxrate.core.zones import DAY

KEPT = 64
"""How many stretches of whole days are kept, whatever their zone and grouping."""


class _Cut(Protocol):
    """A window in buckets: bucket i is `[edges[i], edges[i + 1])` under `labels[i]`."""

    def __init__(self, edges: NDArray[np.int64], labels: tuple[str, ...]) -> None: ...

    @property
    def edges(self) -> NDArray[np.int64]: ...

    @property
    def labels(self) -> tuple[str, ...]: ...


Buckets = TypeVar("Buckets", bound=_Cut)
Cutter = Callable[[Window, str], Buckets]


def shared(worth: Callable[[Window, str], bool]) -> Callable[[Cutter[Buckets]], Cutter[Buckets]]:
    """Let a function that cuts windows cut the whole days around them once, where `worth(window, group)` says so."""

    def decorate(cut: Cutter[Buckets]) -> Cutter[Buckets]:
        @lru_cache(maxsize=KEPT)
        def whole(zone: str, group: str, first: int, last: int) -> tuple[Buckets, list[int]]:
            found = cut(Window(first * DAY, last * DAY, zone), group)
            return found, found.edges.tolist()

        @wraps(cut)
        def cut_out(window: Window, group: str) -> Buckets:
            if not worth(window, group):
                return cut(window, group)
            days, edges = whole(window.zone, group, window.start // DAY, -(-window.end // DAY))
            # Not searchsorted: numpy lets other threads run meanwhile, and to get the turn back takes far longer.
            first, last = bisect_right(edges, window.start) - 1, bisect_left(edges, window.end)
            own = days.edges[first : last + 1].copy()
            own[0], own[-1] = window.start, window.end
            own.flags.writeable = False
            return type(days)(own, days.labels[first:last])

        return cut_out

    return decorate
