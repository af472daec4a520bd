"""The array types that the numpy room speaks of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

MISSING = -1
"""The code of a metadata key that an event does not have."""
