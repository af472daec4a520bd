"""The array types that the numpy room speaks of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.signedinteger[Any]]
"""Mostly int32; int64 where two keys are taken together."""

MISSING = -1
"""The code of a metadata key that an event does not have."""
