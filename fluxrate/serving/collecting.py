"""The collector of cyclic garbage in a serving process.

An answer about thousands of subscriptions or buckets makes as many small objects, which live until it is written. The
collector would take them for an occasion to walk through everything the process holds: a third of the time of such an
answer. What start-up has made stays to the end, and is walked through no more; young objects may become many first.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""Objects made, less those gone, before the young ones are looked at; the interpreter's own figure is 700."""


def settle() -> None:
    """Leave out what is there, and look at the rest less often; once, when the process is ready to serve."""
    gc.collect()
    gc.freeze()
    _, middle, old = gc.get_threshold()
    gc.set_threshold(YOUNG, middle, old)
