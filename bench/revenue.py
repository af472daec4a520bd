"""Revenue figures over HTTP: each endpoint on 10,000 subscriptions and 100,000 invoices, on SQLite and on PostgreSQL.

`python -m bench.revenue` asks the application itself, in this process: a request with an API key through everything
but the network. Times are those of the processor, so that what else the machine does is left out: of this process, and
on PostgreSQL of its server besides. Then it imports the same records from files. It keeps what it measured beside the
results of `make bench` and puts its part into the page.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import msgspec
from flask.testing import FlaskClient

from bench import billing, imports, report
from bench.places import DOCS, KEPT, REVENUE
from bench.results import AskedRevenue, Imported, Revenue
from fluxrate.app import create_app
from fluxrate.config import load_config
from fluxrate.core import accounts
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION
from fluxrate.serving import collecting
from tests.postgresql import Server

ROUNDS = 20
CHANGES = 10

QUESTIONS = (
    ("MRR of 30 days by day", "/revenue/mrr"),
    ("MRR of two years by month", "/revenue/mrr?start_date={year}&group_by=month"),
    ("MRR of two years by day", "/revenue/mrr?start_date={year}"),
    ("MRR of two years by day, one currency, as a table", "/revenue/mrr?start_date={year}&currency=USD&format=csv"),
    ("the changes of two years, 1,000 of each currency", "/revenue/mrr/changes?start_date={year}"),
    ("the subscriptions that MRR is made of, 1,000 of each", "/revenue/mrr/subscriptions"),
    ("the customers with their MRR, 1,000 of each", "/revenue/mrr/customers"),
    ("what became of the subscriptions of two years ago", "/revenue/mrr/retention?start_date={year}"),
    ("revenue at risk", "/revenue/at-risk"),
    ("revenue at risk, every invoice listed", "/revenue/at-risk?limit=10000"),
    ("revenue at risk, one currency, due this quarter", "/revenue/at-risk?currency=EUR&start_date={quarter}"),
    ("usage revenue of 30 days", "/revenue/usage"),
    ("the billing periods of 30 days, 1,000 of each", "/revenue/usage/periods"),
    ("usage revenue of a year by month", "/revenue/usage?start_date={before}&group_by=month"),
    ("usage of one subscription", "/subscriptions/sub-4242/usage"),
    ("the forecast of revenue", "/revenue/forecast"),
    ("the billing periods ahead, 1,000 of each", "/revenue/forecast/subscriptions"),
    ("customers whose usage fell", "/revenue/decline"),
    ("subscriptions, first page", "/subscriptions"),
    ("invoices that are open, first page", "/invoices?status=OPEN"),
    ("invoices, page 1,000", "/invoices?page=1000&page_size=100"),
    ("a customer's invoices", "/customers/customer-00042/invoices"),
)
Clock = Callable[[], float]

_DAY = 86_400_000_000


def main() -> None:
    """Measure both stores, and write the part."""
    KEPT.mkdir(parents=True, exist_ok=True)
    found: list[AskedRevenue] = []
    imported: list[Imported] = []
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        found += _measure("SQLite", Path(scratch) / "sqlite", "", lambda: 0.0)
        imported.append(imports.measure("SQLite", Path(scratch) / "sqlite-files", ""))
        # As people run it: commits wait for the disk.
        server = Server("fsync=on")
        try:
            postgresql = Path(scratch) / "postgresql"
            found += _measure("PostgreSQL", postgresql, server.database(), lambda: _taken_by(server.folder))
            imported.append(imports.measure("PostgreSQL", Path(scratch) / "postgresql-files", server.database()))
        finally:
            server.stop()
    revenue = Revenue(billing.SUBSCRIPTIONS, billing.INVOICES, found, imported)
    REVENUE.write_bytes(msgspec.json.encode(revenue))
    page = DOCS / "benchmarks.md"
    page.write_text(report.with_revenue(page.read_text("utf-8"), revenue), "utf-8")
    print(report.revenue_part(revenue))
    sys.exit(0 if all(max(asked.mean, asked.changed) < report.REVENUE_GOAL for asked in found) else 1)


def _measure(store: str, folder: Path, url: str, others: Clock) -> list[AskedRevenue]:
    """Ask everything of one store; `others` are the seconds that processes besides this one have taken."""
    app = create_app(load_config(str(folder), {"DATABASE_URL": url} if url else {}, environ={}))
    parts: Services = app.extensions[EXTENSION]
    billing.fill(parts, parts.clock())
    # As a process that serves does.
    collecting.settle()
    client, today = app.test_client(), parts.clock() // _DAY
    client.environ_base["HTTP_X_API_KEY"] = accounts.create_key(parts.store, "bench", ("admin",), parts.clock())[1]
    dates = {name: _date(today - days) for name, days in (("year", 729), ("before", 365), ("quarter", 90))}

    def clock() -> float:
        return time.process_time() + others()

    found = []
    for place, (text, path) in enumerate(QUESTIONS):
        address = "/api/v1" + path.format(**dates)
        _asked(client, address, clock)
        mean = statistics.mean(_asked(client, address, clock) for _ in range(ROUNDS))
        changed = [_after_a_change(client, address, place * CHANGES + n + 1, clock) for n in range(CHANGES)]
        found.append(AskedRevenue(store, text, mean, statistics.mean(changed)))
        print(found[-1], flush=True)
    parts.close()
    return found


def _after_a_change(client: FlaskClient, address: str, number: int, clock: Clock) -> float:
    """The time of the first answer after another subscription has changed."""
    place = f"/api/v1/subscriptions/sub-{number}"
    quantity = client.get(place).get_json()["quantity"]
    changed = client.patch(place, json={"quantity": quantity + 1})
    if changed.status_code != HTTPStatus.OK:
        raise RuntimeError(f"A change was answered with {changed.text}")
    return _asked(client, address, clock)


def _asked(client: FlaskClient, address: str, clock: Clock) -> float:
    start = clock()
    response = client.get(address)
    size = len(response.data)
    taken = clock() - start
    if response.status_code != HTTPStatus.OK or not size:
        raise RuntimeError(f"{address} was answered with {response.text[:300]}")
    return taken


def _taken_by(folder: Path) -> float:
    """Seconds of the processor that the PostgreSQL server of this folder has taken, all its processes together."""
    first = (folder / "data" / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if first in (stat.parent.name, fields[1]):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _date(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86_400))


if __name__ == "__main__":
    main()
