"""What a test needs from the machine: skipped with a sentence where it is missing, failed where nothing may
be missing.
"""

from __future__ import annotations

import os

import pytest

STRICT = "FLUXRATE_TEST_STRICT"


def need(condition: object, sentence: str) -> None:
    """Go on when `condition` holds; else skip with `sentence`, or fail when FLUXRATE_TEST_STRICT is 1."""
    if condition:
        return
    if os.environ.get(STRICT) == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)
