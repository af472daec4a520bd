"""Revenue figures over HTTP: each endpoint on 10,000 subscriptions and 100,000 invoices, on SQLite and on PostgreSQL.

`python -m bench.revenue` asks the application itself, in this process: a request with an API key through everything
but the network. A time is that of the processor, so that what else the machine does is left out; on PostgreSQL, whose
server is another process, it is that of the clock. It keeps what it measured beside the results of `make bench` and
puts its part into the page.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from flask.testing import FlaskClient

from bench import billing, report
from bench.places import DOCS, KEPT, REVENUE
from bench.results import AskedRevenue, Revenue
from fluxrate.app import create_app
from fluxrate.config import load_config
from fluxrate.core import accounts
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION
from tests.postgresql import Server

ROUNDS = 15
CHANGES = 5

QUESTIONS = (
    ("MRR of 30 days by day", "/revenue/mrr"),
    ("MRR of two years by month", "/revenue/mrr?start_date={year}&group_by=month"),
    ("MRR of two years by day", "/revenue/mrr?start_date={year}"),
    ("MRR of two years by day, one currency, as a table", "/revenue/mrr?start_date={year}&currency=USD&format=csv"),
    ("revenue at risk", "/revenue/at-risk"),
    ("revenue at risk, every invoice listed", "/revenue/at-risk?limit=10000"),
    ("revenue at risk, one currency, due this quarter", "/revenue/at-risk?currency=EUR&start_date={quarter}"),
    ("subscriptions, first page", "/subscriptions"),
    ("invoices that are open, first page", "/invoices?status=OPEN"),
    ("invoices, page 1,000", "/invoices?page=1000&page_size=100"),
    ("a customer's invoices", "/customers/customer-00042/invoices"),
)
_DAY = 86_400_000_000


def main() -> None:
    """Measure both stores, and write the part."""
    KEPT.mkdir(parents=True, exist_ok=True)
    found: list[AskedRevenue] = []
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        found += _measure("SQLite", Path(scratch) / "sqlite", "", time.process_time)
        server = Server()
        try:
            found += _measure("PostgreSQL", Path(scratch) / "postgresql", server.database(), time.perf_counter)
        finally:
            server.stop()
    revenue = Revenue(billing.SUBSCRIPTIONS, billing.INVOICES, found)
    REVENUE.write_bytes(msgspec.json.encode(revenue))
    page = DOCS / "benchmarks.md"
    page.write_text(report.with_revenue(page.read_text("utf-8"), revenue), "utf-8")
    print(report.revenue_part(revenue))
    sys.exit(0 if all(asked.median < report.REVENUE_GOAL for asked in found) else 1)


def _measure(store: str, folder: Path, url: str, clock: Callable[[], float]) -> list[AskedRevenue]:
    app = create_app(load_config(str(folder), {"DATABASE_URL": url} if url else {}, environ={}))
    parts: Services = app.extensions[EXTENSION]
    billing.fill(parts, parts.clock())
    headers = {"X-API-Key": accounts.create_key(parts.store, "bench", ("admin",), parts.clock())[1]}
    client, today = app.test_client(), parts.clock() // _DAY
    dates = {name: _date(today - days) for name, days in (("year", 729), ("quarter", 90))}
    found = []
    for text, path in QUESTIONS:
        address = "/api/v1" + path.format(**dates)
        changed = [_after_a_change(client, address, headers, number, clock) for number in range(CHANGES)]
        times = [_asked(client, address, headers, clock) for _ in range(ROUNDS)]
        found.append(AskedRevenue(store, text, statistics.median(times), max(times), statistics.median(changed)))
        print(found[-1], flush=True)
    parts.close()
    return found


def _after_a_change(
    client: FlaskClient, address: str, headers: dict[str, str], number: int, clock: Callable[[], float]
) -> float:
    body = {"quantity": 51 + number, "status": "ACTIVE"}
    place = 1 + hash((address, number)) % billing.SUBSCRIPTIONS
    changed = client.patch(f"/api/v1/subscriptions/sub-{place}", json=body, headers=headers)
    if changed.status_code not in (200, 400):
        raise RuntimeError(f"A change was answered with {changed.text}")
    return _asked(client, address, headers, clock)


def _asked(client: FlaskClient, address: str, headers: dict[str, str], clock: Callable[[], float]) -> float:
    gc.collect()
    start = clock()
    response = client.get(address, headers=headers)
    size = len(response.data)
    taken = clock() - start
    if response.status_code != 200 or not size:
        raise RuntimeError(f"{address} was answered with {response.text[:300]}")
    return taken


def _date(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))


if __name__ == "__main__":
    main()
