"""How long the server takes for the pages that people look at: `python -m bench.pages` prints a table, and its exit
status is 1 where a goal is missed.

Times are of the processor, of all threads of this process, so that a busy machine changes them little: the median of
several askings, after one that builds what is kept. Live filters are asked of a meter of ten million events over its
whole year, each time by another bound, as somebody types. Both instances are made where they are not there: the demo in
half a minute, the ten million in three.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from bench.events import customers_of, year
from bench.ours import METER, fill
from bench.places import KEPT
from fluxrate.app import BUILT_IN, create_app
from fluxrate.config import load_config
from fluxrate.core import accounts, demo
from fluxrate.core.errors import FluxrateError
from fluxrate.core.services import Services
from fluxrate.plugin import EXTENSION

ASKINGS = 9
EMAIL, PASSWORD = "bench@example.com", "correct horse battery"
MOST_BYTES, MOST_PAGE, MOST_PANEL, MOST_FILTER = 150_000, 100, 50, 50
PAGES = ("/", "/?panels=all", "/logs", "/meters", "/meters/miles", "/customers", "/customers/UA", "/settings/health")
YEAR = "/logs?start_date=2025-01-01&end_date=2025-12-31"
HALF = "/logs?start_date=2025-07-01&end_date=2025-12-31"
FILTERS = {
    "meter": "meter_id={meter}",
    "customer": "meter_id={meter}&customer_id=customer-{n:06d}",
    "metadata, one value of 8": "meter_id={meter}&meta.region={region}",
    "metadata, three values of 8": "meter_id={meter}&meta.region={region}&meta.region=ap-east-1&meta.region=sa-east-1",
    "metadata, one value of 1,000": "meter_id={meter}&meta.endpoint=/v1/endpoint-{n:03d}",
    "minimum quantity": "meter_id={meter}&min_quantity={bound}",
    "minimum quantity, all meters": "min_quantity={bound}",
    "minimum and maximum quantity": "meter_id={meter}&min_quantity={n}&max_quantity={bound}",
    "largest customer and quantity": "meter_id={meter}&customer_id=customer-000000&min_quantity={bound}",
    "metadata and quantity": "meter_id={meter}&meta.region={region}&min_quantity={bound}",
    "metadata and largest customer": "meter_id={meter}&meta.region={region}&customer_id=customer-000000",
    "not voided": "meter_id={meter}&voided=false",
    "page 100,000": "meter_id={meter}&min_quantity={n}&page=100000",
}
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    found: float
    most: float
    unit: str

    def __str__(self) -> str:
        met = "met" if self.found < self.most else "**missed**"
        return f"| {self.name} | under {self.most:g} {self.unit} | {self.found:.3g} {self.unit} | {met} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--demo", type=Path, default=KEPT / "demo")
    options.add_argument("--large", type=Path, default=KEPT / "large")
    options.add_argument("--events", type=int, default=10_000_000)
    given = options.parse_args()
    rows = [*_demo(given.demo), *_large(given.large, given.events)]
    print("| | goal | measured | |\n|---|---|---:|---|", *rows, sep="\n")
    sys.exit(any(row.found >= row.most for row in rows))


def _demo(folder: Path) -> Iterator[Row]:
    app, parts = _opened(folder)
    if not demo.is_filled(parts):
        demo.prepare(parts, lambda *_: None)
    parts.live.load()
    client = _signed_in(app, parts)
    yield Row("first load of the dashboard, compressed", _weight(client) / 1_000, MOST_BYTES / 1_000, "kB")
    for path in PAGES:
        yield Row(f"`{path}`", _milliseconds(client, path), MOST_PAGE, "ms")
    for panel in parts.registry.panels.all:
        yield Row(
            f"panel `{panel}`", _milliseconds(client, f"/panels/{panel}?meter=miles", part=True), MOST_PANEL, "ms"
        )
    parts.close()


def _large(folder: Path, events: int) -> Iterator[Row]:
    app, parts = _opened(folder)
    if parts.store.meters.find(METER) is None:
        fill(parts, year(events), customers_of(events), metadata=True)
    parts.live.load()
    parts.live.save()
    client = _signed_in(app, parts)
    for name, query in FILTERS.items():
        yield Row(f"live filter: {name}", _milliseconds(client, f"{YEAR}&{query}", part=True), MOST_FILTER, "ms")
    found = _milliseconds(client, f"{HALF}&{FILTERS['minimum quantity']}", part=True)
    yield Row("live filter: minimum quantity, half the year", found, MOST_FILTER, "ms")
    parts.close()


def _opened(folder: Path) -> tuple[Flask, Services]:
    folder.mkdir(parents=True, exist_ok=True)
    app = create_app(load_config(str(folder), {}, environ={}), plugins=BUILT_IN)
    return app, app.extensions[EXTENSION]


def _signed_in(app: Flask, parts: Services) -> FlaskClient:
    with suppress(FluxrateError):  # There from an earlier run.
        accounts.create_user(parts.store, EMAIL, PASSWORD, parts.clock())
    client = app.test_client()
    answer = client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    if answer.status_code != 303:
        raise RuntimeError(f"Signing in was answered with {answer.status_code}.")
    return client


def _milliseconds(client: FlaskClient, query: str, *, part: bool = False) -> float:
    """The median of several askings; what is kept for any of them is built before."""
    headers = {"Accept-Encoding": "gzip"} | ({"HX-Request": "true"} if part else {})
    taken = []
    for n in [*range(len(REGIONS)), *range(ASKINGS)]:
        # Half of the year's quantities are above 500: the most rows to choose among.
        path = query.format(meter=METER, n=n, bound=500 + n, region=REGIONS[n % len(REGIONS)])
        begun = time.process_time()
        answer = client.get(path, headers=headers)
        taken.append(time.process_time() - begun)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}.")
    return statistics.median(taken[-ASKINGS:]) * 1_000


def _weight(client: FlaskClient) -> int:
    """Bytes of the page, its panels, styles, scripts and icon, as they travel to a browser that takes gzip."""
    page = _body(client, "/")[1]
    wanted = re.findall(r'(?:src|href|data-uplot|data-uplot-css)="(/static/[^"]+)"', page)
    panels = re.findall(r'hx-get="(/panels/[^"]+)"', page)
    total = _body(client, "/")[0]
    for path in dict.fromkeys(map(unescape, [*wanted, *panels])):
        total += _body(client, path, part=path in panels)[0]
    return total


def _body(client: FlaskClient, path: str, *, part: bool = False) -> tuple[int, str]:
    headers = {"Accept-Encoding": "gzip"} | ({"HX-Request": "true"} if part else {})
    answer = client.get(path, headers=headers)
    body = answer.get_data()
    size = len(body) + sum(len(f"{name}: {value}\r\n") for name, value in answer.headers)
    packed = answer.headers.get("Content-Encoding") == "gzip"
    return size, (gzip.decompress(body) if packed else body).decode("utf-8", "replace")


if __name__ == "__main__":
    main()
