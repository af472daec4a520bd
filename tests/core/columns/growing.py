"""A meter that grows by batches of events and voids, as a plain list and as a snapshot."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import strategies as st

from fluxrate.core.columns.snapshot import Snapshot, Void
from tests.core.columns.rows import Row, frame


@dataclass
class Meter:
    """A meter's events as a list, each with the sequence of its void, and the snapshot that took in the same."""

    chance: random.Random
    snapshot: Snapshot = field(default_factory=Snapshot)
    events: dict[int, Row] = field(default_factory=dict)
    died: dict[int, int] = field(default_factory=dict)
    seq: int = 0

    def batch(self, arrivals: int, voids: int) -> tuple[list[Row], list[Void]]:
        """Events and voids in any order, as the next ones to arrive; some void an event of the same batch."""
        rows, made = [], []
        for is_event in self.chance.sample([True] * arrivals + [False] * voids, arrivals + voids):
            self.seq += self.chance.choice([1, 1, 3])
            living = [seq for seq in self.events if seq not in self.died]
            if is_event:
                row = Row(self.chance.randrange(6), self.seq, self.seq * 10, 1, self.chance.randint(-1, 2))
                self.events[self.seq] = row
                rows.append(row)
            elif living:
                seq = self.chance.choice(living)
                self.died[seq] = self.seq
                made.append((self.seq, seq, self.events[seq].ts))
        return rows, made

    def grow(self, arrivals: int, voids: int) -> None:
        rows, made = self.batch(arrivals, voids)
        self.snapshot = self.snapshot.extended(frame(rows), made)

    def at(self, seq: int) -> list[Row]:
        """The rows that counted at a sequence."""
        return sorted(row for own, row in self.events.items() if own <= seq and not self.died.get(own, seq + 1) <= seq)

    @property
    def now(self) -> list[Row]:
        return self.at(self.seq)


worlds = st.builds(lambda seed: Meter(random.Random(seed)), st.integers(0, 1 << 30))
sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.booleans()), min_size=1, max_size=6)
