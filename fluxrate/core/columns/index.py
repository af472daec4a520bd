"""The indexes of one large sorted frame: its arrangement in time, and by each key that has been asked about."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fluxrate.core.columns.arrangement import Arrangement
from fluxrate.core.columns.changes import Change
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.keys import CUSTOMER, Key
from fluxrate.core.columns.orders import Order
from fluxrate.core.columns.sizes import Sizes
from fluxrate.core.columns.types import Ints

_NONE: Ints = np.empty(0, np.int64)
_BLOCK = 1_024
_FEW_BLOCKS = 8
_MOST_KEPT = 8
MOST_ARRANGED = 6
"""Keys beside the customer that rows are laid out by at once: each takes up to 20 bytes a row, and whoever may ask may
ask for any key.
"""


class Index:
    """The indexes of one frame, which must not change. Any thread may read; building twice at once only costs time."""

    def __init__(self, frame: Frame, *, every_total: bool = False) -> None:
        """`every_total` is that of the arrangements: for few rows, of which much is asked."""
        self.frame = frame
        self._every_total = every_total
        self.time = self._laid(None)
        self.newest = int(frame.seq.max(initial=0))
        self._by: dict[Key, Arrangement] = {}
        self._asked: dict[Key, int] = {}
        self._count = itertools.count()
        self._subsets: dict[Hashable, Subset] = {}
        self._covering: dict[tuple[str, ...], str | None] = {}
        self._newest_of_blocks: Ints | None = None
        self._sizes: Sizes | None = None
        self.mapped = False
        """Whether frame and indexes are mapped from files."""
        self.mapped_bytes = 0
        """Bytes of what was restored from files."""

    def prepare(self, like: Index | None = None) -> Index:
        """Build what every question needs, and what another index had been asked for, so that no reader waits."""
        self.time.prepare()
        self.time.order(CUSTOMER).prepare()
        self.by(CUSTOMER).prepare()
        if like is not None:
            for key, had in list(like._by.items()):
                self.by(key).prepare()
                for inner in had.orders:
                    self.by(key).order(inner).prepare()
            for inner in like.time.orders:
                self.time.order(inner).prepare()
            if like._sizes is not None:
                _ = self.sizes
        return self

    def parts(self) -> dict[str, NDArray[Any]]:
        """What `prepare` builds, as named arrays that can be saved."""
        self.prepare()
        found = {"time.totals": self.time.running[0], "customers.totals": self.by(CUSTOMER).running[0]}
        lows = {"time.lows": self.time.running[1], "customers.lows": self.by(CUSTOMER).running[1]}
        found |= {name: low for name, low in lows.items() if low is not None}
        return found | {f"customers.{name}": part for name, part in self.time.order(CUSTOMER).parts().items()}

    @classmethod
    def restored(cls, frame: Frame, parts: Mapping[str, NDArray[Any]]) -> Index:
        """The index of a frame with what `parts` gave when it was saved. Raises KeyError when some are missing."""
        index = cls(frame)
        order = {name.removeprefix("customers."): part for name, part in parts.items()}
        index.time.order(CUSTOMER).restore(order)
        index.time.running = (parts["time.totals"], parts.get("time.lows"))
        index.by(CUSTOMER).running = (parts["customers.totals"], parts.get("customers.lows"))
        index.mapped = True
        index.mapped_bytes = sum(part.nbytes for part in parts.values())
        return index

    def changed(self, frame: Frame, change: Change) -> tuple[Index, dict[Key | None, Change]]:
        """The index of a frame that this one's became by a change, with the orders that were asked for; and how the
        rows by time (None) and by each key have changed.
        """
        found = Index(frame, every_total=self._every_total)
        changes: dict[Key | None, Change] = {None: change}
        orders = found.time.take_over(self.time, change)
        for key, former in list(self._by.items()):
            if key in orders:
                rows = found._by[key] = found._laid(key)
                changes[key] = orders[key]
                rows.take_over(former, orders[key])
        found._asked, found._count = dict(self._asked), self._count
        return found, changes

    def by(self, key: Key) -> Arrangement:
        """The arrangement by a key; built when first asked for."""
        self._asked[key] = next(self._count)
        found = self._by.get(key)
        if found is None:
            found = self._by.setdefault(key, self._laid(key))
            self._make_room()
        return found

    def _laid(self, key: Key | None) -> Arrangement:
        lanes = None if key is None else self.time.order(key)
        return Arrangement(self.frame, key, lanes, every_total=self._every_total)

    def laid(self, key: Key | None) -> Arrangement:
        """The arrangement by a key, or by time."""
        return self.time if key is None else self.by(key)

    def knows(self, by: Key | None, key: Key) -> bool:
        """Whether the order of a key's codes is there in the arrangement by another, or by time."""
        rows = self.time if by is None else self._by.get(by)
        return rows is not None and key in rows.orders

    @property
    def arranged(self) -> tuple[Key, ...]:
        """The keys by which there is an arrangement."""
        return tuple(self._by)

    def lanes(self, key: Key) -> Order:
        """Where the rows of each code of a key are; kept as long as the arrangement by it."""
        return self.by(key).lanes or self.time.order(key)

    @property
    def sizes(self) -> Sizes:
        """The order of the quantities; built when first asked for."""
        found = self._sizes
        if found is None:
            found = self._sizes = Sizes(self.frame.quantity)
        return found

    def _make_room(self) -> None:
        """Let go of the keys that were not asked for longest; whoever reads one of them keeps what they hold."""
        others = sorted((key for key in list(self._by) if key != CUSTOMER), key=lambda key: self._asked.get(key, 0))
        for key in others[: max(0, len(others) - MOST_ARRANGED)]:
            self._by.pop(key, None)
            self.time.drop(key)

    def forget(self) -> None:
        """Let go of everything that not every question needs."""
        self._by = {key: rows for key, rows in list(self._by.items()) if key == CUSTOMER}
        self._subsets = {}
        self._sizes = None
        self.time.forget(CUSTOMER)

    def later_than(self, seq: int) -> Ints | None:
        """Positions of the rows that arrived after the sequence, rising; None when they are in most of the blocks.

        Only blocks that have one are looked at.
        """
        if seq >= self.newest:
            return _NONE
        if self._newest_of_blocks is None:
            starts = np.arange(0, len(self.frame), _BLOCK)
            self._newest_of_blocks = np.maximum.reduceat(self.frame.seq, starts)
        blocks = np.flatnonzero(self._newest_of_blocks > seq)
        if len(blocks) * 2 > max(len(self._newest_of_blocks), _FEW_BLOCKS):
            return None
        places = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
        places = places[places < len(self.frame)]
        found: Ints = places[self.frame.seq[places] > seq]
        return found

    def subset(self, name: Hashable, mask: Callable[[Frame], NDArray[np.bool_]]) -> Subset:
        """The rows that a mask keeps, with an index of their own; made when first asked for, a few are kept."""
        found = self._subsets.get(name)
        if found is None:
            found = Subset(self, np.flatnonzero(mask(self.frame)))
            while len(self._subsets) >= _MOST_KEPT:
                self._subsets.pop(next(iter(self._subsets)), None)
            self._subsets[name] = found
        return found

    def covering(self, keys: tuple[str, ...]) -> str | None:
        """What `Frame.covering` says of the frame; remembered."""
        if keys not in self._covering:
            self._covering[keys] = self.frame.covering(keys)
        return self._covering[keys]

    @property
    def nbytes(self) -> int:
        """Bytes of what has been built so far beside the frame."""
        subsets = sum(
            one.index.nbytes + one.index.frame.nbytes() for one in list(self._subsets.values()) if one.index != self
        )
        sizes = 0 if self._sizes is None else self._sizes.nbytes
        return self.time.nbytes + sum(rows.nbytes for rows in list(self._by.values())) + subsets + sizes


class Subset:
    """Some rows of an index's frame, with an index of their own; `positions` are where they are in the whole."""

    def __init__(self, whole: Index, positions: Ints) -> None:
        self.positions = positions
        self.index = whole if len(positions) == len(whole.frame) else Index(whole.frame.take(positions))

    @property
    def there(self) -> Index:
        """The index, which is never let go of."""
        return self.index

    def of(self, positions: Ints) -> Ints:
        """Positions in the subset of those rows of the whole that it has."""
        places = np.searchsorted(self.positions, positions)
        inside = places < len(self.positions)
        places, positions = places[inside], positions[inside]
        found: Ints = places[self.positions[places] == positions]
        return found
