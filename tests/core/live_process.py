"""What the test of kills runs in a process of its own: events, voids and saved columns without end on one instance.

Called as `python -m tests.core.live_process INSTANCE SEED`; says "saved" when the columns have been saved once.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from fluxrate.core.columns import snapshot
from fluxrate.core.model import COMMAND_LINE, Meter, NewEvent
from fluxrate.core.services import Services
from tests.instances import new, open_instance
from tests.reference import DAY

BATCH = 150
VOIDS = 4


def event(meter: Meter, rng: random.Random) -> NewEvent:
    """An event of any age, with metadata or without."""
    meta = rng.choice([None, {"user_id": f"u{rng.randrange(40)}"}, {"plan": f"p{rng.randrange(6)}", "n": rng.random()}])
    ts = rng.choice([2 * DAY, rng.randrange(9 * DAY)])
    return new(meter, ts, rng.choice([1, rng.randrange(1 << 60)]), f"c{rng.randrange(20)}", metadata=meta)


def work(parts: Services, rng: random.Random) -> None:
    """Append a batch to one or both meters, void some of its events, and save the columns."""
    meters = parts.store.meters.all()
    # A meter that did not change has its files taken over.
    wanted = rng.choice([meters, meters[:1], meters[1:]])
    stored = parts.ingest.store([event(rng.choice(wanted), rng) for _ in range(BATCH)])
    for one in rng.sample(stored, VOIDS):
        parts.ingest.void(one.event.id, "a test", COMMAND_LINE)
    parts.live.refresh()
    if rng.random() < 0.5:
        parts.live.fold()
    parts.live.save(force=True)


def main(folder: Path, seed: int) -> None:
    # Tails stay, and are folded by the fold and the save alone, as those of large meters are.
    snapshot.SMALL = 0
    rng = random.Random(seed)
    parts = open_instance(folder)
    parts.live.load()
    work(parts, rng)
    print("saved", flush=True)
    while True:
        work(parts, rng)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
