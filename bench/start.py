"""A start of Fluxrate in a process of its own, as after a deployment: how long until it answers, how much it holds.

`python -m bench.start FOLDER` prints a `results.Start` as JSON. The columns are taken from where the instance has them,
and saved at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from bench.ours import METER, Ours, open_instance
from bench.questions import questions
from bench.results import Memory, Start
from fluxrate.core.services import Services


def started(folder: Path, url: str, size: int, *, metadata: bool) -> Start:
    """What a process started on the instance reports."""
    command = [sys.executable, "-m", "bench.start", str(folder), "--url", url, "--size", str(size)]
    done = subprocess.run([*command, *(["--metadata"] if metadata else [])], stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Start)


def main() -> None:
    """Start, ask, and print what it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--url", default="")
    options.add_argument("--size", type=int, required=True)
    options.add_argument("--metadata", action="store_true")
    given = options.parse_args()
    sys.stdout.buffer.write(msgspec.json.encode(_start(given.folder, given.url, given.size, given.metadata)))


def _start(folder: Path, url: str, size: int, metadata: bool) -> Start:
    before, begun = _resident(), time.perf_counter()
    parts = open_instance(folder, url)
    parts.live.load()
    loaded = time.perf_counter() - begun
    meter = parts.store.meters.find(METER)
    assert meter is not None
    ours = Ours(parts, meter)
    wanted = [question for question in questions(size) if metadata or not question.reads_metadata]
    ours.plan(wanted[0])()
    answered = time.perf_counter() - begun
    ready = _memory(parts, before)
    begun = time.perf_counter()
    for question in wanted:
        ours.plan(question)()
    asked_all = time.perf_counter() - begun
    full = _memory(parts, before)
    parts.close()
    return Start(loaded, answered, asked_all, ready, full)


def _memory(parts: Services, before: int) -> Memory:
    held = parts.live.residency()
    return Memory(_resident() - before, held.heap_bytes + held.mapped_bytes)


def _resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024


if __name__ == "__main__":
    main()
