"""Dictionary codes for metadata: what strangers write becomes small integers once, when loaded, never per query.

One dictionary per metadata key, shared by all meters and only ever appended to, so codes that older snapshots hold stay
true. Values are told apart by their text: strings as sent, anything else as its JSON; null is the same as absent. Keys
beyond `MOST_KEYS` are not coded, unless a meter needs them, so hostile metadata cannot grow a column per event.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.types import MISSING, Codes

MOST_KEYS = 64

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


class Coder:
    """All dictionaries of one instance; one thread at a time adds, any thread may look up."""

    def __init__(self, decode: Decode, dictionaries: Mapping[str, Sequence[str]] | None = None) -> None:
        self._decode = decode
        self.dictionaries = {key: Dictionary(values) for key, values in (dictionaries or {}).items()}
        self.needed: Collection[str] = frozenset()

    def need(self, keys: Collection[str]) -> bool:
        """From now on code these keys whatever else there is.

        False when one of them may have been left out of what was coded so far, which then has to be coded again: once
        there is no more room, a key that has no dictionary may have been passed over.
        """
        self.needed = keys
        missing = [key for key in keys if key not in self.dictionaries]
        complete = not missing or len(self.dictionaries) < MOST_KEYS
        for key in missing:
            self.dictionaries[key] = Dictionary()
        return complete

    def encode(self, texts: Sequence[str | None]) -> dict[str, Codes]:
        """Codes per key for a column of JSON objects (None: no metadata); each distinct text is decoded once."""
        lookup: dict[str | None, int] = {None: 0}
        rows = np.fromiter((lookup.setdefault(text, len(lookup)) for text in texts), np.int64, len(texts))
        tables: dict[str, Codes] = {}
        for text, position in lookup.items():
            if text is not None:
                self._place(self._decode(text), position, len(lookup), tables)
        return {key: table[rows] for key, table in tables.items()}

    def _place(self, meta: Mapping[str, Any], position: int, size: int, tables: dict[str, Codes]) -> None:
        # A key that is itself spelled like a path comes last, and wins.
        for key, value in (*_nested(meta, ""), *meta.items()):
            text = value_text(value)
            if text is None:
                continue
            dictionary = self.dictionaries.get(key) or self._open(key)
            if dictionary is None:
                continue
            if key not in tables:
                tables[key] = np.full(size, MISSING, np.int32)
            tables[key][position] = dictionary.code(text)

    def _open(self, key: str) -> Dictionary | None:
        if len(self.dictionaries) >= MOST_KEYS and key not in self.needed:
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

    def rows_with(self, frame: Frame, key: str, values: Sequence[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows have one of the values under the key. Raises KeyError for a key that is not coded.

        A key that nobody sent is coded, with no values, as long as there is room for it.
        """
        if key not in self.dictionaries and len(self.dictionaries) >= MOST_KEYS:
            raise KeyError(key)
        codes, dictionary = frame.meta.get(key), self.dictionaries.get(key)
        if codes is None or dictionary is None:
            return np.zeros(len(frame), np.bool_)
        wanted = [code for code in map(dictionary.find, values) if code >= 0]
        return np.isin(codes, np.array(wanted, np.int32))
