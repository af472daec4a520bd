"""Columns that follow the store: the one place where rows of SQL become numpy.

`LiveColumns.current()` gives an immutable state that holds at least every event this process has acknowledged.
Refreshing reads the store by ingest sequence, which is commit order on every store, so nothing is skipped; it
happens on a timer for what other processes wrote, and at once when a reader would otherwise miss a write of this
process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from fluxrate.core.columns import files
from fluxrate.core.columns.coding import Coder
from fluxrate.core.columns.frame import Frame, merge
from fluxrate.core.columns.snapshot import State
from fluxrate.core.model import Meter
from fluxrate.core.store import Store

DEFAULT_PROPERTY = "user_id"
"""The metadata key a distinct count falls back to."""

_CHUNK = 100_000
_SAVE_AFTER = 20_000
_LOG = logging.getLogger(__name__)

StoredRow = tuple[int, int, int, int, int, str | None]
"""(sequence, meter, customer, time, quantity, metadata) as the store reads it."""


def properties(meter: Meter) -> tuple[str, ...]:
    """The metadata keys that a distinct count of this meter reads, the first one present wins."""
    return tuple(dict.fromkeys(key for key in (meter.property_name, DEFAULT_PROPERTY) if key))


class LiveColumns:
    """The columns of one process. Any thread reads; refreshing and saving take turns under a lock."""

    def __init__(self, store: Store, folder: Path | None) -> None:
        """`folder` keeps the saved columns; None keeps none."""
        self._store = store
        self._folder = folder
        self._lock = threading.Lock()
        self._folding = threading.Lock()
        self._saving = threading.Lock()
        self._acknowledged = 0
        self._acknowledging = threading.Lock()
        self._saved_seq = 0
        self._known_meters: set[int] = set()
        self._loaded = False
        self._state = _nothing()

    def load(self) -> None:
        """Do now what the first read would wait for: take the saved columns where they fit, the rest from the store."""
        self.refresh()
        self.fold()

    def current(self) -> State:
        """A state that includes every event this process has acknowledged."""
        if self._loaded:
            state = self._state
            if state.seq >= self._acknowledged:
                return state
        return self.refresh()

    def acknowledge(self, seq: int) -> None:
        """Say that an event of this sequence was acknowledged; later reads include it."""
        # Two threads that both found the same smaller number would otherwise leave the smaller of theirs.
        with self._acknowledging:
            self._acknowledged = max(self._acknowledged, seq)

    def refresh(self) -> State:
        """Take in what the store has beyond this state, and swap."""
        with self._lock:
            old = self._state if self._loaded else self._restored()
            seq = old.seq
            arrived: dict[int, list[Frame]] = {}
            while rows := self._store.events.read_after(seq, _CHUNK):
                if not self._learned(old.coder, {row[1] for row in rows}):
                    old, seq, arrived = self._fresh(), 0, {}
                    continue
                seq = rows[-1][0]
                for pk, frame in _frames(rows, old.coder):
                    arrived.setdefault(pk, []).append(frame)
            fresh = {pk: old.snapshot(pk).extended(merge(frames)) for pk, frames in arrived.items()}
            self._state = State(old.coder, seq, {**old.meters, **fresh}) if fresh else old
            self._loaded = True
            return self._state

    def fold(self) -> None:
        """Fold grown tails into their bases and build the indexes, beside the readers; then swap.

        What arrived meanwhile is the new tail. No reader and no refresh waits for the work.
        """
        # One fold at a time: the second to end would lose what the first took from the tail meanwhile.
        with self._folding:
            before = self._state
            folded = {pk: old.folded() for pk, old in before.meters.items() if old.wants_folding}
            for snapshot in folded.values():
                snapshot.index.prepare()
            if not folded:
                return
            with self._lock:
                now = self._state
                if now.coder is not before.coder:
                    # All was read again meanwhile, and the codes are others.
                    return
                fresh = {pk: new.extended(now.snapshot(pk).since(before.seq)) for pk, new in folded.items()}
                self._state = State(now.coder, now.seq, {**now.meters, **fresh})

    def save(self, *, force: bool = False) -> None:
        """Write the columns to the folder when enough has come since the last time (or anything, with `force`)."""
        # A lock of its own: no reader that wants a refresh waits for the disk.
        with self._saving:
            with self._lock:
                state = self._state
                dictionaries = {key: list(found.values) for key, found in state.coder.dictionaries.items()}
            behind = state.seq - self._saved_seq
            if self._folder is None or behind <= 0 or (behind < max(_SAVE_AFTER, self._saved_seq // 10) and not force):
                return
            try:
                files.save(self._folder, self._instance_id(), self._event_at(state.seq), state, dictionaries)
                self._saved_seq = state.seq
            except OSError as why:
                _LOG.warning("The columns could not be saved, the next start reads the store instead: %s", why)

    def _restored(self) -> State:
        """The saved columns where they fit, else nothing; what meters count by is coded in either."""
        saved = None if self._folder is None else files.load(self._folder, self._instance_id(), self._event_at)
        if saved is None:
            return self._fresh()
        coder = _coder(saved.dictionaries)
        if not coder.need(self._needed()):
            return self._fresh()
        self._saved_seq = saved.seq
        return State(coder, saved.seq, saved.meters)

    def _fresh(self) -> State:
        state = _nothing()
        state.coder.need(self._needed())
        return state

    def _instance_id(self) -> str:
        return self._store.instance.get("id") or ""

    def _event_at(self, seq: int) -> str | None:
        event = self._store.events.get(seq)
        return None if event is None else event.id

    def _learned(self, coder: Coder, meter_pks: set[int]) -> bool:
        """Before the first events of a meter come in, make sure that the metadata keys it counts by are coded.

        Until then its property and filters may still change, so what was learned with another meter's events is no
        use. False when one of the keys was passed over in what is there already.
        """
        if self._known_meters.issuperset(meter_pks):
            return True
        self._known_meters.update(meter_pks)
        return coder.need(self._needed())

    def _needed(self) -> frozenset[str]:
        meters = self._store.meters.all()
        return frozenset(key for m in meters for key in (*properties(m), *(own.key for own in m.filters)))


def _coder(dictionaries: Mapping[str, Sequence[str]] | None = None) -> Coder:
    return Coder(msgspec.json.Decoder(dict).decode, dictionaries)


def _nothing() -> State:
    return State(_coder())


def _frames(rows: Sequence[StoredRow], coder: Coder) -> Iterator[tuple[int, Frame]]:
    """Rows as the store gives them, by meter and in order of time. Metadata keys that no row has are left out."""
    seqs, meters, customers, times, quantities, texts = zip(*rows, strict=True)
    seq, owner, customer, ts, quantity = (
        np.array(column, np.int64) for column in (seqs, meters, customers, times, quantities)
    )
    meta = coder.encode(texts)
    for pk in np.unique(owner).tolist():
        mine = np.flatnonzero(owner == pk)
        mine = mine[np.argsort(ts[mine], kind="stable")]
        codes = {key: column[mine] for key, column in meta.items()}
        kept = {key: column for key, column in codes.items() if (column >= 0).any()}
        yield pk, Frame(ts[mine], seq[mine], quantity[mine], customer[mine].astype(np.int32), kept)
