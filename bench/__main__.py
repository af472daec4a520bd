"""The command behind `make bench`: all sizes, the HTTP part, and the page that shows them."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench import plot, report
from bench.answers import Different
from bench.places import DOCS, KEPT, RESULTS
from bench.results import Http, Run, Size
from bench.run import STORED_MOST, Place, run_size
from bench.serving import compare
from tests.postgresql import Server

_ALWAYS = (
    "Beyond 20 million events: SQLite, PostgreSQL and pandas; the log and fresh events, for which a store is needed.",
    "Indexes and projections of DuckDB and chDB by customer or metadata: they have the one order by time.",
)

_QUIET = 0.5


def main() -> None:
    """Run, or with --again only write the page of the last run once more."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--sizes", default="1e6,1e7", help="numbers of events, such as 1e6,1e7,1e8")
    options.add_argument("--docs", type=Path, default=DOCS, help="where the page and the pictures go")
    options.add_argument("--again", action="store_true", help="write the page of the last run again")
    given = options.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    # As an exception, so that servers end and files go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended before its time."))
    if given.again:
        run = msgspec.json.decode(RESULTS.read_bytes(), type=Run)
    else:
        try:
            run = _run(sorted({int(float(size)) for size in given.sizes.split(",")}))
        except Different as why:
            sys.exit(f"Two answers differ, so no time is shown. {why}")
    _write(run, given.docs)


def _run(sizes: list[int]) -> Run:
    left_out: list[str] = []
    if (load := os.getloadavg()[0]) > _QUIET:
        print(f"Other programs keep {load:.1f} cores busy: times will be longer than on a quiet machine.")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=KEPT)))
        server = _server(left_out)
        if server:
            stack.callback(server.stop)
        place = Place(scratch, server, lambda text: print(text, flush=True))
        found: list[Size] = []
        http: Http | None = None
        stored = [size for size in sizes if size <= STORED_MOST]
        for size in sizes:
            found.append(run_size(size, place))
            if stored and size == stored[-1]:
                place.say("  HTTP")
                http = compare(place.instance, size)
            run = Run(_today(), _machine(), _versions(found), found, http, [*left_out, *_ALWAYS])
            # The largest size comes last, and may take more memory than there is.
            RESULTS.write_bytes(msgspec.json.encode(run))
    return run


def _server(left_out: list[str]) -> Server | None:
    try:
        return Server()
    except pytest.skip.Exception as why:
        left_out.append(f"PostgreSQL. {why}")
        return None


def _write(run: Run, docs: Path) -> None:
    for size in run.sizes:
        print(f"\n{size.events:,} events\n\n{report.time_table(size)}\n\n{report.ratio_table(size)}")
    print(f"\n{report.goal_table(run)}")
    (docs / "images").mkdir(parents=True, exist_ok=True)
    (docs / "benchmarks.md").write_text(report.page(run), "utf-8")
    svg = docs / "images" / "bench-cost.svg"
    svg.write_text(plot.draw(run), "utf-8")
    if not plot.png(svg, svg.with_suffix(".png")):
        print("\nThe PNG is as it was: Chromium is needed (apt-get install chromium).")
    print(f"\nWritten: {docs / 'benchmarks.md'}, {svg}")


def _today() -> str:
    return f"{datetime.now(UTC):%-d %B %Y}"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"


def _versions(sizes: list[Size]) -> str:
    names = {asked.name: asked.version for size in sizes for asked in size.asked}
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {names[name]}" for name in names)])


if __name__ == "__main__":
    main()
