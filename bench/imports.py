"""Billing records from files: how many rows a second go in, on a new instance of either store.

The files are the generated records of `bench.billing` as a biller would write them: subscriptions as they began, and
invoices with a line each. Times are those of the clock, with all that the commands do: reading, checks, the entries of
the audit trail, and commits to the disk.
"""

from __future__ import annotations

import csv
import json
import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench import billing
from bench.results import Imported
from fluxrate.app import BUILT_IN, command_services
from fluxrate.config import load_config
from fluxrate.core import meters
from fluxrate.core.calendar import rfc3339
from fluxrate.core.revenue import money
from fluxrate.core.revenue.words import date_text
from fluxrate.core.services import Services
from fluxrate.core.store import customers

_COMMANDS = {command.name: command for plugin in BUILT_IN for command in plugin.commands}
_SUBSCRIPTIONS = ("external_id", "customer_id", "plan_id", "quantity", "discount_percent", "start_date")
_INVOICES = ("external_id", "subscription_id", "status", "total", "amount_paid", "issue_date", "due_date", "lines")


def measure(store: str, folder: Path, url: str) -> Imported:
    """Mirror the files in a new instance, and read that of the invoices once more, when nothing changes."""
    parts = command_services(load_config(str(folder), {"DATABASE_URL": url} if url else {}, environ={}))
    sold, billed = _files(parts, folder)
    first = _rate(parts, "subscriptions", sold, billing.SUBSCRIPTIONS)
    invoices, again = (_rate(parts, "invoices", billed, billing.INVOICES) for _ in range(2))
    parts.close()
    return Imported(store, first, invoices, again)


def _rate(parts: Services, what: str, path: Path, rows: int) -> float:
    start = time.monotonic()
    if _COMMANDS[f"import-{what}"].run(parts, names=(str(path),), kind=None, strict=True):
        raise RuntimeError(f"Rows of {path} were refused")
    return rows / (time.monotonic() - start)


def _files(parts: Services, folder: Path) -> tuple[Path, Path]:
    """The files of the subscriptions and invoices of generated plans and customers."""
    chance, now = random.Random(billing.SEED), parts.clock()
    names = [f"customer-{number:05d}" for number in range(billing.CUSTOMERS)]
    with parts.store.write() as connection:
        pks, _ = customers.add(connection, names, now)
    meters.create(parts.store, parts.registry.metrics, billing.METER, now)
    made = [billing.plan(parts, number, now) for number in range(billing.PLANS)]
    called = {plan.pk: plan.external_id for plan in parts.store.plans.all()}
    named = {pk: name for name, pk in pks.items()}
    sold = [billing.subscription(chance, n + 1, list(named), made, now) for n in range(billing.SUBSCRIPTIONS)]
    rows = (
        (
            each["external_id"],
            named[each["customer_pk"]],
            called[each["plan_pk"]],
            each["quantity"],
            each["discount"] // 10_000,
            rfc3339(each["start"]),
        )
        for each in sold
    )
    billed = (_invoice(chance, number, sold, now) for number in range(billing.INVOICES))
    return (
        _written(folder / "subscriptions.csv", _SUBSCRIPTIONS, rows),
        _written(folder / "invoices.csv", _INVOICES, billed),
    )


def _invoice(chance: random.Random, number: int, sold: Sequence[dict[str, object]], now: int) -> tuple[object, ...]:
    of = chance.choice(sold)
    found = billing.invoice(chance, number, of, now)
    total, paid = (str(money.amount(found[name], found["currency"])) for name in ("total", "amount_paid"))
    dates = (date_text(found[name]) for name in ("issue_date", "due_date"))
    lines = json.dumps([{"description": "Base", "amount": total}])
    return found["external_id"], of["external_id"], found["status"], total, paid, *dates, lines


def _written(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
