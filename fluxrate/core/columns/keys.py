"""What rows can be told apart by: the customer, a metadata key, or two of these together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluxrate.core.columns.types import Codes

_HALF = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One or two columns of codes; each part is a metadata key, or None for the customer.

    The code of two parts together is made of both, so it means the same in every frame.
    """

    parts: tuple[str | None, ...]

    def join(self, columns: list[Codes]) -> Codes:
        """The code of each row from the codes of the parts."""
        if len(columns) == 1:
            return columns[0]
        one, other = (column.astype(np.int64) + 1 for column in columns)
        return (one << _HALF) | other

    def split(self, code: int) -> tuple[int, ...]:
        """The codes of the parts."""
        if len(self.parts) == 1:
            return (code,)
        return (code >> _HALF) - 1, (code & ((1 << _HALF) - 1)) - 1


CUSTOMER = Key((None,))


def halves(joined: Codes) -> tuple[Codes, Codes]:
    """The two columns of codes that were joined."""
    return ((joined >> _HALF) - 1).astype(np.int32), ((joined & ((1 << _HALF) - 1)) - 1).astype(np.int32)
