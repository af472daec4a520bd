"""What a test runs in a process of its own: follow a store by sequence until a line comes, then say what was seen.

Called as `python -m tests.torture.follower URL`. The first line it says in the end holds the sequences, the second how
many events the columns have and how many reads found some.
"""

from __future__ import annotations

import sys
import threading
import time

from fluxrate.core.live import LiveColumns
from fluxrate.core.store import Store


def main(url: str) -> None:
    store = Store(url)
    live = LiveColumns(store, None)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
    seen: list[int] = []
    reads = at = 0
    print("ready", flush=True)
    while True:
        last = ended.is_set()
        # As the columns do: what is committed now can be read.
        upto = store.events.last_seq()
        rows = store.events.read_after(at, 10**9, upto)
        seen += [row[0] for row in rows]
        reads += bool(rows)
        at = upto
        live.refresh()
        if last:
            break
        time.sleep(0.002)
    print(*seen)
    print(sum(len(snapshot) for snapshot in live.current().meters.values()), reads, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
