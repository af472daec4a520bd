"""What the tests run in a process of its own: `migrate URL`, `append URL` and `void URL`."""

from __future__ import annotations

import itertools
import sys
import uuid

from fluxrate.core.store import Store
from tests.contracts.store_case import NOW, new

BATCH = 7


def migrate(store: Store) -> None:
    """Say "ready", wait for a line, migrate, and print what was applied and nothing else."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(" ".join(store.migrate()) or "none", flush=True)


def append(store: Store) -> None:
    """Append batches for ever, printing each sequence when it is acknowledged."""
    [meter] = store.meters.all()
    for turn in itertools.count():
        batch = [new(meter, uuid.uuid4().hex, quantity=turn) for _ in range(BATCH)]
        stored = store.events.append(batch, NOW + turn)
        print(*(one.event.seq for one in stored), flush=True)


def void(store: Store) -> None:
    """Append batches and void each of their events, for ever, printing its sequence when that is acknowledged."""
    [meter] = store.meters.all()
    for turn in itertools.count():
        for one in store.events.append([new(meter) for _ in range(BATCH)], NOW + turn):
            store.voids.add(one.event.seq, "a reason", "key:a", NOW + turn)
            print(one.event.seq, flush=True)


if __name__ == "__main__":
    {"migrate": migrate, "append": append, "void": void}[sys.argv[1]](Store(sys.argv[2]))
