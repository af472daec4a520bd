"""Any page of several sorted runs of events, newest first, without merging them.

The k-th newest time over all runs is found by bisection on time (each step is one binary search a run); only rows
between the page's two edge times are gathered and ordered. The first page and the last cost the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.types import Ints


def page(runs: Sequence[Frame], offset: int, size: int) -> Ints:
    """Sequences of the rows at `offset` to `offset + size` by (time, sequence) falling; fewer at the end.

    Each run is in (time, sequence) order; the runs may overlap in time.
    """
    total = sum(len(run) for run in runs)
    last = min(offset + size, total)
    if offset >= last:
        return np.empty(0, np.int64)
    newest, oldest = _nth_newest(runs, offset + 1), _nth_newest(runs, last)
    cuts = [run.window(oldest, newest + 1) for run in runs]
    ts = np.concatenate([cut.ts for cut in cuts])
    seq = np.concatenate([cut.seq for cut in cuts])
    skipped = sum(len(run) - int(np.searchsorted(run.ts, newest, side="right")) for run in runs)
    order = np.lexsort((seq, ts))[::-1]
    return seq[order[offset - skipped : last - skipped]]


def _nth_newest(runs: Sequence[Frame], n: int) -> int:
    """The time of the n-th newest row (n from 1): the latest instant that has n rows at or after it."""
    low = min(int(run.ts[0]) for run in runs if len(run))
    high = max(int(run.ts[-1]) for run in runs if len(run))
    while low < high:
        middle = (low + high + 1) // 2
        if sum(len(run) - int(np.searchsorted(run.ts, middle)) for run in runs) >= n:
            low = middle
        else:
            high = middle - 1
    return low
