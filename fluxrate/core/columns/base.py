"""The large part of a meter's rows, with its index: held in memory, or mapped from saved files when asked for.

What is mapped can be let go and mapped again; whoever reads it meanwhile keeps what they hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.index import Index

Source = Callable[[], Index]
"""Maps saved columns; the same rows each time."""


class Base:
    """Rows that do not change, and their index."""

    def __init__(self, index: Index | None, source: Source | None = None, rows: int = 0) -> None:
        """An index that is there, or a `source` of one with so many rows."""
        self._index = index
        self._source = source
        self._rows = rows if index is None else len(index.frame)
        self.used = time.monotonic()
        """When it was last asked for, on the monotonic clock."""

    def __len__(self) -> int:
        return self._rows

    @property
    def index(self) -> Index:
        """The index, mapped now if it has been let go."""
        self.used = time.monotonic()
        found = self._index
        if found is None:
            if self._source is None:
                raise RuntimeError("columns without a source were let go")
            # Two readers at once may both map: either is right.
            found = self._index = self._source()
        return found

    @property
    def there(self) -> Index | None:
        """The index unless it has been let go; this is not asking for it."""
        return self._index

    def with_source(self, wrap: Callable[[Source], Source]) -> Base:
        """The same rows, let go or not, with another way to get them again."""
        if self._source is None:
            return self
        other = Base(self._index, wrap(self._source))
        other._rows = self._rows
        return other

    @property
    def frame(self) -> Frame:
        """The rows."""
        return self.index.frame

    @property
    def resident(self) -> bool:
        """Whether it is in memory or mapped."""
        return self._index is not None

    @property
    def saved(self) -> bool:
        """Whether it can be let go."""
        return self._source is not None

    @property
    def heap_bytes(self) -> int:
        """Bytes that only this process holds."""
        found = self._index
        if found is None:
            return 0
        return found.nbytes - found.mapped_bytes if found.mapped else found.nbytes + found.frame.nbytes()

    @property
    def mapped_bytes(self) -> int:
        """Bytes of mapped files."""
        found = self._index
        return 0 if found is None or not found.mapped else found.frame.nbytes() + found.mapped_bytes

    def forget(self) -> None:
        """Let go of what was built for single questions."""
        if self._index is not None:
            self._index.forget()

    def let_go(self) -> None:
        """Let go of everything that can be mapped again."""
        if self.saved:
            self._index = None
