"""Rows of a file share transactions: the outcome is that of each row by itself, whatever comes between."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fluxrate.app import BUILT_IN
from fluxrate.core import rows as core_rows
from fluxrate.core.revenue import imports
from fluxrate.core.services import Services
from fluxrate.core.store import Store, Undone
from tests.contracts.store_together import everything
from tests.instances import NOW, make_meter, open_instance
from tests.plugins import stripe_objects as stripe
from tests.postgresql import Server

COMMANDS = {command.name: command for plugin in BUILT_IN for command in plugin.commands}
ROOT = Path(__file__).parents[1]
SECOND = 1_000_000
RANDOM = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")


class OneByOne(Store):
    """A store that never lets changes share a transaction."""

    @contextmanager
    def together(self) -> Iterator[Any]:
        raise Undone
        yield


@pytest.fixture(scope="module")
def postgresql():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(request, tmp_path):
    """A function that opens a new instance at a standing clock, its store as wanted, with what rows point at."""
    made = []

    def make(kind: type[Store] = Store) -> Services:
        folder = tmp_path / f"instance-{len(made)}"
        url = f"sqlite:///{folder}/own.db"
        if request.param == "postgresql":
            url = request.getfixturevalue("postgresql").database()
        parts = replace(open_instance(folder, DATABASE_URL=url), clock=lambda: NOW)
        made.append(parts)
        make_meter(parts)
        for name in ("acme", "ünï"):
            parts.store.customers.create(external_id=name, name=None, email=None, now=NOW)
        if kind is not Store:
            other = kind(url)
            made.append(other)
            return replace(parts, store=other)
        return parts

    yield make
    for parts in made:
        parts.close()


def read(parts: Services, what: str, path: Path, capsys) -> tuple[str, str]:
    """What a command says of a file, on both streams, without the name of the file's folder."""
    capsys.readouterr()
    COMMANDS[f"import-{what}"].run(parts, names=(str(path),), kind=None, strict=False, **EXPORTED.get(what, {}))
    said = capsys.readouterr()
    out, err = (text.replace(str(path), path.name) for text in said)
    return out, "".join(line for line in err.splitlines(keepends=True) if not line.endswith("rows so far\n"))


EXPORTED = {"stripe": {"exported_at": "2025-06-15T15:00:00Z"}}


def lines(path: Path, found: list[Any]) -> Path:
    """A file of these, one a line, each JSON or raw bytes."""
    path.write_bytes(b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in found))
    return path


def plans(chance: random.Random) -> list[Any]:
    fixed = {"charge_type": "FIXED", "amount": "10.50"}
    usage = {"charge_type": "USAGE", "meter_id": "calls", "unit_price": "0.1"}
    found: list[Any] = []
    for _ in range(40):
        name, charges = chance.randrange(12), [chance.choice((fixed, usage, fixed | {"amount": "7"}))]
        row = {"external_id": f"p{name}", "name": chance.choice(("A", "B")), "plan_type": "HYBRID", "currency": "USD"}
        bad = {"charges": [usage | {"meter_id": "nope"}], "currency": "XXX", "name": "", "surprise": 1}
        found.append(row | {"charges": charges, "trial_days": chance.choice((0, 14))} | spoiled(chance, bad))
    return found


def subscriptions(chance: random.Random) -> list[Any]:
    found: list[Any] = []
    for _ in range(110):
        row = {"external_id": f"s{chance.randrange(60)}", "customer_id": chance.choice(("acme", "ünï"))}
        row |= {"plan_id": f"p{chance.randrange(12)}", "quantity": chance.randint(0, 3), "start_date": "2025-01-01"}
        if chance.random() < 0.4:
            row |= {"status": chance.choice(("ACTIVE", "PAUSED", "CANCELED", "TRIAL"))}
        bad = {"customer_id": "nobody", "plan_id": "nope", "quantity": 1.5, "start_date": "soon", "external_id": " x"}
        found.append(row | spoiled(chance, bad))
    return [*found, b"[]", b"{", b'{"external_id": "s1", "customer_id": "\xff", "plan_id": "p1"}']


def invoices(chance: random.Random) -> list[Any]:
    found: list[Any] = []
    for _ in range(300):
        amount = str(chance.randint(1, 9))
        row = {"external_id": f"i{chance.randrange(250)}", "subscription_id": f"s{chance.randrange(62)}"}
        row |= {"status": chance.choice(("DRAFT", "OPEN", "PAID", "VOID")), "issue_date": "2025-02-01"}
        row |= {"lines": [{"description": 'a "quoted" \\ {line}', "amount": amount}]}
        bad = {"customer_id": "acme", "total": "1000", "due_date": "2024-01-01", "lines": 5, "amount_paid": "99"}
        found.append(row | spoiled(chance, bad))
    return found


def spoiled(chance: random.Random, bad: dict[str, Any]) -> dict[str, Any]:
    """Now and then something that is refused."""
    name = chance.choice(list(bad))
    return {name: bad[name]} if chance.random() < 0.1 else {}


def stripes(chance: random.Random) -> list[Any]:
    """Objects and events, in no order, of new and known customers, some of them no objects of Stripe."""
    found: list[Any] = []
    for number in range(180):
        name = f"sub_{chance.randrange(40)}"
        kind = chance.choice(("active", "past_due", "canceled", "trialing", "incomplete"))
        thing = stripe.subscription(name, status=kind, customer=f"cus_{chance.randrange(20)}")
        if chance.random() < 0.6:
            thing = stripe.invoice(f"in_{chance.randrange(90)}", chance.choice(("draft", "open", "paid", "void")))
            thing["subscription"] = name
        if chance.random() < 0.1:
            thing |= {chance.choice(("status", "customer", "currency")): chance.choice((None, 5, "?"))}
        if chance.random() < 0.3:
            deleted = thing["object"] == "invoice" and chance.random() < 0.3
            happened = NOW // SECOND - chance.randrange(600)
            thing = stripe.event(thing, happened, "invoice.deleted" if deleted else None)
        found.append(thing if number % 50 else b'{"object": "invoice", "id": "\\u0000"}')
    return found


def test_many_rows_as_one_by_one(instance, tmp_path, capsys):
    """Generated files, with refused rows, repeats and changes, leave the same rows, and the same is said of them."""
    chance = random.Random(7)
    files = [
        (what, lines(tmp_path / f"{what}-{turn}.ndjson", make(chance)))
        for turn in range(2)
        for what, make in (
            ("plans", plans),
            ("subscriptions", subscriptions),
            ("invoices", invoices),
            ("stripe", stripes),
        )
    ]
    fast, slow = instance(), instance(OneByOne)
    outcomes: Counter[str] = Counter()
    for what, path in [*files, files[1], files[2]]:
        said = read(fast, what, path, capsys)
        assert said == read(slow, what, path, capsys)
        outcomes.update({word: int(number) for number, word in map(str.split, said[0].split(": ")[1].split(", "))})
    assert min(outcomes[word] for word in ("created", "changed", "unchanged", "rejected")) > 20
    known, found = everything(slow.store), everything(fast.store)
    for rows in (known, found):
        # On PostgreSQL customers are made beside the transaction, and their entries stand before its own.
        rows["audit"].sort(key=lambda row: row["action"] != "customer.created")
    for table, wanted in known.items():
        # Without keys: those that were given out and not used leave gaps.
        assert list(map(plain, wanted)) == list(map(plain, found[table])), table


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row without keys and random ids, also of meters and plans that are named in its texts."""
    return {
        name: RANDOM.sub("", cell) if isinstance(cell, str) else cell
        for name, cell in row.items()
        if not name.endswith("pk")
    }


def test_a_row_that_cannot_be_written_takes_no_other_along(instance, tmp_path, capsys):
    """What only the store can refuse, in the midst of others: these go in once each, and it is named by its line."""
    parts = instance()
    read(parts, "plans", lines(tmp_path / "p.ndjson", [plan()]), capsys)
    sold = {"external_id": "s", "customer_id": "acme", "plan_id": "p"}
    read(parts, "subscriptions", lines(tmp_path / "s.ndjson", [sold]), capsys)
    dearer = plan() | {"charges": [{"charge_type": "FIXED", "amount": "2"}]}
    more = [plan() | {"external_id": f"p{number}"} for number in range(9)]
    out, err = read(parts, "plans", lines(tmp_path / "m.ndjson", [*more[:5], dearer, *more[5:]]), capsys)
    assert out == "m.ndjson: 9 created, 0 changed, 0 unchanged, 0 skipped, 1 rejected\n"
    assert err.startswith("m.ndjson:6: Subscriptions are or were on the plan")
    assert [each.external_id for each in parts.store.plans.all()] == ["p", *(f"p{number}" for number in range(9))]
    made = [row["target"] for row in everything(parts.store)["audit"] if row["action"] == "plan.created"]
    assert made == ["plan:p", *(f"plan:p{number}" for number in range(9))]


def test_a_transaction_has_an_end(instance, monkeypatch):
    """Rows share transactions up to a number and a time, and between two of them anybody may write."""
    parts = instance()
    slow = imports.Mirror(lambda row: row, lambda *_: None, lambda *_: time.sleep(0.02) or "skipped")
    quick = imports.Mirror(lambda row: row, lambda *_: None, lambda *_: "skipped")
    found = [core_rows.Line(number, {}) for number in range(imports.ROWS + 1)]
    for mirror, count, most in ((quick, imports.ROWS + 1, 2), (slow, 20, 20)):
        steps = []
        for report in imports.run(parts.store, found[:count], mirror, lambda *_: None):
            steps.append(report.rows)
            parts.store.customers.create(external_id=f"c{count}-{len(steps)}", name=None, email=None, now=NOW)
        assert steps[-1] == count
        assert 2 <= len(steps) <= most
    assert steps[0] <= 1 + imports.LONGEST / 0.02


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_any_moment(tmp_path, capsys, kind, request):
    """A process that is killed leaves whole records, each with its history and its entry; the file is read again."""
    url = request.getfixturevalue("postgresql").database() if kind == "postgresql" else f"sqlite:///{tmp_path}/own.db"
    parts = open_instance(tmp_path / "instance", DATABASE_URL=url)
    parts.store.customers.create(external_id="acme", name=None, email=None, now=NOW)
    read(parts, "plans", lines(tmp_path / "p.ndjson", [plan()]), capsys)
    sold = [{"external_id": f"s{n}", "customer_id": "acme", "plan_id": "p", "status": "PAUSED"} for n in range(4_000)]
    path = lines(tmp_path / "s.ndjson", sold)
    command = [sys.executable, "-m", "fluxrate", "--instance", str(tmp_path / "instance"), "import-subscriptions"]
    seen = []
    for seed in range(3):
        process = subprocess.Popen(
            [*command, str(path)],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "FLUXRATE_DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = count(parts)
        end = time.monotonic() + 60
        while count(parts) == before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(random.Random(seed).uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.append(count(parts))
        with parts.store.read() as connection:
            names, entries, states = (
                [row[0] for row in connection.execute(text(query))]
                for query in (
                    "SELECT external_id FROM subscriptions ORDER BY pk",
                    "SELECT target FROM audit WHERE action = 'subscription.created' ORDER BY pk",
                    "SELECT count(*) FROM subscription_states GROUP BY subscription_pk",
                )
            )
        assert names == [f"s{number}" for number in range(len(names))]
        assert entries == [f"subscription:{name}" for name in names]
        assert states == [2] * len(names)
    assert 0 < seen[0] < len(sold)
    said, _ = read(parts, "subscriptions", path, capsys)
    assert said.endswith(f"{len(sold) - seen[-1]} created, 0 changed, {seen[-1]} unchanged, 0 skipped, 0 rejected\n")
    parts.close()


def plan() -> dict[str, Any]:
    charges = [{"charge_type": "FIXED", "amount": "1"}]
    return {"external_id": "p", "name": "P", "plan_type": "FIXED", "currency": "USD", "charges": charges}


def count(parts: Services) -> int:
    """How many subscriptions there are."""
    with parts.store.read() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM subscriptions")).scalar_one()
    return found
