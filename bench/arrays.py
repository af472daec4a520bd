"""Fluxrate's columns from arrays, without a store of events: for sizes at which filling a store would take the run.

The engine is the real one, and so are meter and customers. The log, which reads its page from the store, and fresh
events cannot be asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.events import REGIONS, Events
from bench.ours import ENDPOINT_NAMES, USER_NAMES, Ours, catalogue, open_instance
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import Frame
from fluxrate.core.columns.snapshot import Snapshot, State
from fluxrate.core.engine import Engine
from fluxrate.core.live import LiveColumns
from fluxrate.core.store import Store


class Still(LiveColumns):
    """Columns that are there already and follow no store."""

    def __init__(self, store: Store, state: State) -> None:
        super().__init__(store, None)
        self._only = state

    def current(self) -> State:
        """The one state."""
        return self._only

    def refresh(self) -> State:
        """The one state."""
        return self._only


def in_memory(folder: Path, events: Events, customers: int) -> Ours:
    """An instance with a meter and its customers, whose columns hold the events, indexes built as at a start."""
    parts = open_instance(folder)
    meter, pks = catalogue(parts, customers)
    names = {"region": REGIONS, "endpoint": ENDPOINT_NAMES, "user_id": USER_NAMES}
    meta: dict[str, NDArray[Any]] = {"region": events.region, "endpoint": events.endpoint, "user_id": events.user}
    frame = Frame(
        events.ts,
        events.seq,
        events.quantity,
        np.array(pks, np.int32)[events.customer],
        {key: codes.astype(np.int32) for key, codes in meta.items()},
    )
    snapshot = Snapshot.of(frame)
    snapshot.index.prepare()
    state = State(Coder(msgspec.json.Decoder(dict).decode, names), len(events), {meter.pk: snapshot})
    ours = Ours(parts, meter)
    ours.engine = Engine(parts.store, parts.catalog, Still(parts.store, state), parts.registry.metrics)
    return ours
