"""What the tests run in a process of its own: a command, the URL of a store, and what else it takes."""

from __future__ import annotations

import itertools
import sys
import time
import uuid

from fluxrate.core.store import Store, copying
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


def write(store: Store) -> None:
    """Say "ready", wait for a line, append large batches without a pause for a while; print how many went in."""
    [meter] = store.meters.all()
    print("ready", flush=True)
    sys.stdin.readline()
    count, end = 0, time.monotonic() + float(sys.argv[3])
    while time.monotonic() < end:
        count += len(store.events.append([new(meter, uuid.uuid4().hex) for _ in range(500)], NOW))
    print(count, flush=True)


def lease(store: Store) -> None:
    """Print whether the lease could be had, and hold it until a line comes."""
    with store.leases.held("work") as mine:
        print(mine, flush=True)
        sys.stdin.readline()


def copy(store: Store) -> None:
    """Copy into the store of the third argument in small pieces, printing a line for each."""
    copying.PIECE = 100
    target = Store(sys.argv[3])
    target.migrate()
    copying.Copy(store, target).run(lambda count: print(count, flush=True))


if __name__ == "__main__":
    commands = {"migrate": migrate, "append": append, "void": void, "copy": copy, "write": write, "lease": lease}
    commands[sys.argv[1]](Store(sys.argv[2]))
