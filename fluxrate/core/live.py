"""Columns that follow the store: the one place where rows of SQL become numpy.

`LiveColumns.current()` gives an immutable state that holds at least every event this process has acknowledged.
Refreshing reads the store by ingest sequence, which is commit order on every store, so nothing is skipped; it
happens on a timer for what other processes wrote, and at once when a reader would otherwise miss a write of this
process.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from fluxrate.core.columns import files
from fluxrate.core.columns.base import Source
from fluxrate.core.columns.coding import Coder, Saved
from fluxrate.core.columns.frame import Frame, merge
from fluxrate.core.columns.index import Index
from fluxrate.core.columns.snapshot import Snapshot, State, Void
from fluxrate.core.model import Meter
from fluxrate.core.residency import MeterResidency, Residency
from fluxrate.core.store import Store

DEFAULT_PROPERTY = "user_id"
"""The metadata key a distinct count falls back to."""

_CHUNK = 10_000
_SAVE_AFTER = 20_000
_LOG = logging.getLogger(__name__)

StoredRow = tuple[int, int, int, int, int, str | None]
"""(sequence, meter, customer, time, quantity, metadata) as the store reads it."""


def properties(meter: Meter) -> tuple[str, ...]:
    """The metadata keys that a distinct count of this meter reads, the first one present wins."""
    return tuple(dict.fromkeys(key for key in (meter.property_name, DEFAULT_PROPERTY) if key))


class LiveColumns:
    """The columns of one process. Any thread reads; refreshing and saving take turns under a lock."""

    def __init__(self, store: Store, folder: Path | None, limit: int = 0) -> None:
        """`folder` keeps the saved columns; None keeps none. `limit` bounds the bytes of columns in memory; 0 does not.

        What a question is reading, and what is not saved yet, stays in memory whatever the limit.
        """
        self._limit = limit
        self._store = store
        self._folder = folder
        # Reentrant: a refresh may find that a meter's files are gone, and read it.
        self._lock = threading.RLock()
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
        """A state that includes every event and void this process has acknowledged."""
        if self._loaded:
            state = self._state
            if state.seq >= self._acknowledged:
                return state
        return self.refresh()

    def acknowledge(self, seq: int) -> None:
        """Say that an event or void of this sequence was acknowledged; later reads include it."""
        # Two threads that both found the same smaller number would otherwise leave the smaller of theirs.
        with self._acknowledging:
            self._acknowledged = max(self._acknowledged, seq)

    def refresh(self) -> State:
        """Take in what the store has beyond this state, and swap."""
        with self._lock:
            old = self._state if self._loaded else self._restored()
            # Sequence order is commit order: everything up to here can be seen by the reads that follow.
            upto = self._store.events.last_seq()
            if upto > old.seq:
                old = self._extended(old, upto)
            self._state = old
            self._loaded = True
            return self._state

    def _extended(self, old: State, upto: int) -> State:
        if upto - old.seq < _CHUNK:
            return self._with_rows(old, upto)
        # The collector would look again and again at millions of rows that no cycle can hold: half of the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            return self._with_rows(old, upto)
        finally:
            if collects:
                gc.enable()

    def _with_rows(self, old: State, upto: int) -> State:
        seq = old.seq
        arrived: dict[int, list[Frame]] = {}
        while rows := self._store.events.read_after(seq, _CHUNK, upto):
            if not self._learned(old.coder, {row[1] for row in rows}):
                old, seq, arrived = self._fresh(), 0, {}
                continue
            seq = rows[-1][0]
            for pk, frame in _frames(rows, old.coder):
                arrived.setdefault(pk, []).append(frame)
            if len(rows) < _CHUNK:
                break
        voided: dict[int, list[Void]] = {}
        for void_seq, event_seq, pk, ts in self._store.voids.read_after(old.seq, upto):
            voided.setdefault(pk, []).append((void_seq, event_seq, ts))
        fresh = {
            pk: old.snapshot(pk).extended(merge(arrived.get(pk, ())), voided.get(pk, ()))
            for pk in arrived.keys() | voided.keys()
        }
        return State(old.coder, upto, {**old.meters, **fresh})

    def fold(self) -> None:
        """Fold grown tails into their bases and build the indexes, beside the readers; then swap.

        What arrived meanwhile is the new tail. No reader and no refresh waits for the work.
        """
        # One fold at a time: the second to end would lose what the first took from the tail meanwhile.
        with self._folding:
            before = self._state
            wanted = {pk: old for pk, old in before.meters.items() if old.wants_folding}
            self._swap(before, {pk: _folded(old, before.coder) for pk, old in wanted.items()})
        self._keep_within_limit()

    def _swap(self, before: State, folded: Mapping[int, Snapshot]) -> None:
        """Put folded snapshots in the place of those they were made of, with what has arrived since."""
        if not folded:
            return
        with self._lock:
            now = self._state
            if now.coder is not before.coder:
                # All was read again meanwhile, and the codes are others.
                return
            fresh = {pk: new.extended(*now.snapshot(pk).since(before.seq)) for pk, new in folded.items()}
            self._state = State(now.coder, now.seq, {**now.meters, **fresh})

    def save(self, *, force: bool = False) -> None:
        """Write the columns to the folder when enough has come since the last time (or anything, with `force`), and map
        them from there: what is mapped can be let go, and is shared with other processes. What another process has
        saved meanwhile is mapped instead.
        """
        # Locks of their own: no reader that wants a refresh waits for the disk.
        with self._saving, self._folding:
            if self._folder is None:
                return
            if not self._worth_saving(self._folder, self._state.seq, force):
                if not force and files.saved_seq(self._folder) > self._saved_seq:
                    self._adopt()
                return
            try:
                self._save(self._folder, self._state)
            except OSError as why:
                _LOG.warning("The columns could not be saved, the next start reads the store instead: %s", why)

    def _adopt(self) -> None:
        """Go over to what another process has saved, and read what came since: without this, each would keep rows in
        memory of its own that one of them has on disk for all.
        """
        saved = self._restored()
        if not saved.seq:
            return
        for pk, old in self._state.meters.items():
            if old.held.resident and (mine := saved.meters.get(pk)) is not None:
                mine.index.prepare(old.index)
                mine.held.used = old.held.used
        with self._lock:
            upto = max(self._state.seq, self._store.events.last_seq())
            self._state = self._extended(saved, upto)

    def _worth_saving(self, folder: Path, seq: int, force: bool) -> bool:
        last = max(self._saved_seq, files.saved_seq(folder) if seq > self._saved_seq else 0)
        behind = seq - last
        return behind > 0 and (force or behind >= max(_SAVE_AFTER, last // 10))

    def _save(self, folder: Path, before: State) -> None:
        asked = [pk for pk, snapshot in before.meters.items() if snapshot.held.resident]
        with self._lock:
            dictionaries = before.coder.saved()
        folded = {pk: _folded(old, before.coder) for pk, old in before.meters.items()}
        saved = files.save(folder, self._instance_id(), self._mark(before.seq, folded), folded, dictionaries)
        if saved is None:
            return
        self._saved_seq = before.seq
        backed = self._backed(saved, before.coder)
        for pk in asked:
            # What was built for questions is built again here, so that the next one does not wait.
            backed[pk].index.prepare(folded[pk].index)
            backed[pk].held.used = before.meters[pk].held.used
        self._swap(before, backed)
        # Nothing here may hold on to the former generation while it is dropped.
        del before, saved, folded, backed
        files.clear(folder)

    def residency(self) -> Residency:
        """What of the columns is in memory."""
        state = self._state
        meters = tuple(_residency_of(pk, snapshot) for pk, snapshot in sorted(state.meters.items()))
        return Residency(self._limit, state.seq, meters)

    def _keep_within_limit(self) -> None:
        """Let go of what was not asked for longest, until the rest is within the limit."""
        if not self._limit:
            return
        self._let_go()
        unsaved = any(not snapshot.held.saved for snapshot in self._state.meters.values())
        if unsaved and self._excess() > 0:
            # Only what is saved can go. Not sooner: a save for every fold would keep the disk busy.
            self.save(force=True)
            self._let_go()

    def _let_go(self) -> None:
        excess = self._excess()
        meters = sorted(self._state.meters.values(), key=lambda one: one.held.used)
        for let_go in (Snapshot.forget, Snapshot.let_go):
            for snapshot in meters:
                if excess <= 0:
                    return
                before = snapshot.let_go_bytes
                let_go(snapshot)
                excess -= before - snapshot.let_go_bytes

    def _excess(self) -> int:
        found = self.residency()
        return found.heap_bytes + found.mapped_bytes - self._limit

    def _restored(self) -> State:
        """The saved columns where they fit, else nothing; what meters count by is coded in either."""
        saved = None if self._folder is None else files.load(self._folder, self._instance_id(), self._fits)
        if saved is None:
            return self._fresh()
        coder = _coder(saved.dictionaries)
        if not coder.need(self._needed()):
            return self._fresh()
        self._saved_seq = saved.seq
        return State(coder, saved.seq, self._backed(saved, coder))

    def _mark(self, seq: int, meters: Mapping[int, Snapshot]) -> files.Mark:
        event_seq = max((snapshot.newest for snapshot in meters.values()), default=0)
        _, voided_seq = max((snapshot.newest_void for snapshot in meters.values()), default=(0, 0))
        return files.Mark(seq, event_seq, self._event_at(event_seq), voided_seq, self._void_of(voided_seq))

    def _fits(self, mark: files.Mark) -> bool:
        """Whether the store's past has the last event and the last void of a save."""
        found = self._event_at(mark.event_seq), self._void_of(mark.voided_seq)
        return mark.seq <= self._store.events.last_seq() and found == (mark.event_id, mark.void)

    def _backed(self, saved: files.Saved, coder: Coder) -> dict[int, Snapshot]:
        """The saved meters, each of which is read from the store when it cannot be mapped again."""

        def source(pk: int, mapped: Source) -> Source:
            def again() -> Index:
                try:
                    return mapped()
                except (OSError, EOFError, ValueError, KeyError) as why:
                    _LOG.warning("The saved columns of a meter are gone, it is read from the store: %s", why)
                    return self._reread(pk, saved.seq, coder)

            return again

        return {
            pk: replace(snapshot, held=snapshot.held.with_source(partial(source, pk)))
            for pk, snapshot in saved.meters.items()
        }

    def _reread(self, pk: int, upto: int, coder: Coder) -> Index:
        """The rows of one meter that counted at a sequence, from the store."""
        voided = {event_seq for _, event_seq, _, _ in self._store.voids.read_after(0, upto)}
        frames, seq = [], 0
        while rows := self._store.events.read_after(seq, _CHUNK, upto):
            seq = rows[-1][0]
            mine = [row for row in rows if row[1] == pk and row[0] not in voided]
            if mine:
                with self._lock:
                    frames += [frame for _, frame in _frames(mine, coder)]
        whole = merge(frames)
        whole.freeze()
        return Index(whole)

    def _fresh(self) -> State:
        state = _nothing()
        state.coder.need(self._needed())
        return state

    def _instance_id(self) -> str:
        return self._store.instance.get("id") or ""

    def _event_at(self, seq: int) -> str | None:
        event = self._store.events.get(seq)
        return None if event is None else event.id

    def _void_of(self, event_seq: int) -> str | None:
        """What tells a void from one in another past."""
        void = self._store.voids.by_events((event_seq,)).get(event_seq)
        return None if void is None else f"{void.seq}@{void.voided_at}"

    def _learned(self, coder: Coder, meter_pks: set[int]) -> bool:
        """Before the first events of a meter come in, make sure that the metadata keys it counts by are coded.

        Until then its property and filters may still change, so what was learned with another meter's events is no
        use. False when one of the keys was passed over in what is there already.
        """
        if self._known_meters.issuperset(meter_pks):
            return True
        learned = coder.need(self._needed())
        if learned:
            self._known_meters.update(meter_pks)
        return learned

    def _needed(self) -> frozenset[str]:
        meters = self._store.meters.all()
        return frozenset(key for m in meters for key in (*properties(m), *(own.key for own in m.filters)))


def _folded(old: Snapshot, coder: Coder) -> Snapshot:
    """The snapshot with nothing in its tail and with its indexes built; those of the former base are built again."""
    new = old.folded(coder.dictionaries)
    new.index.prepare(old.index if old.held.resident else None)
    return new


def _residency_of(pk: int, snapshot: Snapshot) -> MeterResidency:
    held, beside = snapshot.held, (snapshot.tail, snapshot.graves.rows)
    return MeterResidency(
        meter_pk=pk,
        events=len(snapshot),
        tail_events=len(snapshot.tail),
        heap_bytes=held.heap_bytes + snapshot.newcomers.nbytes + sum(frame.nbytes() for frame in beside),
        mapped_bytes=held.mapped_bytes,
        resident=held.resident,
    )


def _coder(dictionaries: Saved | None = None) -> Coder:
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
