"""Dictionary codes for metadata: what strangers write becomes small integers once, when loaded, never per query.

One dictionary per metadata key, shared by all meters and only ever appended to, so codes that older snapshots hold stay
true. Values are told apart by their text: strings as sent, anything else as its JSON; null is the same as absent. Two
bounds keep strangers from filling the memory, unless a meter needs the key: keys beyond `MOST_KEYS` are not coded, and
when all dictionaries have more than `MOST_VALUES` values together (about 200 bytes each), the key with the most of
them, such as one with another value in every event, is closed: coded no more, and questions by it are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.types import MISSING, Codes

MOST_KEYS = 64
MOST_VALUES = 1_000_000

Saved = Mapping[str, Sequence[str] | None]
"""Values by key in the order of their codes; None for a key that is closed."""

Decode = Callable[[str], Mapping[str, Any]]


def value_text(value: object) -> str | None:
    """The text by which a metadata value is compared, or None where it counts as absent."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _nested(meta: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """What stands inside nested objects, under dotted paths."""
    for key, value in meta.items():
        if isinstance(value, dict):
            for inner, found in value.items():
                yield f"{path}{key}.{inner}", found
            yield from _nested(value, f"{path}{key}.")


class Dictionary:
    """Values of one metadata key in order of first sight; the position is the code."""

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[str] = ()) -> None:
        self.values = list(values)
        self.codes = {value: code for code, value in enumerate(self.values)}

    def code(self, value: str) -> int:
        """The value's code, a new one if it was never seen."""
        found = self.codes.get(value)
        if found is None:
            found = self.codes[value] = len(self.values)
            self.values.append(value)
        return found

    def find(self, value: str) -> int:
        """The value's code, `MISSING` if it was never seen."""
        return self.codes.get(value, MISSING)


class _Column:
    """Codes of one key while they are being collected; lists, because single items of arrays are slow to set."""

    __slots__ = ("codes", "dictionary", "known", "positions")

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.known = dictionary.codes
        self.positions: list[int] = []
        self.codes: list[int] = []

    def table(self, size: int) -> Codes:
        """The code at each position, the last that was given for it."""
        found = np.full(size, MISSING, np.int32)
        # Where a position comes twice numpy keeps the last.
        found[np.array(self.positions, np.int64)] = np.array(self.codes, np.int32)
        return found


class Coder:
    """All dictionaries of one instance; one thread at a time adds, any thread may look up."""

    def __init__(self, decode: Decode, dictionaries: Saved | None = None) -> None:
        self._decode = decode
        saved = dictionaries or {}
        self.dictionaries = {key: Dictionary(values) for key, values in saved.items() if values is not None}
        self.closed = {key for key, values in saved.items() if values is None}
        self.needed: Collection[str] = frozenset()

    def saved(self) -> dict[str, list[str] | None]:
        """The values of every key in the order of their codes, and None for a closed key."""
        values = {key: list(found.values) for key, found in self.dictionaries.items()}
        return {**values, **dict.fromkeys(self.closed)}

    def need(self, keys: Collection[str]) -> bool:
        """From now on code these keys whatever else there is.

        False, and nothing changes, when one of them may have been left out of what was coded so far, which then has to
        be coded again: once there is no more room, a key that has no dictionary may have been passed over.
        """
        missing = [key for key in keys if key not in self.dictionaries]
        if missing and (self._full or self.closed.intersection(missing)):
            return False
        self.needed = keys
        for key in missing:
            self.dictionaries[key] = Dictionary()
        return True

    @property
    def _full(self) -> bool:
        # A closed key keeps its place: another one that takes it would have been passed over until then.
        return len(self.dictionaries) + len(self.closed) >= MOST_KEYS

    def encode(self, texts: Sequence[str | None]) -> dict[str, Codes]:
        """Codes per key for a column of JSON objects (None: no metadata); each distinct text is decoded once."""
        lookup: dict[str | None, int] = {None: 0}
        rows = np.fromiter((lookup.setdefault(text, len(lookup)) for text in texts), np.int64, len(texts))
        columns: dict[str, _Column | None] = {}
        for text, position in lookup.items():
            if text is not None:
                self._place(self._decode(text), position, columns)
        self._close_largest()
        return {
            key: column.table(len(lookup))[rows]
            for key, column in columns.items()
            if column is not None and column.codes and key in self.dictionaries
        }

    def _close_largest(self) -> None:
        sizes = {key: len(found.values) for key, found in self.dictionaries.items()}
        total = sum(sizes.values())
        for key in sorted(sizes.keys() - set(self.needed), key=sizes.__getitem__, reverse=True):
            if total <= MOST_VALUES:
                return
            total -= sizes[key]
            self.closed.add(key)
            del self.dictionaries[key]

    def _place(self, meta: Mapping[str, Any], position: int, columns: dict[str, _Column | None]) -> None:
        pairs: Iterable[tuple[str, Any]] = meta.items()
        if dict in map(type, meta.values()):
            # A key that is itself spelled like a path comes last, and wins.
            pairs = chain(_nested(meta, ""), pairs)
        for key, value in pairs:
            text = value if value.__class__ is str else value_text(value)
            if text is None:
                continue
            try:
                column = columns[key]
            except KeyError:
                column = columns[key] = self._column(key)
            if column is not None:
                known = column.known.get(text)
                column.codes.append(column.dictionary.code(text) if known is None else known)
                column.positions.append(position)

    def _column(self, key: str) -> _Column | None:
        dictionary = self.dictionaries.get(key) or self._open(key)
        return None if dictionary is None else _Column(dictionary)

    def _open(self, key: str) -> Dictionary | None:
        if (self._full or key in self.closed) and key not in self.needed:
            return None
        return self.dictionaries.setdefault(key, Dictionary())

    def counted(self, frames: Sequence[Frame], keys: Sequence[str]) -> list[Codes]:
        """For each frame the codes of the first of `keys` that each row has, as if all keys shared one dictionary.

        Frames whose codes are to be compared are given together: one may lack a key that the other has, and
        dictionaries grow between two calls.
        """
        present = [key for key in keys if any(key in frame.meta for frame in frames)]
        if not present:
            return [np.full(len(frame), MISSING, np.int32) for frame in frames]
        first, *others = present
        found = [frame.codes(first) for frame in frames]
        known, fresh = len(self.dictionaries[first].values), dict[str, int]()
        for key in others:
            if any((codes < 0).any() for codes in found):
                table = self._translated(key, first, known, fresh)
                found = [
                    np.where(codes < 0, table[frame.codes(key)], codes)
                    for frame, codes in zip(frames, found, strict=True)
                ]
        return found

    def _translated(self, key: str, into: str, known: int, fresh: dict[str, int]) -> Codes:
        """For each code of `key` that of the same value among the `known` of `into`, or one after them that is kept in
        `fresh`; MISSING stays (last item).
        """
        target = self.dictionaries[into].codes
        codes = []
        for value in self.dictionaries[key].values:
            code = target.get(value, known)
            codes.append(code if code < known else fresh.setdefault(value, known + len(fresh)))
        return np.array([*codes, MISSING], np.int32)

    def find(self, key: str, values: Sequence[str]) -> tuple[int, ...]:
        """The codes of those of the values that are known under the key, rising."""
        dictionary = self.dictionaries.get(key)
        if dictionary is None:
            return ()
        return tuple(sorted({code for code in map(dictionary.find, values) if code >= 0}))

    def text(self, key: str, code: int) -> str | None:
        """The value that a code stands for, None for a missing one."""
        return None if code == MISSING else self.dictionaries[key].values[code]

    def passes_over(self, key: str) -> bool:
        """Whether a key is not coded because there are too many; one that nobody sent is, with no values, as long as
        there is room for it.
        """
        return key not in self.dictionaries and (key in self.closed or self._full)
